"""Whole volumes through networks and back onto their own grids."""

import itertools
import math

import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff

from robmednas_tf.data.grid import SliceGrid
from robmednas_tf.data.intensities import denormalize_ct, zscore
from robmednas_tf.data.preprocessing import AS_IN_PAPER, Preprocessing
from robmednas_tf.data.preprocessing_record import record_preprocessing
from robmednas_tf.data.slice_view import MRVolume
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet
from robmednas_tf.synthesis import Synthesizer
from robmednas_tf.volume_model import VolumeModel, batch_size_for, load_volume_model

SIZE = 16
# Oblique, anisotropic, its axes in no canonical order.
AFFINE = np.array(
    [[0.1, -2.0, 0.3, 40], [1.9, 0.1, 0.2, -60], [0.2, 0.3, -4.0, 10], [0, 0, 0, 1.0]]
)


def volume(shape=(13, 18, 7), seed=0):
    rng = np.random.default_rng(seed)
    mr = rng.gamma(2.0, 100.0, shape).astype("float32")
    return MRVolume("head", mr, AFFINE, rng.random(shape) < 0.7)


@pytest.fixture(scope="module")
def networks():
    block = Block("0110", 4, 4)
    architecture = Architecture((block,), (block,))
    # Random last layers, so that all of a network shows in its output.
    return [build_unet(architecture, (SIZE, SIZE, 1), seed=seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def load(networks, tmp_path_factory):
    """A function that loads one of the two networks, for volumes prepared in some way."""
    folder = tmp_path_factory.mktemp("models")

    def load(number=0, preprocessing=AS_IN_PAPER, batch_size=4, epsilon=0.0):
        path = folder / f"{number}-{abs(hash(preprocessing))}.keras"
        if not path.is_file():
            networks[number].save(path)
            record_preprocessing(path, preprocessing)
        return load_volume_model(path, batch_size, epsilon)

    return load


def test_a_naive_loop_gives_the_same(networks, load):
    given = volume()
    grid = SliceGrid.of(given.mr.shape, AFFINE, SIZE)
    mr = zscore(given.mr)
    slices = grid.to_slices(mr, fill=float(mr.min()))
    predicted = np.stack([networks[0](each[None, ..., None])[0, ..., 0] for each in slices])
    expected = grid.from_slices(denormalize_ct(predicted), fill=-1000)
    found = Synthesizer([load()], False, False)(given)
    np.testing.assert_allclose(found.ct_hu, expected, atol=1e-2)
    assert found.uncertainty_hu is None
    assert found.robustness_hu is None
    # One of 18 rows or columns is cut at each end of the longer axis.
    assert found.unseen == pytest.approx(1 - 16 / 18)


@pytest.mark.parametrize(
    "preprocessing",
    [AS_IN_PAPER, Preprocessing("mask"), Preprocessing("volume", (1.7, 2.5, 0.0))],
    ids=str,
)
def test_all_48_orientations_give_the_same_synthetic_ct(load, preprocessing):
    synthesizer = Synthesizer([load(0, preprocessing)], False, False)
    given = volume()
    expected = synthesizer(given).ct_hu
    assert expected.std() > 100
    turns = [
        np.column_stack([axes, flips])
        for axes in itertools.permutations(range(3))
        for flips in itertools.product((1, -1), repeat=3)
    ]
    assert len(turns) == 48
    for turn in turns:
        turned = MRVolume(
            "head",
            apply_orientation(given.mr, turn),
            AFFINE @ inv_ornt_aff(turn, given.mr.shape),
            apply_orientation(given.mask, turn),
        )
        found = apply_orientation(expected, turn)
        np.testing.assert_allclose(synthesizer(turned).ct_hu, found, rtol=0, atol=1e-3)


def test_an_ensemble_is_the_mean_and_uncertainty_the_deviation(networks, load):
    given = volume()
    models = [load(0), load(1)]
    alone = [Synthesizer([model], False, False)(given).ct_hu for model in models]
    found = Synthesizer(models, True, False)(given)
    np.testing.assert_allclose(found.ct_hu, np.mean(alone, axis=0), atol=1e-2)
    members = []
    for ct_hu, network in zip(alone, networks, strict=True):
        grid = SliceGrid.of(given.mr.shape, AFFINE, SIZE)
        mr = zscore(given.mr)
        flipped = grid.to_slices(mr, fill=float(mr.min()))[:, :, ::-1]
        predicted = denormalize_ct(network(flipped[..., None]))[..., 0][:, :, ::-1]
        members += [ct_hu, grid.from_slices(np.ascontiguousarray(predicted), fill=-1000)]
    np.testing.assert_allclose(found.uncertainty_hu, np.std(members, axis=0), atol=1e-2)


def test_robustness_map_grows_with_epsilon_and_is_drawn_once(load):
    given = volume()
    maps = [
        Synthesizer([load(epsilon=epsilon)], False, True)(given).robustness_hu
        for epsilon in (0.01, 0.1, 0.1)
    ]
    assert maps[0].min() >= 0
    assert 0 < maps[0].mean() < maps[1].mean()
    np.testing.assert_array_equal(maps[1], maps[2])


def test_robustness_map_does_not_depend_on_the_batch(load):
    maps = [
        Synthesizer([load(batch_size=size, epsilon=0.1)], False, True)(volume()).robustness_hu
        for size in (1, 3, 16)
    ]
    for each in maps[1:]:
        # A sign may flip where a gradient is next to nothing.
        assert np.mean(np.abs(each - maps[0]) > 0.1) < 0.01


def test_models_of_different_preprocessing_form_an_ensemble(load):
    models = [load(0), load(1, Preprocessing("mask", (2.5, 2.5, 2.5)))]
    # Small enough to be seen whole by both.
    given = volume((13, 16, 7))
    alone = [Synthesizer([model], False, False)(given).ct_hu for model in models]
    found = Synthesizer(models, False, False)(given)
    assert found.unseen == 0
    np.testing.assert_allclose(found.ct_hu, np.mean(alone, axis=0), atol=1e-2)


def test_a_voxel_is_averaged_over_the_models_that_see_it(networks, tmp_path):
    # Planes of 18 pixels: one network sees 16 of them, the other all.
    wide = build_unet(Architecture((Block("0100", 4),), (Block("0100", 4),)), (20, 20, 1), seed=3)
    models = []
    for name, network in (("narrow", networks[0]), ("wide", wide)):
        network.save(tmp_path / f"{name}.keras")
        models.append(load_volume_model(tmp_path / f"{name}.keras", 4, epsilon=0.1))
    given = volume()
    alone = [Synthesizer([model], False, True)(given) for model in models]
    found = Synthesizer(models, True, True)(given)
    grid = SliceGrid.of(given.mr.shape, AFFINE, SIZE)
    seen = grid.from_slices(np.ones((grid.num_slices, SIZE, SIZE), bool), fill=False)
    assert 0 < seen.mean() < 1
    both = np.mean([each.ct_hu for each in alone], axis=0)
    np.testing.assert_allclose(found.ct_hu, np.where(seen, both, alone[1].ct_hu), atol=1e-2)
    moved = np.mean([each.robustness_hu for each in alone], axis=0)
    expected = np.where(seen, moved, alone[1].robustness_hu)
    np.testing.assert_allclose(found.robustness_hu, expected, atol=1e-2)
    # Air of a network that does not see a voxel is no disagreement.
    single = Synthesizer(models[1:], True, False)(given).uncertainty_hu
    np.testing.assert_allclose(found.uncertainty_hu[~seen], single[~seen], atol=1e-2)
    assert (alone[0].unseen, found.unseen) == (pytest.approx(1 - seen.mean()), 0)


def test_progress_counts_every_slice_of_every_pass(load):
    counts = []
    synthesizer = Synthesizer([load(0, epsilon=0.1), load(1, epsilon=0.1)], True, True)
    synthesizer(volume(), counts.append)
    # Slices run along the second file axis' neighbour: seven of them, in six passes.
    assert sum(counts) == 7 * synthesizer.num_passes
    assert synthesizer.num_passes == 6


def test_a_volume_without_the_mask_that_a_model_needs_is_refused(load):
    given = volume()
    without = MRVolume(given.subject, given.mr, given.affine)
    with pytest.raises(ValueError, match="needs a body mask"):
        Synthesizer([load(0, Preprocessing("mask"))], False, False)(without)


def test_a_prediction_that_is_not_finite_is_refused(networks, tmp_path):
    broken = build_unet(Architecture((Block("0100", 4),), (Block("0100", 4),)), (SIZE, SIZE, 1))
    broken.layers[-1].set_weights(
        [np.full_like(w, np.nan) for w in broken.layers[-1].get_weights()]
    )
    broken.save(tmp_path / "broken.keras")
    with pytest.raises(ValueError, match=r"'head' is not finite.*--model"):
        Synthesizer([load_volume_model(tmp_path / "broken.keras", 4)], False, False)(volume())


def test_memory_that_runs_out_halves_the_batch(load, monkeypatch):
    import tensorflow as tf

    model, whole = load(batch_size=6), load(batch_size=6)
    predict, sizes = model._predict, []

    def small_memory(mr):
        sizes.append(len(mr))
        if len(mr) > 2:
            raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
        return predict(mr)

    monkeypatch.setattr(model, "_predict", small_memory)
    found = Synthesizer([model], False, False)(volume()).ct_hu
    assert sizes[:3] == [6, 3, 1]
    expected = Synthesizer([whole], False, False)(volume()).ct_hu
    np.testing.assert_allclose(found, expected, atol=1e-2)


def test_batches_fit_into_memory(networks, load, tmp_path):
    activations = sum(math.prod(layer.output.shape[1:]) for layer in networks[0].layers)
    networks[0].save(tmp_path / "model.keras")
    from robmednas_tf.evaluation.models import load_model

    model = load_model(tmp_path / "model.keras")
    assert model.activations == activations
    assert batch_size_for(model, 8 * 3 * activations) == 3
    assert batch_size_for(model, 0) == 1
    assert batch_size_for(model, 10**12) == 16
    assert isinstance(load(), VolumeModel)
