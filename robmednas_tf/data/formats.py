"""What every volume format of the project offers, and how a file is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from robmednas_tf.data.grid import spans_space

# No deflated stream unpacks to more than this multiple of itself.
MOST_PACKED = 1032
# Characters of a damaged file that an error quotes.
_MOST_RECEIVED = 400


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says of its volume before a voxel is read.

    Attributes:
        shape: Three lengths, in the file's axes.
        affine: float64 `(4, 4)`, voxels to RAS+ millimetres.
        doubts: What a reader should know of it, one sentence each; empty for a sound header.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    doubts: tuple[str, ...] = ()


class VolumeFormat(Protocol):
    """One file format: a module with these functions."""

    def read_header(self, path: Path, subject: str) -> Header:
        """Reads the grid alone; raises ValueError where the file cannot be a volume."""

    def read_voxels(self, path: Path, subject: str) -> np.ndarray:
        """Reads float32 `(x, y, z)`, the file's own scaling applied; ValueError on damage."""

    def write_like(self, path: Path, voxels: np.ndarray, reference: Path, subject: str) -> None:
        """Writes int16 voxels with the reference's shape, geometry and units."""


def refusal(path: Path, subject: str, rule: str, received: str) -> ValueError:
    """Returns the error of a file that breaks a rule, in one line.

    Args:
        path: The file.
        subject: The subject's name.
        rule: What it must do or be.
        received: What it is instead; may hold anything that stands in a damaged file.
    """
    received = "".join(c if c.isprintable() else " " for c in received)
    received = " ".join(received.split())
    if len(received) > _MOST_RECEIVED:
        received = f"{received[:_MOST_RECEIVED]} ..."
    return ValueError(
        f"File {str(path)!r} of subject {subject!r} must {rule}. Received: {received}. "
        "Copy or convert the file anew, or take the subject out of the folder."
    )


def require_volume(
    path: Path, subject: str, shape: tuple[int, ...], stated: object, affine: np.ndarray
) -> None:
    """Refuses what is not one 3-D volume that lies somewhere in space.

    Args:
        path: The file.
        subject: The subject's name.
        shape: The shape, trailing axes of length one left out.
        stated: What the file itself gives as its shape.
        affine: `(4, 4)`.

    Raises:
        ValueError: If an axis is missing, surplus or empty, or the affine does not span space.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise refusal(path, subject, "hold one 3-D volume", f"shape {stated}")
    if not spans_space(affine):
        raise refusal(path, subject, "have a finite, invertible affine", f"{affine.tolist()}")


def require_room(path: Path, subject: str, kind: str, num_bytes: int, available: int) -> None:
    """Refuses a header that asks for more voxels than the file can hold, before memory is asked.

    Args:
        path: The file.
        subject: The subject's name.
        kind: Name of the format.
        num_bytes: Size of the voxels by the header.
        available: What the file can hold at most.

    Raises:
        ValueError: If it cannot.
    """
    if num_bytes > available:
        received = f"a header of {num_bytes:,} bytes of voxels, where it has {available:,} at most"
        raise refusal(path, subject, f"be a whole {kind} file", received)
