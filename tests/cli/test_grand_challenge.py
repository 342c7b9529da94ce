"""The container's entry point on folders laid out as in the container."""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.cli import command as commands
from robmednas_tf.cli import grand_challenge
from robmednas_tf.cli.grand_challenge_flags import FLAGS

ROOT = Path(__file__).resolve().parents[2]
sitk = pytest.importorskip("SimpleITK")


@pytest.fixture
def case(tmp_path, write_subject):
    """A case's input folder."""
    subject = write_subject(tmp_path / "subject", (16, 15, 5), "LPS")
    source = tmp_path / "input"
    for role, place in {"mr": "mri", "mask": "body"}.items():
        folder = source / "images" / place
        folder.mkdir(parents=True)
        image = sitk.ReadImage(str(subject / f"{role}.nii.gz"))
        sitk.WriteImage(image, str(folder / "1HNA001.mha"), useCompression=True)
    (source / "region.json").write_text('"Head and Neck"')
    return source


@pytest.fixture
def refused(parsed, capsys):
    """A function that runs the entry point in this process and returns its line of refusal."""

    def run(**values):
        flags = [f"--{name}={value}" for name, value in values.items()]
        with pytest.raises(SystemExit) as stop, contextlib.ExitStack() as stack:
            with commands.refusing_bad_input():
                stack.enter_context(parsed(FLAGS, *flags))
            grand_challenge.main()
        assert stop.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


def test_one_case_from_folder_to_folder(trained, case, tmp_path):
    # A model for each region, and another one for all others.
    models = tmp_path / "models"
    shutil.copytree(trained[0] / "regular" / "model", models / "Head and Neck")
    output = tmp_path / "output"
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "run_grand_challenge.py"), f"--model={models}"),
            *(f"--input={case}", f"--output={output}"),
        ],
        cwd=tmp_path,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    mr = sitk.ReadImage(str(case / "images" / "mri" / "1HNA001.mha"))
    ct = sitk.ReadImage(str(output / "images" / "synthetic-ct" / "1HNA001.mha"))
    for field in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(ct, field)() == getattr(mr, field)()
    assert ct.GetPixelID() == sitk.sitkInt16
    (result,) = json.loads((output / "results.json").read_text())
    assert result["outputs"] == [{"type": "metaio_image", "filename": "1HNA001.mha"}]
    # The same as `run_synthesize.py` makes of the same voxels as NIfTI.
    nifti = tmp_path / "mr.nii.gz"
    sitk.WriteImage(mr, str(nifti))
    made = tmp_path / "ct.nii.gz"
    subprocess.run(
        [
            *(sys.executable, "run_synthesize.py", f"--model={models / 'Head and Neck'}"),
            *(f"--input={nifti}", f"--output={made}"),
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    voxels = np.asarray(nib.load(made).dataobj)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ct).transpose(2, 1, 0), voxels)


def test_broken_cases_are_refused_in_one_line(trained, case, tmp_path, refused):
    values = {"model": trained[0] / "regular", "input": case, "output": tmp_path / "out"}
    assert "hold one for region 'Head and Neck'" in refused(**values | {"model": tmp_path})
    (case / "region.json").write_text("{")
    assert "must be JSON" in refused(**values)
    (case / "region.json").write_text('"../brain"')
    assert "a region's name" in refused(**values)
    (case / "region.json").unlink()
    images = case / "images" / "mri"
    (images / "other.mha").write_bytes((images / "1HNA001.mha").read_bytes())
    assert "must hold one volume" in refused(**values)
    shutil.rmtree(images)
    assert "Received: none" in refused(**values)
    assert not (tmp_path / "out").exists()


def test_the_dockerfile_builds_on_what_is_there():
    lines = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    copied = [shlex.split(line)[1:-1] for line in lines if line.startswith("COPY")]
    sources = [source for each in copied for source in each if not source.startswith("$")]
    assert {"setup.cfg", "robmednas_tf", "run_grand_challenge.py"} <= {*sources}
    assert all((ROOT / source).exists() for source in sources)
    (entry,) = (json.loads(line[11:]) for line in lines if line.startswith("ENTRYPOINT "))
    assert entry == ["python", "run_grand_challenge.py"]
    # The extra that reads MetaImages, and the place where the entry point looks for its model.
    assert re.search(r"^itk =", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert "COPY ${MODEL} model/" in lines
    assert "WORKDIR /opt/algorithm" in lines
    assert FLAGS["model"].default == "/opt/algorithm/model"
