import shutil

import nibabel as nib
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
        open_folder(cohort_folder)


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
def test_folder_above_the_subjects_names_them(cohort_folder, tmp_path, levels):
    nested = tmp_path / "set" / "Task1" / "brain"
    nested.parent.mkdir(parents=True)
    cohort_folder.rename(nested)
    with pytest.raises(ValueError, match=f"Try: {nested}"):
        open_folder(nested.parents[levels - 1])


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
