"""`run_synthesize.py` as a user runs it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.cli import command as commands
from robmednas_tf.cli import synthesize
from robmednas_tf.cli.synthesize_flags import FLAGS

ROOT = Path(__file__).resolve().parents[2]
GRID_FIELDS = (
    *("dim", "pixdim", "qform_code", "sform_code", "xyzt_units", "quatern_b", "quatern_c"),
    *("quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "run_synthesize.py", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def run(parsed, capsys):
    """A function that runs the command in this process: its exit status, output and errors."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop, contextlib.ExitStack() as stack:
            with commands.refusing_bad_input():
                stack.enter_context(parsed(FLAGS, *map(str, arguments)))
            synthesize.main()
            sys.exit(0)
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return run


@pytest.fixture
def model(trained):
    return trained[0] / "regular"


@pytest.fixture
def mrs(tmp_path, write_subject):
    """A folder of three MRs of differing shapes and axis codes."""
    folder = tmp_path / "mrs"
    folder.mkdir()
    grids = {"a": ((16, 14, 5), "RAS"), "b": ((15, 16, 4), "LPS"), "c": ((12, 16, 6), "PSL")}
    for seed, (name, (shape, axes)) in enumerate(grids.items()):
        subject = write_subject(tmp_path / "subjects" / name, shape, axes, seed)
        (subject / "mr.nii.gz").rename(folder / f"{name}.nii.gz")
    return folder


def same_grid(path, reference):
    header, expected = nib.load(path).header, nib.load(reference).header
    return all(header[name].tobytes() == expected[name].tobytes() for name in GRID_FIELDS)


def test_a_folder_with_a_bad_file_as_a_process(model, mrs, tmp_path):
    (mrs / "bad.nii.gz").write_bytes(b"not a volume")
    out = tmp_path / "out"
    process = start(
        *(f"--model={model}", f"--input={mrs}", f"--output={out}"),
        *("--uncertainty", "--robustness_map=0.06"),
    )
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert errors.splitlines() == [
        "ERROR: 1 of 4 volumes refused: bad.nii.gz (the reasons stand above). "
        f"The others are in {out}."
    ]
    assert f"Refused 'bad.nii.gz': File '{mrs / 'bad.nii.gz'}'" in output
    names = {path.name for path in out.glob("*.nii.gz")}
    kinds = ("", "_uncertainty", "_robustness")
    assert names == {f"{name}{kind}.nii.gz" for name in "abc" for kind in kinds}
    for path in mrs.glob("[abc].nii.gz"):
        ct = nib.load(out / path.name)
        assert same_grid(out / path.name, path)
        assert ct.get_data_dtype() == np.int16
        voxels = np.asarray(ct.dataobj)
        assert voxels.min() >= -1024
        assert voxels.std() > 50
        for kind in kinds[1:]:
            extra = out / path.name.replace(".nii", f"{kind}.nii")
            assert same_grid(extra, path)
            assert np.asarray(nib.load(extra).dataobj).min() >= 0


def test_it_goes_on_where_it_was_and_replaces_nothing_of_others(model, mrs, tmp_path, run):
    out = tmp_path / "out"
    flags = (f"--model={model}", f"--input={mrs}", f"--output={out}")
    assert run(*flags)[0] == 0
    before = {path.name: path.read_bytes() for path in out.glob("*.nii.gz")}
    (out / "b.nii.gz").unlink()
    status, said, _ = run(*flags)
    assert status == 0
    assert "2 of 3 are there already" in said
    assert {path.name: path.read_bytes() for path in out.glob("*.nii.gz")} == before
    # Made with other settings, from another MR, or by somebody else.
    status, _, error = run(*flags, "--uncertainty")
    assert status == 2
    assert "not replaced" in error
    (mrs / "a.nii.gz").write_bytes((mrs / "b.nii.gz").read_bytes())
    assert run(*flags)[0] == 2
    (out / "synthesis.json").unlink()
    assert run(*flags)[0] == 2
    assert run(*flags, "--overwrite")[0] == 0
    assert (out / "a.nii.gz").read_bytes() == before["b.nii.gz"]
    # Altered by hand.
    (out / "c.nii.gz").write_bytes(before["b.nii.gz"])
    assert run(*flags)[0] == 2
    status, said, _ = run(*flags, "--overwrite")
    assert (out / "c.nii.gz").read_bytes() == before["c.nii.gz"]
    assert "2 of 3 are there already" in said


def test_killed_it_leaves_no_half_file_and_goes_on(model, mrs, tmp_path, run):
    for number in range(40):
        (mrs / f"more{number:02d}.nii.gz").write_bytes((mrs / "a.nii.gz").read_bytes())
    out = tmp_path / "out"
    flags = (f"--model={model}", f"--input={mrs}", f"--output={out}")
    process = start(*flags)
    deadline = time.monotonic() + 120
    while len(list(out.glob("more*.nii.gz"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    made = sorted(out.glob("*.nii.gz"))
    assert 3 <= len(made) < 43
    for path in made:
        np.asarray(nib.load(path).dataobj)
    assert run(*flags)[0] == 0
    assert len(list(out.glob("*.nii.gz"))) == 43
    assert not list(out.glob(".partial-*"))


def test_a_full_disk_is_said_in_one_line_and_leaves_no_half_file(
    model, mrs, tmp_path, on_small_disk
):
    for number in range(12):
        (mrs / f"more{number:02d}.nii.gz").write_bytes((mrs / "a.nii.gz").read_bytes())
    left = tmp_path / "left"
    script = f'"$@"; status=$?; cp -r "{{disk}}/out" {left}; exit $status'
    arguments = [f"--model={model}", f"--input={mrs}", "--output={disk}/out"]
    command = ["sh", "-c", script, "sh", sys.executable, "run_synthesize.py", *arguments]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = on_small_disk(command, "48k", cwd=ROOT, env=environment)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line
    assert "the same command goes on from here" in line
    made = list(left.glob("*.nii.gz"))
    assert 0 < len(made) < 15
    for path in made:
        np.asarray(nib.load(path).dataobj)
    record = json.loads((left / "synthesis.json").read_text())["files"]
    finished = {entry for entry in record if record[entry]["done"]}
    assert {path.name for path in made} - finished <= {next(reversed(record))}
    assert not list(left.glob(".partial-*"))


def test_a_single_file_into_a_file_or_a_folder(model, mrs, tmp_path, run):
    mr = mrs / "c.nii.gz"
    assert run(f"--model={model}", f"--input={mr}", f"--output={tmp_path / 'ct.nii'}")[0] == 0
    assert run(f"--model={model}", f"--input={mr}", f"--output={tmp_path / 'out'}")[0] == 0
    first, second = (nib.load(tmp_path / name) for name in ("ct.nii", "out/c.nii.gz"))
    np.testing.assert_array_equal(np.asarray(first.dataobj), np.asarray(second.dataobj))
    assert same_grid(tmp_path / "ct.nii", mr)
    status, _, error = run(f"--model={model}", f"--input={mr}", f"--output={tmp_path / 'ct.nii'}")
    assert status == 2
    assert "ct.nii' and" not in error
    assert "--overwrite" in error


def test_a_single_file_that_is_bad_is_refused_with_its_reason(model, mrs, tmp_path, run):
    bad = mrs / "a.nii.gz"
    bad.write_bytes(bad.read_bytes()[:-200])
    status, _, error = run(f"--model={model}", f"--input={bad}", f"--output={tmp_path / 'out'}")
    assert status == 2
    assert error.startswith(f"ERROR: File '{bad}'")
    assert not list((tmp_path / "out").glob("*.nii.gz"))


def test_subjects_folders_give_subjects_folders(model, tmp_path, write_subject, run):
    for name in ("1BA001", "1BA005"):
        write_subject(tmp_path / "set" / "Task1" / name, (16, 15, 4))
    out = tmp_path / "out"
    assert run(f"--model={model}", f"--input={tmp_path / 'set'}", f"--output={out}")[0] == 0
    assert sorted(path.parent.name for path in out.glob("*/synthetic_ct.nii.gz")) == [
        "1BA001",
        "1BA005",
    ]
    # A subject's own folder: its CT and mask are no MRs.
    one = tmp_path / "set" / "Task1" / "1BA001"
    assert run(f"--model={model}", f"--input={one}", f"--output={tmp_path / 'one'}")[0] == 0
    assert [path.name for path in (tmp_path / "one").glob("*.nii.gz")] == ["synthetic_ct.nii.gz"]


def test_volumes_that_are_no_mrs_are_refused_or_said(model, mrs, tmp_path, write_subject, run):
    subject = write_subject(tmp_path / "one", (16, 15, 4))
    for role in ("ct", "mask"):
        (mrs / f"{role}.nii.gz").write_bytes((subject / f"{role}.nii.gz").read_bytes())
    status, _, error = run(f"--model={model}", f"--input={mrs}", f"--output={tmp_path / 'out'}")
    assert status == 2
    assert "must hold MRs alone. Received: ct.nii.gz, mask.nii.gz" in error
    for role, words in (("ct", "values like a CT's"), ("mask", "as a mask does")):
        _, said, _ = run(
            *(f"--model={model}", f"--input={subject / f'{role}.nii.gz'}"),
            f"--output={tmp_path / 'out'}",
        )
        assert words in said


def test_a_folder_of_both_kinds_is_refused(model, mrs, tmp_path, write_subject, run):
    write_subject(mrs / "1BA001", (16, 15, 4))
    status, _, error = run(f"--model={model}", f"--input={mrs}", f"--output={tmp_path / 'out'}")
    assert status == 2
    assert "but not both" in error


def test_a_broken_subject_does_not_keep_the_others_waiting(model, tmp_path, write_subject, run):
    for name in ("a", "b"):
        write_subject(tmp_path / "set" / name, (16, 15, 4))
    twin = tmp_path / "set" / "a" / "mr.nii"
    twin.write_bytes(b"")
    out = tmp_path / "out"
    status, said, error = run(f"--model={model}", f"--input={tmp_path / 'set'}", f"--output={out}")
    assert status == 1
    assert "Refused 'a'" in said
    assert "must hold one mr file" in said
    assert "1 of 2 volumes refused: a " in error
    assert (out / "b" / "synthetic_ct.nii.gz").is_file()


def test_the_truth_beside_an_mr_is_never_replaced(model, tmp_path, write_subject, run):
    subject = write_subject(tmp_path / "set" / "a", (16, 15, 4))
    before = (subject / "ct.nii.gz").read_bytes()
    status, _, error = run(
        *(f"--model={model}", f"--input={subject / 'mr.nii.gz'}"),
        *(f"--output={subject / 'ct.nii.gz'}", "--overwrite"),
    )
    assert status == 2
    assert "nor the ct or mask beside an MR" in error
    assert (subject / "ct.nii.gz").read_bytes() == before


def test_other_runs_files_in_flight_are_left_alone(model, mrs, tmp_path, run):
    # Another program is writing below the folder.
    other = tmp_path / "out" / "run" / ".partial-abc.checkpoint.npz"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"half")
    own = tmp_path / "out" / ".partial-xyz.a.nii.gz"
    own.write_bytes(b"half")
    flags = (f"--model={model}", f"--input={mrs}", f"--output={tmp_path / 'out'}")
    assert run(*flags)[0] == 0
    assert other.is_file()
    assert not own.exists()


def test_a_model_that_does_not_say_how_volumes_are_prepared_is_named(model, mrs, tmp_path, run):
    network = keras.saving.load_model(model / "model" / "model.keras", compile=False)
    network.save(tmp_path / "again.keras")
    flags = (f"--input={mrs / 'a.nii.gz'}", f"--output={tmp_path / 'out'}")
    _, said, _ = run(f"--model={tmp_path / 'again.keras'}", *flags)
    assert "again.keras says how its volumes were prepared; taken as z-scored over" in said
    assert "Note" not in run(f"--model={model}", *flags, "--overwrite")[1]


def test_an_ensemble_is_recorded(trained, mrs, tmp_path, run):
    folder, out = trained[0], tmp_path / "out"
    status, said, _ = run(
        *(f"--model={folder / 'regular'}", f"--ensemble={folder / 'adversarial'}"),
        *(f"--input={mrs / 'a.nii.gz'}", f"--output={out}"),
    )
    assert status == 0
    assert "mean of 2 models" in said
    entry = json.loads((out / "synthesis.json").read_text())["files"]["a.nii.gz"]
    assert len(entry["recipe"]["models"]) == len(entry["models"]) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model="], "Missing: --model"),
        (["--input="], "Missing: --input"),
        (["--output="], "Missing: --output"),
        (["--model=absent"], "'absent', which does not exist"),
        (["--input=absent"], "Nothing is at 'absent'"),
        (["--input=README.md"], "An MR must end in"),
        (["--input=tests"], "Received: none"),
        (["--robustness_map=-1"], "epsilon >= 0"),
        (["--robustness_map=nan"], "epsilon >= 0"),
        (["--batch_size=-1"], "--batch_size must be at least 0"),
        (["--output={mrs}"], "must not replace an input"),
        (["--input={mrs}/a.nii.gz", "--output={mrs}/a.mha"], "Give --output the ending .nii.gz"),
        (["--mask=absent"], "No such file: 'absent'"),
        (["--ensemble={model}"], "must differ"),
        (["--output=out.nii.gz"], "must go into a folder"),
        (["--input={mrs}/a.nii.gz", "--output=out.dcm"], "must be a folder, or end in .nii.gz"),
        (["--mask=README.md"], "must be a folder, too"),
        (["--frobnicate"], "--help"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments, says, model, mrs, tmp_path, run):
    defaults = {"--model": model, "--input": mrs, "--output": tmp_path / "out"}
    given = [each.format(mrs=mrs, model=model) for each in arguments]
    named = {each.partition("=")[0] for each in given}
    flags = [f"{name}={value}" for name, value in defaults.items() if name not in named]
    before = {path: path.read_bytes() for path in mrs.iterdir()}
    status, _, error = run(*flags, *given)
    assert status == 2
    assert len(error.splitlines()) == 1
    assert says in error
    assert {path: path.read_bytes() for path in mrs.iterdir()} == before


def test_real_patients(model, sts, tmp_path, run):
    sitk = pytest.importorskip("SimpleITK")
    mr = sts / "STS_024" / "mr.nii.gz"
    assert run(f"--model={model}", f"--input={mr}", f"--output={tmp_path}")[0] == 0
    out = tmp_path / "mr.nii.gz"
    assert same_grid(out, mr)
    np.testing.assert_array_equal(nib.load(out).affine, nib.load(mr).affine)
    given, made = sitk.ReadImage(str(mr)), sitk.ReadImage(str(out))
    for field in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(made, field)() == getattr(given, field)()
    voxels = sitk.GetArrayFromImage(made).transpose(2, 1, 0)
    np.testing.assert_array_equal(voxels, np.asarray(nib.load(out).dataobj))
