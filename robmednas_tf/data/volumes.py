"""Reading one volume rightly, or refusing its file with one line that says what is wrong with it.

A new format is a module like `nifti` and one line in `FORMATS`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from robmednas_tf.data import metaimage, nifti
from robmednas_tf.data.formats import Header, VolumeFormat, refusal

FORMATS: dict[str, VolumeFormat] = {".nii.gz": nifti, ".nii": nifti, ".mha": metaimage}


def volume_suffix(path: Path) -> str | None:
    """Returns the ending that names a volume's format, such as `.nii.gz`; None for other files."""
    return next((suffix for suffix in FORMATS if path.name.endswith(suffix)), None)


def is_volume(path: Path) -> bool:
    """Whether a file's name is that of a volume; hidden ones, as some systems leave, are not."""
    return volume_suffix(path) is not None and not path.name.startswith(".")


def read_header(path: Path, subject: str) -> tuple[tuple[int, ...], np.ndarray]:
    """Reads a volume's grid without its voxels.

    Args:
        path: A file with an ending of `FORMATS`.
        subject: The subject's name, for errors.

    Returns:
        The volume's shape, trailing axes of length one left out, and its affine: float64
        `(4, 4)`, voxels to RAS+ millimetres.

    Raises:
        ValueError: If the file is missing, damaged or of another format, does not hold one 3-D
            volume of real numbers, or does not say how it lies in space.
    """
    header = _header(path, subject)
    return header.shape, header.affine


def header_doubts(path: Path, subject: str) -> tuple[str, ...]:
    """Returns what is doubtful in a header that can be read, one sentence each.

    Raises:
        ValueError: As `read_header`.
    """
    return _header(path, subject).doubts


def read_volume(path: Path, subject: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a volume, with the file's own scaling applied.

    Args:
        path: A file with an ending of `FORMATS`.
        subject: The subject's name, for errors.

    Returns:
        The volume, float32 `(x, y, z)` in the file's axes, and its affine: float64 `(4, 4)`,
        voxels to RAS+ millimetres.

    Raises:
        ValueError: As `read_header`, or if the file is cut short, fails its checksum, or holds
            NaN or infinity.
    """
    header = _header(path, subject)
    with np.errstate(all="ignore"):
        volume = _format(path, subject).read_voxels(path, subject)
    num_bad = volume.size - np.count_nonzero(np.isfinite(volume))
    if num_bad:
        raise refusal(path, subject, "be finite in every voxel", f"{num_bad} NaN or infinite")
    return volume, header.affine


def write_like(path: Path, voxels: np.ndarray, reference: Path, subject: str) -> None:
    """Writes a volume on another file's exact grid, and in its format.

    Args:
        path: Ends as `reference` does, but may be compressed where that is not.
        voxels: int16 `(x, y, z)`, in the reference's axes.
        reference: Gives shape, geometry and units, bit for bit.
        subject: The subject's name, for errors.

    Raises:
        ValueError: If the reference cannot be read, or has another shape or format.
        OSError: If the file cannot be written.
    """
    found = _format(reference, subject)
    if _format(path, subject) is not found:
        raise ValueError(
            f"A volume must be written in the format of {str(reference)!r}. "
            f"Received: {str(path)!r}. Give it the same ending."
        )
    with np.errstate(all="ignore"):
        found.write_like(path, voxels, reference, subject)


def _header(path: Path, subject: str) -> Header:
    if not path.is_file():
        raise ValueError(f"Subject {subject!r} needs the file {str(path)!r}, which is missing.")
    if not os.access(path, os.R_OK):
        raise ValueError(
            f"File {str(path)!r} of subject {subject!r} must be readable. Received: no permission. "
            "Change its permissions."
        )
    # A damaged header may hold any number; what comes of it is checked.
    with np.errstate(all="ignore"):
        return _format(path, subject).read_header(path, subject)


def _format(path: Path, subject: str) -> VolumeFormat:
    suffix = volume_suffix(path)
    if suffix is None:
        raise ValueError(
            f"File {str(path)!r} of subject {subject!r} must end in {' or '.join(FORMATS)}. "
            "Convert it."
        )
    return FORMATS[suffix]
