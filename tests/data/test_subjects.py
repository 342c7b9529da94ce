import dataclasses
import gzip
import sys
from types import ModuleType, SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.data import subjects
from robmednas_tf.data.grid import SliceGrid
from robmednas_tf.data.identity import same_patient
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.data.resample import Resampling
from robmednas_tf.data.slice_view import MRVolume, SliceView
from robmednas_tf.data.subjects import FolderSubject, PhantomSubject


@pytest.fixture
def subject(tmp_path, write_subject):
    return FolderSubject("1BA012", write_subject(tmp_path / "1BA012"))


def _rewrite(path, change):
    """Stores a file anew with `change` applied to its voxels and affine."""
    image = nib.load(path)
    voxels, affine = change(np.asarray(image.dataobj), image.affine.copy())
    nib.save(nib.Nifti1Image(voxels, affine), path)


def test_read_returns_the_files_voxels(subject):
    pair = subject.read()
    for role, volume in (("mr", pair.mr), ("ct", pair.ct), ("mask", pair.mask)):
        image = nib.load(subject.folder / f"{role}.nii.gz")
        np.testing.assert_array_equal(volume, np.asarray(image.dataobj))
        np.testing.assert_array_equal(pair.affine, image.affine)
    assert pair.subject == "1BA012"
    assert (pair.mr.dtype, pair.ct.dtype, pair.mask.dtype) == (np.float32, np.float32, np.uint8)


def test_mask_is_optional_and_any_positive_value_is_inside(subject):
    path = subject.folder / "mask.nii.gz"
    inside = subject.read().mask
    _rewrite(path, lambda voxels, affine: (voxels * 255, affine))
    np.testing.assert_array_equal(subject.read().mask, inside)
    path.unlink()
    assert subject.read().mask is None


def test_uncompressed_files_are_read(subject):
    before = subject.read()
    for role in ("mr", "ct", "mask"):
        packed = subject.folder / f"{role}.nii.gz"
        nib.save(nib.load(packed), subject.folder / f"{role}.nii")
        packed.unlink()
    np.testing.assert_array_equal(subject.read().mr, before.mr)


@pytest.mark.parametrize("role", ["mr", "ct"])
def test_missing_file_is_named(subject, role):
    (subject.folder / f"{role}.nii.gz").unlink()
    for call in (subject.check, subject.read, subject.digest):
        with pytest.raises(ValueError, match=f"'1BA012'.*{role}.nii.gz"):
            call()


def test_two_forms_of_one_file_are_refused(subject):
    nib.save(nib.load(subject.folder / "ct.nii.gz"), subject.folder / "ct.nii")
    with pytest.raises(ValueError, match=r"one ct file.*ct\.nii\.gz and ct\.nii\."):
        subject.check()


@pytest.mark.parametrize(("role", "called"), [("ct", "CT"), ("mask", "mask")])
def test_grids_of_other_shape_are_refused(subject, role, called):
    _rewrite(subject.folder / f"{role}.nii.gz", lambda v, affine: (v[:, :, :-1], affine))
    says = rf"MR and {called} of subject '1BA012'.*mr \(20, 24, 6\), {role} \(20, 24, 5\)"
    for call in (subject.check, subject.read):
        with pytest.raises(ValueError, match=says):
            call()


def _shifted(shift_mm):
    def change(voxels, affine):
        affine[0, 3] += shift_mm
        return voxels, affine

    return change


@pytest.mark.parametrize("role", ["ct", "mask"])
def test_grids_at_another_place_are_refused_beyond_a_twentieth_of_a_mm(subject, role):
    path = subject.folder / f"{role}.nii.gz"
    _rewrite(path, _shifted(0.04))
    subject.check()
    _rewrite(path, _shifted(0.06))
    with pytest.raises(ValueError, match=r"share one voxel grid.*mm"):
        subject.check()


def test_constant_mr_is_refused(subject):
    _rewrite(subject.folder / "mr.nii.gz", lambda v, affine: (np.full_like(v, 7), affine))
    subject.check()
    with pytest.raises(ValueError, match=r"MR of subject '1BA012'.*constant.*7 in every voxel"):
        subject.read()


def test_ct_in_hu_plus_1000_needs_the_bias(subject):
    expected = subject.read().ct
    _rewrite(subject.folder / "ct.nii.gz", lambda v, affine: (v + np.int16(1000), affine))
    with pytest.raises(
        ValueError, match=r"CT of subject '1BA012' \(.*ct.nii.gz\).*--ct_bias=-1000"
    ):
        subject.read()
    np.testing.assert_array_equal(dataclasses.replace(subject, ct_bias=-1000).read().ct, expected)


def test_padding_is_raised_to_the_floor(subject):
    def pad(voxels, affine):
        voxels[0] = -3024
        return voxels, affine

    _rewrite(subject.folder / "ct.nii.gz", pad)
    assert (subject.read().ct[0] == -1024).all()


def test_digest_follows_every_input(subject):
    digests = [subject.digest(), dataclasses.replace(subject, ct_bias=-1000).digest()]
    for role in ("mr", "ct", "mask"):
        path = subject.folder / f"{role}.nii.gz"
        path.write_bytes(path.read_bytes() + b"\0")
        digests.append(subject.digest())
    (subject.folder / "mask.nii.gz").unlink()
    digests.append(subject.digest())
    assert len(set(digests)) == len(digests)


def test_identity_follows_the_patient_and_not_the_files(subject):
    identities = {subject.read().identity}
    (subject.folder / "mask.nii.gz").unlink()
    path = subject.folder / "mr.nii.gz"
    (subject.folder / "mr.nii").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    identities.add(subject.read().identity)
    assert len(identities) == 1
    (subject.folder / "mr.nii").rename(path.with_name("ct.nii"))
    (subject.folder / "ct.nii.gz").rename(path)
    (subject.folder / "ct.nii").unlink()
    (subject.folder / "ct.nii.gz").write_bytes(path.read_bytes())
    assert subject.read().identity not in identities


@pytest.mark.parametrize("axes", ["LPS", "PSL", "SAR", "LAI"])
def test_a_patient_whose_axes_are_turned_is_the_same(tmp_path, write_subject, axes):
    found = [
        FolderSubject(form, write_subject(tmp_path / form, axes=form)).read().identity
        for form in ("RAS", axes)
    ]
    assert found[0] == found[1]


def test_who_shares_the_mr_or_the_ct_is_the_same_patient(subject, tmp_path, write_subject):
    first = {subject.read().identity: "first"}
    other = FolderSubject("other", write_subject(tmp_path / "other", seed=9))
    stranger = other.read().identity
    assert same_patient(stranger, first) is None
    for role in ("mr", "ct"):
        # Another contrast, or another registration.
        shared = write_subject(tmp_path / role, seed=9)
        (shared / f"{role}.nii.gz").write_bytes((subject.folder / f"{role}.nii.gz").read_bytes())
        assert same_patient(FolderSubject(role, shared).read().identity, first) == "first"


@pytest.mark.parametrize("zscore", ["volume", "mask"])
@pytest.mark.parametrize("spacing_mm", [(0.0, 0.0, 0.0), (4.0, 5.0, 8.0), (3.0, 0.0, 2.0)])
def test_training_sees_what_synthesis_sees(tmp_path, write_subject, zscore, spacing_mm):
    preprocessing = Preprocessing(zscore, spacing_mm)
    folder = write_subject(tmp_path / "a", axes="PSL")
    pair = FolderSubject("a", folder, preprocessing=preprocessing).read()
    own = FolderSubject("a", folder).read()
    volume = MRVolume("a", own.mr, own.affine, own.mask > 0)
    view = SliceView.of(volume, preprocessing, 16)
    np.testing.assert_array_equal(pair.slices(16)[0][..., 0], view.slices)


def test_a_phantoms_identity_does_not_follow_its_grid():
    subject = PhantomSubject("a", seed=0, number=0, shape=(16, 16, 8))
    identity = subject.read().identity
    assert dataclasses.replace(subject, shape=(8, 8, 8)).read().identity == identity
    for change in ({"seed": 1}, {"number": 1}):
        assert dataclasses.replace(subject, **change).read().identity != identity


def test_a_body_mask_is_the_file_or_what_the_ct_encloses(subject):
    pair = subject.read()
    own = pair.mask_slices(30)
    grid = SliceGrid.of(pair.mask.shape, pair.affine, 30)
    np.testing.assert_array_equal(grid.from_slices(own, 0), pair.mask)
    drawn = dataclasses.replace(pair, mask=None).mask_slices(30)
    assert drawn.shape == own.shape
    ct = grid.to_slices(pair.ct, -1000)
    # The cavity inside the head belongs to the body, the air around it does not.
    assert ((ct < -500) & (drawn == 1)).any()
    assert not drawn[:, 0].any()
    assert (drawn[ct >= -500] == 1).all()


def test_digest_does_not_follow_the_place(subject, tmp_path):
    before = subject.digest()
    elsewhere = subject.folder.rename(tmp_path / "moved")
    assert FolderSubject("other", elsewhere).digest() == before


def test_digest_tells_which_file_holds_what(subject):
    before = subject.digest()
    mr, ct, spare = (subject.folder / f"{name}.nii.gz" for name in ("mr", "ct", "spare"))
    mr.rename(spare), ct.rename(mr), spare.rename(ct)
    assert subject.digest() != before


def test_phantom_passes_its_place_to_the_generator(monkeypatch):
    calls = []

    def make_head(shape, *, seed, subject):
        calls.append((shape, seed, subject))
        volume = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
        mask = (volume > 3).astype(np.uint8)
        return SimpleNamespace(mr=volume, ct=volume - 1000, mask=mask, affine=np.eye(4))

    module = ModuleType("robmednas_tf.data.phantom")
    module.make_head = make_head
    monkeypatch.setitem(sys.modules, "robmednas_tf.data.phantom", module)
    pair = PhantomSubject("phantom_002", seed=5, number=2, shape=(3, 4, 5)).read()
    assert calls == [((3, 4, 5), 5, 2)]
    assert (pair.subject, pair.mr.dtype, pair.ct.dtype) == ("phantom_002", np.float32, np.float32)
    assert (pair.ct.min(), pair.mr.max()) == (-1000, 59)


def test_phantom_keeps_a_subjects_rules():
    pytest.importorskip("robmednas_tf.data.phantom")
    subject = PhantomSubject("phantom_000", seed=0, number=0, shape=(16, 16, 8))
    subject.check()
    pair = subject.read()
    assert pair.mr.shape == pair.ct.shape == pair.mask.shape == (16, 16, 8)
    assert pair.mr.min() < pair.mr.max()
    assert -1024 <= pair.ct.min() <= -500
    assert set(np.unique(pair.mask)) <= {0, 1}
    np.testing.assert_array_equal(pair.mr, subject.read().mr)


def test_phantom_digest_follows_parameters_and_version(monkeypatch):
    subject = PhantomSubject("a", seed=0, number=0, shape=(16, 16, 8))
    changes = [{"seed": 1}, {"number": 1}, {"shape": (16, 8, 16)}]
    digests = [subject.digest(), *(dataclasses.replace(subject, **c).digest() for c in changes)]
    monkeypatch.setattr(subjects, "PHANTOM_VERSION", subjects.PHANTOM_VERSION + 1)
    digests.append(subject.digest())
    assert len(set(digests)) == len(digests)
    monkeypatch.undo()
    assert dataclasses.replace(subject, name="b").digest() == digests[0]


def test_real_patients_go_to_slices_and_back(sts):
    digests = set()
    for folder in sorted(path for path in sts.iterdir() if path.is_dir()):
        subject = FolderSubject(folder.name, folder)
        subject.check()
        pair = subject.read()
        assert set(np.unique(pair.mask)) == {0, 1}
        # The files are LPS throughout: slices are the plain transpose.
        grid = SliceGrid.of(pair.ct.shape, pair.affine, 192)
        slices = grid.to_slices(pair.ct, -1000)
        assert not grid.crops
        assert slices.shape == (pair.ct.shape[2], 192, 192)
        np.testing.assert_array_equal(grid.from_slices(slices, 0), pair.ct)
        digests.add(subject.digest())
    assert len(digests) == 10


def _prepared_as(subject, **settings):
    return dataclasses.replace(subject, preprocessing=Preprocessing(**settings))


def test_a_resampled_subject_lies_on_one_new_grid(subject):
    own = subject.read()
    # The file's are 2 x 2.5 x 4 mm.
    pair = _prepared_as(subject, spacing_mm=(1.0, 0.0, 8.0)).read()
    # Slices, rows and columns, whatever the file's axes.
    assert pair.mr.shape == pair.ct.shape == pair.mask.shape == (3, 24, 40)
    np.testing.assert_allclose(np.linalg.norm(pair.affine[:3, :3], axis=0), (8, 2.5, 1))
    way = Resampling.of(own.mr.shape, own.affine, (1.0, 0.0, 8.0))
    grid = SliceGrid.of(way.new_shape, way.new_affine, 1)
    np.testing.assert_allclose(pair.affine, grid.turn_affine(way.new_affine), atol=1e-9)
    np.testing.assert_allclose(pair.mr, grid.turn(way.apply(own.mr)), rtol=1e-5)
    np.testing.assert_allclose(pair.ct, grid.turn(way.apply(own.ct)), rtol=1e-5)
    np.testing.assert_array_equal(pair.mask, grid.turn(way.apply_to_mask(own.mask)))
    assert set(np.unique(pair.mask)) == {0, 1}
    # The same patient, on whatever grid.
    assert pair.identity == own.identity


def test_a_resampled_ct_stays_in_hu(subject):
    pair = _prepared_as(subject, spacing_mm=(1.3, 1.7, 2.9)).read()
    own = subject.read()
    assert own.ct.min() <= pair.ct.min()
    assert pair.ct.max() <= own.ct.max()
    # All air above the head is the same air.
    assert (own.ct[:, :, 0][own.mask[:, :, 0] == 0] == -1000).all()
    outside = (pair.mask == 0) & (pair.ct < -999.9)
    assert outside.any()
    assert (pair.ct[outside] >= -1024).all()


@pytest.mark.parametrize("axes", ["LPS", "PSL", "SAR"])
def test_resampling_does_not_follow_the_files_axes(tmp_path, write_subject, axes):
    slices = []
    for form in ("RAS", axes):
        folder = write_subject(tmp_path / form, axes=form)
        found = _prepared_as(FolderSubject("a", folder), spacing_mm=(3.1, 1.9, 5.3))
        slices.append((*found.read().slices(32), found.read().mask_slices(32)))
    for one, other in zip(*slices, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_mask_chooses_the_voxels_of_the_zscore(subject):
    pair = _prepared_as(subject, zscore="mask").read()
    values = pair.mr[pair.mask > 0].astype(np.float64)
    expected = (pair.mr - values.mean()) / values.std()
    slices, ct = pair.slices(30)
    grid = SliceGrid.of(pair.mr.shape, pair.affine, 30)
    np.testing.assert_allclose(slices[..., 0], grid.to_slices(expected, expected.min()), atol=1e-5)
    np.testing.assert_array_equal(ct, subject.read().slices(30)[1])
    assert not np.allclose(slices, subject.read().slices(30)[0], atol=0.1)


def test_a_zscore_inside_the_mask_needs_one_with_contrast(subject):
    masked = _prepared_as(subject, zscore="mask")
    path = subject.folder / "mask.nii.gz"
    for voxels, says in ((np.zeros, "no voxel"), (np.ones, None)):
        _rewrite(path, lambda v, affine, voxels=voxels: (voxels(v.shape, v.dtype), affine))
        if says:
            with pytest.raises(ValueError, match=f"MR of subject '1BA012'.*body mask.*{says}"):
                masked.read()
        else:
            masked.read()
    path.unlink()
    for call in (masked.check, masked.read):
        with pytest.raises(ValueError, match=r"'1BA012' must have a body mask for --zscore=mask"):
            call()
    subject.read()


def test_a_mask_that_a_coarse_grid_loses_is_refused_with_its_subject(subject):
    def single(voxels, affine):
        voxels = np.zeros_like(voxels)
        voxels[0, 0, 0] = voxels[1, 0, 0] = 1
        return voxels, affine

    _rewrite(subject.folder / "mask.nii.gz", single)
    _prepared_as(subject, zscore="mask").read()
    with pytest.raises(ValueError, match=r"'1BA012' \(.*mr.nii.gz\).*inside the body mask"):
        _prepared_as(subject, zscore="mask", spacing_mm=(9.0, 9.0, 9.0)).read()


def test_digest_follows_every_setting_of_preprocessing(subject):
    phantom = PhantomSubject("a", seed=0, number=0, shape=(16, 16, 8))
    settings = [
        {},
        {"zscore": "mask"},
        {"spacing_mm": (1.0, 1.0, 1.0)},
        {"spacing_mm": (1.0, 1.0, 2.0)},
        {"spacing_mm": (2.0, 1.0, 1.0)},
        {"spacing_mm": (1.0, 1.0, 1.0), "zscore": "mask"},
    ]
    for one in (subject, phantom):
        digests = {_prepared_as(one, **setting).digest() for setting in settings}
        assert len(digests) == len(settings)
        assert one.digest() in digests
