"""The text at the head of a MetaImage file, read as ITK reads it or refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from robmednas_tf.data.formats import MOST_PACKED, refusal, require_room, require_volume

_BYTES_OF_TYPES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_LONG_LONG": 8,
    "MET_ULONG_LONG": 8,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}
_SYNONYMS = {
    "ElementByteOrderMSB": "BinaryDataByteOrderMSB",
    "Rotation": "TransformMatrix",
    "Orientation": "TransformMatrix",
    "Position": "Offset",
    "Origin": "Offset",
}
_SWITCHES = ("BinaryData", "BinaryDataByteOrderMSB", "CompressedData")
_IS_ON = {"True": True, "true": True, "1": True, "False": False, "false": False, "0": False}
# ITK must know how many numbers to expect.
_NUMBERS = ("DimSize", "ElementSpacing", "ElementSize", "Offset", "TransformMatrix")
# ITK's world is LPS+, the project's and nibabel's RAS+.
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MOST_HEADER_BYTES, _MOST_HEADER_LINES = 1 << 16, 500


@dataclass(frozen=True, eq=False)
class MetaImageHeader:
    """What a MetaImage file says of its voxels.

    Attributes:
        shape: Three lengths, in the file's axes.
        affine: float64 `(4, 4)`, voxels to RAS+ millimetres.
        num_bytes: Size of the voxels, unpacked.
        is_packed: Whether they are compressed.
        packed_bytes: Their size in the file where they are; as text, empty where it is not said.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    num_bytes: int
    is_packed: bool
    packed_bytes: str


def parse_header(file: BinaryIO, path: Path, subject: str) -> MetaImageHeader:
    """Reads and checks the header's text; leaves `file` at the first byte of the voxels.

    Args:
        file: At its beginning.
        path: Its path, for errors.
        subject: The subject's name, for errors.

    Raises:
        ValueError: If it is no header of one volume of real numbers that follows it.
    """
    fields = _read_fields(file, path, subject)
    _require_sound(fields, path, subject)
    return MetaImageHeader(
        shape=_shape(fields),
        affine=_affine(fields),
        num_bytes=_num_bytes(fields),
        is_packed=_is_packed(fields),
        packed_bytes=fields.get("CompressedDataSize", ""),
    )


def _read_fields(file: BinaryIO, path: Path, subject: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for _ in range(_MOST_HEADER_LINES):
        line = file.readline(_MOST_HEADER_BYTES)
        # Bytes, whose only blanks are those of ASCII.
        key, value = (part.strip().decode("latin-1") for part in line.partition(b"=")[::2])
        if b"=" not in line:
            break
        name = _SYNONYMS.get(key, key)
        if fields.setdefault(name, value) != value:
            raise refusal(path, subject, "say each thing once", f"{key} = {value} besides another")
        if "NDims" not in fields and name in _NUMBERS:
            raise refusal(path, subject, "say its NDims first", f"{key} = {value}")
        if name == "ElementDataFile":
            return fields
    received = "no header that ends in 'ElementDataFile = LOCAL'"
    raise refusal(path, subject, "be a MetaImage file", received)


def _require_sound(fields: Mapping[str, str], path: Path, subject: str) -> None:
    unclear = [
        f"{name} = {fields[name]}" for name in _SWITCHES if fields.get(name, "0") not in _IS_ON
    ]
    if unclear:
        raise refusal(path, subject, "say True or False", unclear[0])
    if fields["ElementDataFile"] != "LOCAL" or not _is_on(fields, "BinaryData", True):
        received = f"ElementDataFile = {fields['ElementDataFile']}"
        raise refusal(path, subject, "hold its voxels itself, in binary form", received)
    if fields.get("ElementNumberOfChannels", "1") != "1" or fields.get("HeaderSize", "0") != "0":
        raise refusal(path, subject, "hold one channel, right after its header", f"{dict(fields)}")
    if fields.get("ElementType") not in _BYTES_OF_TYPES:
        received = f"type {fields.get('ElementType')}"
        raise refusal(path, subject, "hold real numbers", received)
    try:
        shape, affine = _shape(fields), _affine(fields)
    except (KeyError, ValueError) as error:
        received = f"{type(error).__name__}: {error}"
        raise refusal(path, subject, "state its size and geometry", received) from error
    require_volume(path, subject, shape, shape, affine)
    factor = MOST_PACKED if _is_packed(fields) else 1
    require_room(path, subject, "MetaImage", _num_bytes(fields), path.stat().st_size * factor)


def _is_packed(fields: Mapping[str, str]) -> bool:
    return _is_on(fields, "CompressedData", False)


def _is_on(fields: Mapping[str, str], name: str, default: bool) -> bool:
    return _IS_ON[fields[name]] if name in fields else default


def _num_bytes(fields: Mapping[str, str]) -> int:
    return math.prod(_shape(fields)) * _BYTES_OF_TYPES[fields["ElementType"]]


def _shape(fields: Mapping[str, str]) -> tuple[int, ...]:
    # Digits alone: Python's own reader takes more for a number than ITK's.
    lengths = fields["DimSize"].split()
    digits = all(length.isascii() and length.isdecimal() for length in lengths)
    if not digits or fields["NDims"] != str(len(lengths)):
        raise ValueError(f"NDims = {fields['NDims']}, DimSize = {fields['DimSize']}")
    return tuple(int(length) for length in lengths)


def _affine(fields: Mapping[str, str]) -> np.ndarray:
    # Of no meaning here, but ITK stops where it cannot read it.
    if _numbers(fields, ("CenterOfRotation",), "0 0 0").shape != (3,):
        raise ValueError(f"CenterOfRotation = {fields['CenterOfRotation']}")
    # ElementSize, the extent of a voxel, is its spacing only where nothing else is said.
    spacing = _numbers(fields, ("ElementSpacing", "ElementSize"), "1 1 1")
    offset = _numbers(fields, ("Offset",), "0 0 0")
    # ITK's matrix names the direction of each axis in one row of text.
    direction = _numbers(fields, ("TransformMatrix",), "1 0 0 0 1 0 0 0 1").reshape(3, 3).T
    if spacing.shape != (3,) or offset.shape != (3,):
        raise ValueError(f"spacing {spacing.tolist()}, offset {offset.tolist()}")
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise ValueError(f"spacing {spacing.tolist()}, which must be positive")
    if not np.isfinite(direction).all() or not _at_right_angles(direction):
        raise ValueError(f"directions {direction.tolist()}, which must be at right angles")
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = direction * spacing, offset
    if not np.isfinite(affine).all():
        raise ValueError(f"affine {affine.tolist()}, which must be finite")
    return LPS_TO_RAS @ affine


def _at_right_angles(direction: np.ndarray) -> bool:
    within = np.abs(direction).max() < 2
    return bool(within and np.abs(direction.T @ direction - np.eye(3)).max() < 1e-3)


def _numbers(fields: Mapping[str, str], names: tuple[str, ...], default: str) -> np.ndarray:
    text = next((fields[name] for name in names if name in fields), default)
    if "_" in text or not text.isascii():
        raise ValueError(f"{names[0]} = {text}")
    return np.array(text.split(), np.float64)
