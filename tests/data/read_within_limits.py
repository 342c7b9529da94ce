"""Reads volumes one by one, as a process that a crash, a hang or a flood of memory may end.

Takes a JSON file of paths; prints a JSON line before each file and one after it, so that a reader
of the output knows which file a dead process was at.
"""

import contextlib
import fcntl
import json
import os
import resource
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np

from robmednas_tf.data.volumes import read_volume

with contextlib.suppress(ImportError):
    import SimpleITK

SECONDS = 5
ROOM_BYTES = 1 << 30
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def reference(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns what nibabel, or SimpleITK, makes of a file by itself."""
    if path.suffix == ".mha":
        image = SimpleITK.ReadImage(str(path))
        voxels = SimpleITK.GetArrayFromImage(image).T.astype(np.float32)
        affine = np.eye(4)
        directions = np.reshape(image.GetDirection(), (image.GetDimension(),) * 2)
        affine[:3, :3] = (directions * image.GetSpacing())[:3, :3]
        affine[:3, 3] = image.GetOrigin()[:3]
        affine = LPS_TO_RAS @ affine
    else:
        image = nib.load(path)
        voxels, affine = image.get_fdata(dtype=np.float32), image.affine
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    return voxels, affine


def outcome(path: Path, said: int) -> dict[str, object]:
    """Reads one file and compares it with its reference."""
    os.ftruncate(said, 0)
    signal.alarm(SECONDS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            volume, affine = read_volume(path, "1BA012")
            error = None
        except BaseException as raised:
            error = raised
    signal.alarm(0)
    sys.stderr.flush()
    noise = [str(warning.message) for warning in caught]
    noise += [os.pread(said, 2000, 0).decode(errors="replace")] if os.fstat(said).st_size else []
    result: dict[str, object] = {"noise": noise}
    if error is not None:
        return result | {"error": type(error).__name__, "message": str(error)}
    # Where the library itself refuses the file there is nothing that the volume could equal.
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        voxels, stated = reference(path)
        result["same_voxels"] = volume.dtype == np.float32 and bool(
            np.array_equal(volume, voxels)
            and np.array_equal(np.signbit(volume), np.signbit(voxels))
        )
        result["same_affine"] = bool(
            np.array_equal(affine, stated)
            if path.suffix != ".mha"
            else np.allclose(affine, stated, rtol=1e-9, atol=1e-9)
        )
    return result


def main(list_of_paths: str) -> None:
    """Reads the files, within the room that there is besides what the imports take."""
    paths = json.loads(Path(list_of_paths).read_text())
    with tempfile.TemporaryFile() as file:
        # Appended to, so that it can be emptied between two files.
        fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
        said = os.dup(2)
        os.dup2(file.fileno(), 2)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + ROOM_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for path in paths:
            print(json.dumps({"begun": path}), flush=True)
            print(json.dumps(outcome(Path(path), file.fileno())), flush=True)
        os.dup2(said, 2)


if __name__ == "__main__":
    main(sys.argv[1])
