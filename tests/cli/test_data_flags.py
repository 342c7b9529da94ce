"""What the shared data flags make of volumes and of a cohort's split."""

import pytest

from robmednas_tf.cli import data_flags, train_flags
from robmednas_tf.cli.subjects import open_cohort, split_subjects, subjects_of
from robmednas_tf.data.preprocessing import AS_IN_PAPER, Preprocessing


@pytest.fixture
def data(parsed):
    """A function that returns the data settings of a training with flags."""

    def data(*arguments):
        with parsed(train_flags.FLAGS, *map(str, arguments)) as flags:
            return data_flags.data_config(flags)

    return data


@pytest.fixture
def manifest(cohort_folder):
    """A manifest of five subjects that says itself how they are split."""
    parts = ("train", "test", "train", "validation", "train")
    names = sorted(path.name for path in cohort_folder.iterdir() if path.name != "overview")
    lines = [
        f"{name},{name}/mr.nii.gz,{name}/ct.nii.gz,{part}"
        for name, part in zip(names, parts, strict=True)
    ]
    path = cohort_folder / "cohort.csv"
    path.write_text("\n".join(["subject,mr,ct,split", *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), AS_IN_PAPER),
        (("--spacing_mm=1.5",), Preprocessing("volume", (1.5, 1.5, 1.5))),
        (("--spacing_mm=1,1,0", "--zscore=mask"), Preprocessing("mask", (1.0, 1.0, 0.0))),
    ],
)
def test_flags_of_preprocessing(data, flags, expected):
    assert data("--data=somewhere", *flags).preprocessing == expected


@pytest.mark.parametrize("value", ["1,2", "1,2,3,4", "one", "-1", "nan", "0.001"])
def test_other_spacings_are_refused(data, value):
    with pytest.raises(ValueError, match=f"--spacing_mm must be one length.*'{value}'"):
        data("--data=somewhere", f"--spacing_mm={value}")


def test_the_phantom_is_not_resampled(data):
    with pytest.raises(ValueError, match="leave --spacing_mm out"):
        data("--spacing_mm=1")
    assert data("--zscore=mask").preprocessing == Preprocessing("mask")


def test_flags_reach_the_subjects(data, cohort_folder):
    cohort = open_cohort(data(f"--data={cohort_folder}", "--spacing_mm=2,2,0"))
    assert all(subject.preprocessing.spacing_mm == (2.0, 2.0, 0.0) for subject in cohort)
    (heads,) = {subject.preprocessing for subject in open_cohort(data("--zscore=mask"))}
    assert heads.needs_mask


def test_a_manifests_own_split_decides(data, manifest):
    settings = data(f"--data={manifest}")
    cohort = open_cohort(settings)
    split = split_subjects(cohort, settings)
    assert split.train == ("1BA001", "1BB012", "1BC044")
    assert split.validation == ("1BC003",)
    assert split.test == ("1BA005",)
    assert subjects_of("validation", cohort, settings) == split.validation
    with pytest.raises(ValueError, match=r"says itself.*--num_test=1"):
        split_subjects(cohort, data(f"--data={manifest}", "--num_test=1"))


def test_a_manifest_of_test_subjects_alone_can_be_evaluated(data, manifest):
    manifest.write_text(
        manifest.read_text().replace(",train", ",test").replace(",validation", ",test")
    )
    settings = data(f"--data={manifest}")
    cohort = open_cohort(settings)
    assert subjects_of("test", cohort, settings) == cohort.names
    with pytest.raises(ValueError, match="must have subjects in 'train'"):
        subjects_of("train", cohort, settings)
    with pytest.raises(ValueError, match="No part of a split may be empty"):
        split_subjects(cohort, settings)


def test_a_fold_validates_whom_it_names_and_never_tests_another(data, manifest):
    for flags in (("--num_phantoms=8",), (f"--data={manifest}",)):
        whole = data(*flags)
        cohort = open_cohort(whole)
        own = split_subjects(cohort, whole)
        folds = [data(*flags, f"--fold={number}/2") for number in (1, 2)]
        splits = [split_subjects(cohort, fold) for fold in folds]
        assert [split.test for split in splits] == [own.test, own.test]
        assert splits[0].train == splits[1].validation
        assert splits[1].train == splits[0].validation
        for fold, split in zip(folds, splits, strict=True):
            assert subjects_of("validation", cohort, fold) == split.validation


def test_what_is_no_fold_is_refused(data):
    with pytest.raises(ValueError, match=r"such as 3/8\. Received: 'x'\."):
        data("--fold=x")
