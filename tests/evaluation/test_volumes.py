"""Whole subjects under many models and conditions, against volumes held whole."""

import math

import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks.fgsm import fgsm
from robmednas_tf.attacks.noise import noise_of_slices
from robmednas_tf.attacks.notation import parse_perturbations
from robmednas_tf.attacks.perturbations import PerturbedInference
from robmednas_tf.data.cohort import open_folder
from robmednas_tf.data.grid import pad_or_crop
from robmednas_tf.data.intensities import denormalize_ct, normalize_ct
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.data.slices import masked_batches, read_slices
from robmednas_tf.evaluation.lookup import LookupTable
from robmednas_tf.evaluation.metrics import volume_scores
from robmednas_tf.evaluation.synthrad import mask_scores
from robmednas_tf.evaluation.volumes import Wanted, evaluate_lookup_table, evaluate_subject
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet

ATTACKS = parse_perturbations(["fgsm:0.2", "gaussian:0.1"])


@pytest.fixture(scope="module")
def models():
    blocks = {"narrow": Block("0100", 8), "wide": Block("1110", 16)}
    return {
        name: build_unet(Architecture((block,), (block,)), (24, 24, 1), seed=1)
        for name, block in blocks.items()
    }


@pytest.fixture(scope="module")
def patient(tmp_path_factory, write_subject):
    """A subject whose slices are wider than the grid one way and narrower the other."""
    folder = tmp_path_factory.mktemp("cohort")
    write_subject(folder / "1BA001", (20, 28, 8))
    cache = SliceCache(tmp_path_factory.mktemp("cache"), image_size=24)
    return cache.prepare(open_folder(folder)["1BA001"])


@pytest.fixture(scope="module")
def found(models, patient):
    inference = {name: PerturbedInference(model, ATTACKS) for name, model in models.items()}
    wanted = Wanted(masked=["clean", "fgsm:0.2"], slices=[1, 4, 7], seed=3)
    batches = []
    outcomes, slices = evaluate_subject(inference, patient, wanted, 3, batches.append)
    assert batches == [3, 3, 2]
    return outcomes, slices


def volumes(patient):
    parts = zip(*masked_batches(patient, 100).as_numpy_iterator(), strict=True)
    return [np.concatenate(part) for part in parts]


def test_every_outcome_is_that_of_the_whole_volume(models, patient, found):
    mr, ct, mask = volumes(patient)
    noise = noise_of_slices("1BA001", 0, mr.shape, seed=3)
    outcomes, _ = found
    assert [(each.model, each.condition) for each in outcomes] == [
        (name, condition) for name in models for condition in ("clean", "fgsm:0.2", "gaussian:0.1")
    ]
    assert patient.plane == (28, 20)
    for each in outcomes:
        model = models[each.model]
        seen = {
            "clean": mr,
            "fgsm:0.2": fgsm(model, mr, normalize_ct(ct), 0.2),
            "gaussian:0.1": mr + 0.1 * noise,
        }[each.condition]
        predicted = denormalize_ct(model(seen))
        for region, score in volume_scores(ct, predicted).items():
            assert each.regions[region].dice == pytest.approx(score.dice, abs=1e-3)
            assert each.regions[region].mae == pytest.approx(score.mae, rel=1e-3)
        if each.condition == "gaussian:0.1":
            assert each.in_mask is None
            continue
        # Rows were cropped, columns padded: the mask's figures are of what the volume has.
        planes = [pad_or_crop(volume[..., 0], 24, 20, 0) for volume in (ct, predicted, mask)]
        expected = mask_scores(*planes)
        assert each.in_mask.mae == pytest.approx(expected.mae, rel=1e-3)
        assert each.in_mask.psnr == pytest.approx(expected.psnr, abs=1e-2)
        assert each.in_mask.ssim == pytest.approx(expected.ssim, abs=1e-3)
        assert each.in_mask.ms_ssim == pytest.approx(expected.ms_ssim, abs=1e-3, nan_ok=True)


def test_slices_are_kept_where_they_are_wanted(models, patient, found):
    mr, ct, _ = volumes(patient)
    _, slices = found
    keys = {(each.model, each.condition, each.slice_index) for each in slices}
    assert len(keys) == len(slices) == 2 * 2 * 3
    assert {place for _, _, place in keys} == {1, 4, 7}
    for each in slices:
        np.testing.assert_array_equal(each.mr, mr[each.slice_index, ..., 0])
        np.testing.assert_array_equal(each.ct, ct[each.slice_index, ..., 0])
        size = 0.2 if each.condition == "fgsm:0.2" else 0
        assert np.abs(each.perturbed_mr - each.mr).max() == pytest.approx(size, abs=1e-5)
        predicted = denormalize_ct(models[each.model](each.perturbed_mr[None, ..., None]))
        np.testing.assert_allclose(each.synthetic_ct, predicted[0, ..., 0], atol=0.5)


def test_the_look_up_table_is_the_one_that_fits_the_subject(patient):
    _, ct, mask = volumes(patient)
    outcome = evaluate_lookup_table(patient, "table")
    mr = np.stack([mr for mr, _ in read_slices(patient)])
    predicted = LookupTable.fit(read_slices(patient)).predict(mr)
    assert outcome.regions == volume_scores(ct[..., 0], predicted)
    planes = [pad_or_crop(volume, 24, 20, 0) for volume in (ct[..., 0], predicted, mask[..., 0])]
    assert outcome.in_mask.mae == pytest.approx(mask_scores(*planes).mae)


def test_models_that_break_are_named(patient):
    class Broken:
        input_shape = output_shape = (None, 24, 24, 1)

        def __call__(self, mr, training):
            return tf.fill(tf.shape(mr), math.nan)

    with pytest.raises(ValueError, match=r"Model 'broken' on subject '1BA001' \(clean\).*finite"):
        evaluate_subject({"broken": PerturbedInference(Broken())}, patient, Wanted())


def test_a_patient_without_bone(sts, tmp_path, models):
    subject = SliceCache(tmp_path, 24, slices_per_subject=4).prepare(open_folder(sts)["STS_041"])

    class Boneless:
        input_shape = output_shape = (None, 24, 24, 1)

        def __call__(self, mr, training):
            return tf.minimum(0.01 * mr, 0.0) - 0.5

    outcomes, _ = evaluate_subject(
        {"boneless": PerturbedInference(Boneless(), ATTACKS)}, subject, Wanted(masked=["clean"])
    )
    for outcome in outcomes:
        assert math.isnan(outcome.regions["bone"].dice)
        assert math.isnan(outcome.regions["bone"].mae)
        assert all(math.isfinite(outcome.regions[name].dice) for name in ("brain", "air"))
    assert math.isfinite(outcomes[0].in_mask.mae)
