"""Corrupted volumes: as far from the clean one as was asked for, and z-scored again."""

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.attacks.kinds import CORRUPTIONS
from robmednas_tf.attacks.notation import CORRUPTION_CURVES, Perturbation
from robmednas_tf.corruptions import volume as volumes
from robmednas_tf.corruptions.volume import CorruptedVolume
from robmednas_tf.data.cohort import open_folder, open_phantom
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.data.slices import masked_batches


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    cache = SliceCache(tmp_path_factory.mktemp("cache"), image_size=32)
    return cache.prepare(next(iter(open_phantom(1, (32, 32, 12), seed=0))))


def whole(subject):
    mr, _, body = next(masked_batches(subject, 1000).as_numpy_iterator())
    return mr, body > 0


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_volume_is_changed_by_as_much_as_is_asked_for(head, kind):
    mr, _ = whole(head)
    volume, strengths = CorruptedVolume(head, 0), []
    for level in CORRUPTION_CURVES[kind]:
        found = volume.corrupted(level, 0, mr)
        assert (found.shape, found.dtype) == (mr.shape, np.float32)
        assert np.sqrt(np.mean((found - mr) ** 2)) == pytest.approx(level.size, rel=0.15)
        assert (found.mean(), found.std()) == pytest.approx((mr.mean(), mr.std()), abs=1e-4)
        strengths.append(volume.corruption(level).strength)
    assert np.all(np.diff(strengths) > 0)


def test_a_strength_sought_on_too_few_slices_is_corrected(head, monkeypatch):
    monkeypatch.setattr(volumes, "_NUM_SOUGHT", 1)
    level, tolerance = Perturbation("motion", 0.12), volumes._TOLERANCE
    volumes._sought.cache_clear()
    corrected = CorruptedVolume(head, 0).corruption(level).rescaling.rms
    monkeypatch.setattr(volumes, "_NUM_CORRECTIONS", 0)
    volumes._sought.cache_clear()
    as_sought = CorruptedVolume(head, 0).corruption(level).rescaling.rms
    volumes._sought.cache_clear()
    assert abs(as_sought / 0.12 - 1) > 2 * tolerance
    assert corrected == pytest.approx(0.12, rel=tolerance)


def test_batches_are_parts_of_the_volume(head):
    mr, _ = whole(head)
    for kind in CORRUPTIONS:
        level = Perturbation(kind, 0.1)
        volume = CorruptedVolume(head, 0)
        found = volume.corrupted(level, 0, mr)
        np.testing.assert_allclose(volume.corrupted(level, 5, mr[5:8]), found[5:8], atol=1e-5)
        assert (
            np.abs(CorruptedVolume(head, 1).corrupted(level, 0, mr) - found).max()
            > (0 if kind == "gibbs" else 1e-2)
            or kind == "gibbs"
        )


def test_size_zero_is_the_identity(head):
    mr, _ = whole(head)
    for kind in CORRUPTIONS:
        found = CorruptedVolume(head, 0).corrupted(Perturbation(kind, 0.0), 0, mr)
        np.testing.assert_array_equal(found, mr)


def test_size_zero_seeks_no_strength(head, monkeypatch):
    monkeypatch.setattr(volumes, "_sought", None)
    mr, _ = whole(head)
    assert CorruptedVolume(head, 0).corrupted(Perturbation("rician", 0.0), 0, mr) is mr


def test_the_darkest_voxel_of_any_slice_is_the_background(tmp_path, write_subject):
    folder = write_subject(tmp_path / "1BA001", (20, 24, 40))
    stored = nib.load(folder / "mr.nii.gz")
    values = np.asarray(stored.dataobj).astype(np.int16)
    # In each of these slices one voxel is darker than in the one before.
    for number, place in enumerate((2, 7, 12, 17, 22)):
        values[0, 0, place] = -100 * (number + 1)
    nib.save(nib.Nifti1Image(values, stored.affine), folder / "mr.nii.gz")
    subject = SliceCache(tmp_path / "cache", 24).prepare(open_folder(tmp_path)["1BA001"])
    mr, _ = whole(subject)
    same = CorruptedVolume(subject, 0).transformed("bias_field", 0.0, 0, mr)
    # 20 of 24 rows or columns are the volume's.
    own = mr[:, 2:-2] if same.shape[1] == 20 else mr[:, :, 2:-2]
    np.testing.assert_allclose(same, own, atol=1e-5)


def test_noise_is_measured_in_the_mrs_deviations(head):
    mr, _ = whole(head)
    added = (CorruptedVolume(head, 0).transformed("rician", 0.05, 0, mr) - mr)[mr > 1]
    # Where the signal is strong, a Rician distribution is a normal one.
    assert added.std() == pytest.approx(0.05, rel=4 / np.sqrt(2 * added.size))


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_windows_upper_end_changes_nothing(head, kind):
    mr, _ = whole(head)
    volume, wider = CorruptedVolume(head, 0), CorruptedVolume(head, 0)
    wider._high = 2 * wider._high
    found = volume.transformed(kind, 0.2, 0, mr)
    np.testing.assert_allclose(wider.transformed(kind, 0.2, 0, mr), found, atol=1e-4)


def test_a_kind_is_traced_once_for_batches_of_every_size(head):
    mr, _ = whole(head)
    volumes._graph.cache_clear()
    volume = CorruptedVolume(head, 0)
    for first, count, size in ((0, 1, 0.04), (1, 3, 0.08), (4, 6, 0.12)):
        volume.corrupted(Perturbation("spike", size), first, mr[first : first + count])
    assert volumes._graph("spike", *mr.shape[1:3]).experimental_get_tracing_count() == 1


@pytest.mark.parametrize(("text", "near"), [("ricain:0.1", "rician"), ("gibs:0.1", "gibbs")])
def test_a_wrong_kind_suggests_the_nearest(text, near):
    with pytest.raises(ValueError, match=f"Did you mean '{near}'"):
        Perturbation.parse(text)


def test_more_than_a_corruption_can_do_is_the_strongest(head):
    mr, _ = whole(head)
    volume = CorruptedVolume(head, 0)
    found = volume.corruption(Perturbation("gibbs", 50.0))
    assert found.strength == pytest.approx(0.95)
    assert np.isfinite(volume.corrupted(Perturbation("gibbs", 50.0), 0, mr)).all()


def test_padding_and_what_is_z_scored_are_the_volumes_own(tmp_path, write_subject):
    write_subject(tmp_path / "1BA001", (20, 28, 8))
    cohort = open_folder(tmp_path, preprocessing=Preprocessing("mask"))
    subject = SliceCache(tmp_path / "cache", image_size=24).prepare(cohort["1BA001"])
    assert subject.zscore == "mask"
    mr, body = whole(subject)
    for kind in ("rician", "bias_field"):
        found = CorruptedVolume(subject, 0).corrupted(Perturbation(kind, 0.1), 0, mr)
        # 20 of 24 columns or rows are the volume's; what pads them is its lowest value.
        is_padded = mr == mr[0, 0, 0, 0]
        is_padded &= np.all(is_padded, axis=(0, 2, 3), keepdims=True) | np.all(
            is_padded, axis=(0, 1, 3), keepdims=True
        )
        assert is_padded.any()
        assert np.all(found[is_padded] == found.min())
        inside, was = found[body], mr[body]
        assert (inside.mean(), inside.std()) == pytest.approx((was.mean(), was.std()), abs=1e-4)
        assert abs(found.std() - mr.std()) > 1e-4
        # How much is said of what the volume has, padding left out.
        changed = ((found - mr) ** 2).sum() - ((found - mr)[is_padded] ** 2).sum()
        told = CorruptedVolume(subject, 0).corruption(Perturbation(kind, 0.1)).rescaling.rms
        assert told == pytest.approx(np.sqrt(changed / (~is_padded).sum()), rel=1e-3)


def test_real_patients(sts, tmp_path):
    cohort = open_folder(sts)
    name = cohort.names[0]
    subject = SliceCache(tmp_path, image_size=64, slices_per_subject=12).prepare(cohort[name])
    mr, _ = whole(subject)
    volume = CorruptedVolume(subject, 0)
    for kind in CORRUPTIONS:
        found = volume.corrupted(Perturbation(kind, 0.12), 0, mr)
        own = volume.corruption(Perturbation(kind, 0.12)).rescaling.rms
        assert own == pytest.approx(0.12, rel=0.15)
        assert np.isfinite(found).all()
