"""A cohort examined as a user does it: every problem in one run, and none examined twice."""

import csv
import os
import signal
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.cli.check_table import WIDTH, table_lines
from robmednas_tf.examination.subject import Examination, Finding

from .conftest import ROOT, wait_for

SHAPE = (20, 24, 18)


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "run_check.py", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(status, *arguments):
    process = start(*arguments)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == status, errors
    return output, errors


def change(path, voxels):
    image = nib.load(path)
    nib.save(nib.Nifti1Image(voxels(np.asarray(image.dataobj)), image.affine), path)


@pytest.fixture(scope="module")
def broken(tmp_path_factory, write_subject):
    """Six subjects of which four are broken, one in two ways, and a folder that is none."""
    folder = tmp_path_factory.mktemp("broken")
    for seed, name in enumerate(("a", "b", "c", "d<i>", "e", "f")):
        write_subject(folder / name, SHAPE, seed=seed)
    change(folder / "b" / "ct.nii.gz", lambda ct: ct + 1000)
    change(folder / "b" / "mr.nii.gz", lambda mr: mr * 0)
    (folder / "c" / "ct.nii.gz").unlink()
    (folder / "d<i>" / "mr.nii.gz").write_bytes(b"no volume")
    change(folder / "e" / "mask.nii.gz", lambda mask: mask[1:])
    change(folder / "f" / "mr.nii.gz", lambda mr: mr - 30)
    (folder / "g").mkdir()
    return folder


EXPECTED = {
    "a": [],
    "b": ["must not be constant", "pass --ct_bias=-1000"],
    "c": ["Missing:"],
    "d<i>": ["must be a whole NIfTI file"],
    "e": ["mr (20, 24, 18), mask (19, 24, 18)"],
    "f": [],
}


@pytest.fixture(scope="module")
def examined(broken, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "check"
    return folder, *finished(2, f"--data={broken}", f"--output_dir={folder}")


def test_every_problem_of_every_subject_is_named_in_one_run(examined, broken):
    folder, output, errors = examined
    assert errors == (
        f"ERROR: 4 of 6 subjects break a rule: b, c, d<i>, e. Read {folder / 'cohort.html'}.\n"
    )
    rows = {row["subject"]: row for row in csv.DictReader((folder / "cohort.csv").open())}
    page = (folder / "cohort.html").read_text()
    told = " ".join(output.split())
    for name, texts in EXPECTED.items():
        assert rows[name]["num_errors"] == str(len(texts))
        for text in texts:
            assert text in rows[name]["findings"]
            assert text in told
            assert text in page
    assert "MR has negative values" in rows["f"]["findings"]
    assert "(.nii.gz, .nii or .mha): g." in told
    assert "d<i>" not in page and "d&lt;i&gt;" in page
    assert max(map(len, output.splitlines())) <= WIDTH + len(str(broken))
    for name in ("flags.cfg", "split.json"):
        assert (folder / name).is_file()


def test_the_worst_stand_first_in_the_table(examined):
    lines = examined[1].splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("Err"))
    names = [line[10:].split()[0] for line in lines[start + 2 : start + 8]]
    assert names == ["b", "c", "d<i>", "e", "f", "a"]
    assert [line[:8].split() for line in lines[start + 2 : start + 4]] == [["2"], ["1"]]


def test_a_second_run_examines_only_what_is_new_or_changed(broken, examined, tmp_path):
    folder, _, _ = examined
    output = finished(2, f"--flagfile={folder / 'flags.cfg'}")[0]
    assert (
        output.split("done in")[1].split("\n", 1)[1]
        == (examined[1].split("done in")[1].split("\n", 1)[1])
    )
    kept = {path.name: path.stat().st_mtime_ns for path in (folder / "subjects").glob("*.npz")}
    # The others have errors, which may be mended without a file being touched.
    assert sorted(name.split("-")[0] for name in kept) == ["a", "f"]
    damaged = next((folder / "subjects").glob("f-*"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    change(broken / "a" / "mr.nii.gz", lambda mr: mr + 1)
    finished(2, f"--data={broken}", f"--output_dir={folder}")
    now = {path.name: path.stat().st_mtime_ns for path in (folder / "subjects").glob("*.npz")}
    anew = sorted(name.split("-")[0] for name in now if kept.get(name) != now[name])
    assert anew == ["a", "f"]
    assert len(now) == 2


def test_a_sound_cohort_ends_with_status_0_and_a_lower_bias_with_2(write_subject, tmp_path):
    for seed, name in enumerate("ab"):
        write_subject(tmp_path / "sound" / name, SHAPE, seed=seed)
    flags = (f"--data={tmp_path / 'sound'}", f"--output_dir={tmp_path / 'run'}")
    output, errors = finished(0, *flags)
    assert errors == ""
    assert "All 2 subjects can be used: no rule is broken. Nothing is strange." in output
    assert "2 of 2 subjects break a rule" in finished(2, *flags, "--ct_bias=-1000")[1]


def test_an_interrupted_run_says_so_in_one_line_and_goes_on(tmp_path):
    flags = ("--data=phantom", "--num_phantoms=12", f"--output_dir={tmp_path / 'run'}")
    process = start(*flags, "--num_workers=1")
    subjects = tmp_path / "run" / "subjects"
    while not list(subjects.glob("phantom_001*.npz")):
        wait_for(tmp_path, process)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert errors == "Interrupted. The same command goes on from here.\n"
    kept = {path.name: path.stat().st_mtime_ns for path in subjects.glob("*.npz")}
    assert 2 <= len(kept) < 12
    output, _ = finished(0, *flags)
    assert "All 12 subjects can be used" in output
    now = {path.name: path.stat().st_mtime_ns for path in subjects.glob("*.npz")}
    assert len(now) == 12 and kept.items() <= now.items()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--data must name"),
        (("--data={empty}",), "must hold subjects"),
        (("--data=nowhere",), "No such folder"),
        (("--data=phantom", "--ct_bias=-1000"), "leave --ct_bias out"),
        (("--data=phantom", "--num_phantoms=0"), "--num_phantoms must be at least 1"),
        (("--data=phantom", "--num_workers=-1"), "--num_workers must be at least 0"),
        (("--data=phantom", "--output_dir={other}"), "a run of another kind (training)"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, capsys, parsed, arguments, told):
    from robmednas_tf.cli import command
    from robmednas_tf.cli.check import main
    from robmednas_tf.cli.check_flags import FLAGS

    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "split.json").write_text('{"command": "training"}')
    places = {"empty": tmp_path / "empty", "other": tmp_path / "other"}
    given = [argument.format(**places) for argument in arguments]
    with (
        pytest.raises(SystemExit) as stop,
        parsed(FLAGS, f"--output_dir={tmp_path / 'run'}", *given),
    ):
        main()
    assert stop.value.code == command.BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_the_table_fits_whatever_the_names_and_values():
    wide = Examination(
        "a_very_long_name_of_a_subject_" * 3,
        findings=(Finding("error", "x"),) * 12,
        num_slices=1000,
        plane=(1024, 1024),
        axes="LPS",
        spacing_mm=(0.12345, 0.12345, 12.345),
        mr_range=(-12345.6, 1.234e9),
        ct_range_hu=(-1024.0, 31743.0),
        outline_dice=0.5,
    )
    many = [Examination(f"sound{number}") for number in range(60)]
    lines = table_lines([*many, wide])
    assert max(map(len, lines)) <= WIDTH
    assert "…" in lines[2] and lines[2].split()[0] == "12"
    assert lines[-1] == "and 40 more sound subjects: see the table's file"
    assert len(lines) == 2 + 1 + 20 + 1
