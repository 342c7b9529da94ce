import shutil

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.data.cohort import Cohort, open_folder, open_phantom

NAMES = ("1BA001", "1BA005", "1BB012", "1BC003", "1BC044")


def test_folder_opens_as_its_subjects_in_order(cohort_folder):
    cohort = open_folder(cohort_folder)
    cohort.check()
    assert cohort.names == NAMES
    assert (cohort.name, len(cohort)) == ("brain", 5)
    assert [subject.name for subject in cohort] == list(NAMES)
    assert {cohort[name].read().mr.shape for name in NAMES} == {
        (20, 24, 6),
        (23, 21, 5),
        (27, 7, 18),
        (4, 26, 26),
        (21, 22, 6),
    }
    assert cohort["1BC003"].read().mask is None
    assert nib.aff2axcodes(cohort["1BB012"].read().affine) == ("P", "S", "L")


def test_bias_reaches_every_subject(cohort_folder):
    assert {subject.ct_bias for subject in open_folder(cohort_folder, -1000)} == {-1000}


def test_what_is_no_subject_is_left_out(cohort_folder):
    for name in ("overview", "overviews", ".hidden"):
        shutil.copytree(cohort_folder / "1BA001", cohort_folder / name, dirs_exist_ok=True)
    (cohort_folder / "notes").mkdir()
    (cohort_folder / "readme.txt").write_text("x")
    assert open_folder(str(cohort_folder)).names == NAMES


@pytest.mark.parametrize("missing", ["mr", "ct"])
def test_subject_without_one_of_its_volumes_is_named(cohort_folder, missing):
    (cohort_folder / "1BB012" / f"{missing}.nii.gz").unlink()
    with pytest.raises(ValueError, match=f"Subject '1BB012'.*1BB012/{missing}.nii.gz"):
        open_folder(cohort_folder).check()


def test_check_finds_the_subject_whose_grids_differ(cohort_folder):
    other, here = (cohort_folder / name / "ct.nii.gz" for name in ("1BA001", "1BA005"))
    shutil.copy(other, here)
    cohort = open_folder(cohort_folder)
    with pytest.raises(ValueError, match=r"'1BA005'.*share one voxel grid"):
        cohort.check()


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"No such folder.*nowhere"):
        open_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"must hold subjects.*Received: none"):
        open_folder(tmp_path)


@pytest.mark.parametrize("levels", [1, 2])
def test_folder_above_the_subjects_opens_too(cohort_folder, tmp_path, levels):
    nested = tmp_path / "set" / "Task1" / "brain"
    nested.parent.mkdir(parents=True)
    cohort_folder.rename(nested)
    assert open_folder(nested.parents[levels - 1]).names == NAMES


def test_subjects_own_folder_names_its_parent(cohort_folder):
    with pytest.raises(ValueError, match=f"give its parent, '{cohort_folder}'"):
        open_folder(cohort_folder / "1BA001")


def test_unknown_subject_is_refused(cohort_folder):
    with pytest.raises(ValueError, match=r"no subject '1XX'.*1BA001"):
        open_folder(cohort_folder)["1XX"]


def test_phantom_cohort_is_named_by_number():
    cohort = open_phantom(3, (16, 16, 8), seed=4)
    cohort.check()
    assert cohort.names == ("phantom_000", "phantom_001", "phantom_002")
    assert len({subject.digest() for subject in cohort}) == 3
    larger = open_phantom(5, (16, 16, 8), seed=4)
    assert [larger[name].digest() for name in cohort.names] == [s.digest() for s in cohort]


def test_cohort_without_subjects_or_with_one_twice_is_refused():
    with pytest.raises(ValueError, match="subjects of different names"):
        open_phantom(0, (16, 16, 8), seed=0)
    subject = open_phantom(1, (16, 16, 8), seed=0)["phantom_000"]
    with pytest.raises(ValueError, match="subjects of different names"):
        Cohort("twice", (subject, subject))


def test_real_patients_open(sts):
    cohort = open_folder(sts)
    cohort.check()
    assert len(cohort) == 10


def _convert(folder, role, suffix):
    """Stores one of a subject's volumes in another format."""
    sitk = pytest.importorskip("SimpleITK")
    path = folder / f"{role}.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(path)), str(folder / f"{role}{suffix}"), True)
    path.unlink()


def test_the_layout_of_synthrad2025_opens(tmp_path, write_subject):
    cases = ["HN/1HNA001", "HN/1HNC002", "AB/1ABA005", "TH/1THB012"]
    expected = {}
    for seed, case in enumerate(cases):
        folder = write_subject(tmp_path / "Task1" / case, seed=seed)
        expected[folder.name] = open_folder(folder.parent)[folder.name].read()
        shutil.copy(folder / "ct.nii.gz", folder / "ct_def.nii.gz")
        for role in ("mr", "ct", "mask", "ct_def"):
            _convert(folder, role, ".mha")
        overviews = folder.parent / "overviews"
        overviews.mkdir(exist_ok=True)
        shutil.copy(folder / "ct.mha", overviews / "ct.mha")
        (overviews / f"{folder.name}.png").write_bytes(b"x")
    for top in (tmp_path, tmp_path / "Task1"):
        cohort = open_folder(top)
        cohort.check()
        assert cohort.names == ("1ABA005", "1HNA001", "1HNC002", "1THB012")
    for name, before in expected.items():
        pair = cohort[name].read()
        for role in ("mr", "ct", "mask"):
            np.testing.assert_array_equal(getattr(pair, role), getattr(before, role))
        np.testing.assert_allclose(pair.affine, before.affine, atol=1e-5)
        # One patient, in whatever form.
        assert pair.identity == before.identity


def test_the_layout_of_synthrad2023_opens(tmp_path, write_subject):
    for seed, (region, name) in enumerate((("brain", "1BA001"), ("pelvis", "1PA001"))):
        write_subject(tmp_path / "Task1" / region / name, seed=seed)
        shutil.copytree(
            tmp_path / "Task1" / region / name, tmp_path / "Task1" / region / "overview"
        )
    assert open_folder(tmp_path).names == ("1BA001", "1PA001")
    assert open_folder(tmp_path / "Task1" / "pelvis").names == ("1PA001",)


def test_one_name_in_two_regions_is_refused(tmp_path, write_subject):
    for region in ("HN", "TH"):
        write_subject(tmp_path / "Task1" / region / "1A001")
    with pytest.raises(ValueError, match=r"different names.*Received twice: 1A001\..*manifest"):
        open_folder(tmp_path)


@pytest.mark.parametrize("role", ["mr", "ct", "mask"])
def test_one_subjects_formats_may_differ(cohort_folder, role):
    before = open_folder(cohort_folder)["1BB012"].read()
    _convert(cohort_folder / "1BB012", role, ".mha")
    cohort = open_folder(cohort_folder)
    cohort.check()
    pair = cohort["1BB012"].read()
    for each in ("mr", "ct", "mask"):
        np.testing.assert_array_equal(getattr(pair, each), getattr(before, each))


def test_a_deformed_ct_alone_is_no_ct(tmp_path, write_subject):
    folder = write_subject(tmp_path / "1HNA001")
    (folder / "ct.nii.gz").rename(folder / "ct_def.nii.gz")
    with pytest.raises(ValueError, match="'1HNA001' must have an MR and a CT"):
        open_folder(tmp_path).check()
