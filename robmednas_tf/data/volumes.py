"""Reading one NIfTI file rightly, or refusing it with one line that says what is wrong with it."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import nibabel as nib
import numpy as np

from robmednas_tf.data.grid import spans_space

# What nibabel, gzip and NumPy raise on files that are damaged, cut short or something else.
_DAMAGE = (
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
    EOFError,
    MemoryError,
    OSError,
    OverflowError,
    ValueError,
    zlib.error,
)


def read_header(path: Path, subject: str) -> tuple[tuple[int, ...], np.ndarray]:
    """Reads a volume's grid without its voxels.

    Args:
        path: A `.nii` or `.nii.gz` file.
        subject: The subject's name, for errors.

    Returns:
        The volume's shape, trailing axes of length one left out, and its affine: float64
        `(4, 4)`, voxels to RAS+ millimetres.

    Raises:
        ValueError: If the file is missing, damaged or not NIfTI, does not hold one 3-D volume of
            real numbers, or has an affine that does not span space.
    """
    image = _open(path, subject)
    return _shape(image), image.affine


def read_volume(path: Path, subject: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a volume, with the file's own scaling (`scl_slope`, `scl_inter`) applied.

    Args:
        path: A `.nii` or `.nii.gz` file.
        subject: The subject's name, for errors.

    Returns:
        The volume, float32 `(x, y, z)` in the file's axes, and its affine: float64 `(4, 4)`,
        voxels to RAS+ millimetres.

    Raises:
        ValueError: As `read_header`, or if the file is cut short, fails its checksum, or holds
            NaN or infinity.
    """
    image = _open(path, subject)
    with _refusing_damage(path, subject), _stream(path) as stream, np.errstate(over="ignore"):
        volume = type(image).from_stream(stream).get_fdata(dtype=np.float32)
        # gzip compares the checksum at the end only: without this a flipped bit goes unseen.
        stream.read()
    num_bad = volume.size - np.count_nonzero(np.isfinite(volume))
    if num_bad:
        raise _refusal(path, subject, "be finite in every voxel", f"{num_bad} NaN or infinite")
    return volume.reshape(_shape(image)), image.affine


def _open(path: Path, subject: str) -> nib.Nifti1Image:
    if not path.is_file():
        raise ValueError(f"Subject {subject!r} needs the file {str(path)!r}, which is missing.")
    with _refusing_damage(path, subject):
        image = nib.load(path)
    if not isinstance(image, nib.Nifti1Image):
        raise _refusal(path, subject, "be NIfTI", type(image).__name__)
    shape, dtype, affine = _shape(image), image.get_data_dtype(), image.affine
    if len(shape) != 3 or min(shape) < 1:
        raise _refusal(path, subject, "hold one 3-D volume", f"shape {image.shape}")
    if dtype.kind not in "iuf":
        raise _refusal(path, subject, "hold real numbers", f"type {dtype}")
    if not spans_space(affine):
        raise _refusal(path, subject, "have a finite, invertible affine", f"{affine.tolist()}")
    return image


def _shape(image: nib.Nifti1Image) -> tuple[int, ...]:
    shape = tuple(image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _stream(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


@contextlib.contextmanager
def _refusing_damage(path: Path, subject: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        received = " ".join(f"{type(error).__name__}: {error}".split())
        raise _refusal(path, subject, "be a whole NIfTI file", received) from error


def _refusal(path: Path, subject: str, rule: str, received: str) -> ValueError:
    return ValueError(
        f"File {str(path)!r} of subject {subject!r} must {rule}. Received: {received}. "
        "Copy or convert the file anew, or take the subject out of the folder."
    )
