"""Mistakes in input: one clear line that names subject and file, status 2, before any training."""

import errno
import gzip
import os
import shutil

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.cli.search import main
from robmednas_tf.cli.search_flags import FLAGS
from robmednas_tf.folder_lock import locked_folder


@pytest.fixture
def refused(tmp_path, refusal):
    """A function that runs the search with flags and returns its one line of refusal."""

    def run(*arguments):
        line = refusal(main, FLAGS, "--num_subjects=3", *arguments)
        assert not list(tmp_path.glob("run/trials/*"))
        return line

    return run


def change(path, edit):
    image = nib.load(path)
    data, affine = edit(np.asarray(image.dataobj, np.float32), image.affine.copy())
    nib.save(nib.Nifti1Image(data, affine), path)


def not_a_number(data, affine):
    data[3, 3, 3] = np.nan
    return data, affine


def infinite(data, affine):
    data[3, 3, 3] = np.inf
    return data, affine


def moved(data, affine):
    affine[0, 3] += 1
    return data, affine


VOLUMES = {
    "NaN": ("mr", not_a_number, ("NaN",)),
    "infinity": ("ct", infinite, ("infin",)),
    "constant": ("mr", lambda data, affine: (np.full_like(data, 7), affine), ("constant",)),
    "shapes": ("ct", lambda data, affine: (data[..., :-1], affine), ("one voxel grid", "Resample")),
    "affines": ("ct", moved, ("one voxel grid", "corners")),
    "4-D": ("mr", lambda data, affine: (np.stack([data, data], -1), affine), ("3-D",)),
    "offset": ("ct", lambda data, affine: (data + 1000, affine), ("HU", "--ct_bias=-1000")),
    "scaled": ("ct", lambda data, affine: (data / 5000, affine), ("HU",)),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_volumes_that_cannot_be_used(cohort_folder, refused, case):
    role, edit, words = VOLUMES[case]
    # In every subject: which ones a search draws is the seed's business.
    for folder in cohort_folder.glob("1*"):
        change(folder / f"{role}.nii.gz", edit)
    line = refused(f"--data={cohort_folder}")
    assert "ubject '1B" in line
    assert f"{role}.nii.gz" in line
    assert all(word.lower() in line.lower() for word in words), line


def test_one_patient_under_two_names(cohort_folder, refused):
    shutil.rmtree(cohort_folder / "1BA005")
    shutil.copytree(cohort_folder / "1BA001", cohort_folder / "1BA005")
    line = refused(f"--data={cohort_folder}")
    assert "'1BA001' and '1BA005' hold the same MR" in line


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--rungs=1,4",), "--rungs and --pruner_eta say how a pruner works"),
        (("--pruner_eta=4",), "Received: --pruner=none"),
        (("--pruner=halving", "--rungs=4,1"), "rising, from 1 on. Received: 4,1"),
        (("--pruner=halving", "--rungs=4,12"), "before the last epoch. Received: 12"),
        (("--pruner=halving", "--rungs=one"), "--rungs must be whole numbers"),
        (("--pruner=hyperband", "--epochs=1"), "needs a rung before the last epoch"),
        (("--pruner=halving", "--pruner_eta=1"), "at least 2. Received: 1"),
        (("--pruner=median",), "--pruner"),
        (
            ("--pruner=halving", "--objectives=adversarial_dice,flops"),
            "Received: --pruner=halving --objectives=adversarial_dice,flops",
        ),
    ],
)
def test_pruners_that_cannot_work(refused, flags, said):
    assert said in refused(*flags)


def test_settings_that_cannot_be_read(tmp_path, refused):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "search.json").write_text("{}")
    assert "search.json" in refused()


def test_a_truncated_file(cohort_folder, refused):
    for path in cohort_folder.glob("1*/ct.nii.gz"):
        content = gzip.decompress(path.read_bytes())
        path.write_bytes(gzip.compress(content)[: len(path.read_bytes()) // 2])
    line = refused(f"--data={cohort_folder}")
    assert "ct.nii.gz" in line
    assert "subject '1B" in line


def test_no_such_folder(tmp_path, refused):
    assert "No such folder" in refused(f"--data={tmp_path / 'absent'}")


def test_an_empty_folder(tmp_path, refused):
    (tmp_path / "empty").mkdir()
    assert "must hold subjects" in refused(f"--data={tmp_path / 'empty'}")


def test_a_subject_without_ct(cohort_folder, refused):
    (cohort_folder / "1BA005" / "ct.nii.gz").unlink()
    line = refused(f"--data={cohort_folder}")
    assert "'1BA005'" in line
    assert "ct.nii.gz" in line


def test_fewer_subjects_than_the_split_needs(cohort_folder, refused):
    for name in ("1BC003", "1BC044"):
        shutil.rmtree(cohort_folder / name)
    line = refused(f"--data={cohort_folder}")
    assert "--num_subjects" in line
    assert "at least 5 subjects" in line


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--attack=fgsm:-1", "must be a number >= 0"),
        ("--attack=apgd:0.2:steps=5", "Take pgd for fewer"),
        ("--epochs=0", "epochs must be at least 1"),
        ("--epochs=many", "--epochs=many"),
        ("--oracle=grid", "bayesian|random"),
        ("--objective=dice", "adversarial_dice"),
        ("--patterns=0000", "four switches"),
        ("--filters=8,x", "--filters must be whole numbers"),
        ("--filters=", "at least one value of filters"),
        ("--max_depth=0", "max_depth"),
        ("--num_subjects=2", "num_subjects must be at least 3"),
        ("--seed=-1", "seed must be at least 0"),
        ("--learning_rate=0", "learning_rate must be > 0"),
        ("--kernel_initializer=magic", "kernel_initializer"),
        ("--final_epochs=-1", "--final_epochs must be >= 0"),
        ("--max_memory_gb=-1", "--max_memory_gb must be >= 0"),
        ("--max_memory_gb=inf", "--max_memory_gb must be >= 0"),
        ("--max_attempts=0", "max_attempts must be at least 1"),
        ("--ct_bias=-1000", "The phantom's CT is in HU"),
        ("--output_dir=README.md", "README.md' is a file"),
        ("--cache_dir=README.md", "README.md' is a file"),
        ("--slices_per_subject=0", "at least 8 slices"),
        ("--image_size=4", "image_size must be at least 8"),
        ("--trials=5", "Unknown command line flag 'trials'"),
        ("leftover", "Every setting is a flag"),
        ("--flagfile=absent.cfg", "absent.cfg"),
    ],
)
def test_flags_outside_their_domain(refused, argument, words):
    assert words in refused(argument)


def test_a_folder_in_use_by_another_run(tmp_path, refused):
    with locked_folder(tmp_path / "run"):
        assert "in use by another run" in refused()


def test_a_cache_that_cannot_be_written_to(tmp_path, refused, monkeypatch):
    def read_only(folder):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))

    monkeypatch.setattr("robmednas_tf.data.prepared.make_folder", read_only)
    line = refused()
    assert f"Slices cannot be written into '{tmp_path / 'cache'}': Read-only file system" in line
    assert line.endswith("Make it writable, or give another --cache_dir")


def test_a_scored_region_that_the_test_subject_lacks(cohort_folder, refused):
    def boneless(data, affine):
        return np.minimum(data, 200), affine

    for folder in cohort_folder.glob("1*"):
        change(folder / "ct.nii.gz", boneless)
    line = refused(f"--data={cohort_folder}", "--objective=adversarial_dice_bone")
    assert "no voxel of bone" in line
    assert "subject '1b" in line.lower()


def test_the_command_line_overrides_its_flag_file(tmp_path, parsed):
    (tmp_path / "mine.cfg").write_text("# a comment\n--epochs=7\n--batch_size=3\n")
    path = str(tmp_path / "mine.cfg")
    for arguments in ([f"--flagfile={path}"], ["--flagfile", path]):
        with parsed(FLAGS, "--epochs=9", *arguments) as flags:
            assert (flags.epochs, flags.batch_size) == (9, 3)
