"""MetaImage files (`.mha`), by SimpleITK; what it would pass over in silence is checked first.

ITK reads a truncated or corrupt file as far as it gets and may fill the rest with anything, so
that the header's text and the length and checksum of the voxels are verified here.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from robmednas_tf.data.formats import Header, refusal
from robmednas_tf.data.metaimage_header import LPS_TO_RAS, MetaImageHeader, parse_header

_CHUNK_BYTES = 1 << 20


def read_header(path: Path, subject: str) -> Header:
    """Reads a volume's grid without its voxels.

    Raises:
        ValueError: If the file is no MetaImage with its voxels in it, does not hold one 3-D
            volume of real numbers, or has a geometry that does not span space.
    """
    with _opened(path, subject) as file:
        header = parse_header(file, path, subject)
    return Header(header.shape, header.affine)


def read_voxels(path: Path, subject: str) -> np.ndarray:
    """Reads a volume.

    Returns:
        float32 `(x, y, z)` in the file's axes.

    Raises:
        ValueError: As `read_header`, if the file is cut short or damaged, or SimpleITK is missing.
    """
    sitk = _simple_itk(path, subject)
    with _opened(path, subject) as file:
        header = parse_header(file, path, subject)
        _require_whole(file, header, path, subject)
    try:
        image = sitk.ReadImage(str(path), sitk.sitkFloat32)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise refusal(path, subject, "be a whole MetaImage file", reason) from error
    _require_read_alike(image, header, path, subject)
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0)


def write_like(path: Path, voxels: np.ndarray, reference: Path, subject: str) -> None:
    """Writes a volume, compressed, with another file's grid.

    Args:
        path: Ends in `.mha`.
        voxels: int16 `(x, y, z)`.
        reference: Gives shape, spacing, origin and direction.
        subject: The subject's name, for errors.

    Raises:
        ValueError: If the reference cannot be read, or has another shape.
        OSError: If the file cannot be written.
    """
    sitk = _simple_itk(reference, subject)
    shape = read_header(reference, subject).shape
    if voxels.shape != shape:
        raise ValueError(
            f"Volumes must have the shape of {str(reference)!r}, {shape}. Received: {voxels.shape}."
        )
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(reference))
    reader.ReadImageInformation()
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0)))
    image.SetSpacing(reader.GetSpacing())
    image.SetOrigin(reader.GetOrigin())
    image.SetDirection(reader.GetDirection())
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        raise OSError(f"File {str(path)!r} cannot be written. Is the disk full?") from error


def _simple_itk(path: Path, subject: str) -> Any:
    # Optional, and only who has such files needs it.
    try:
        import SimpleITK
    except ImportError as error:
        raise ValueError(
            f"File {str(path)!r} of subject {subject!r} is a MetaImage, which needs SimpleITK. "
            "Install the extra [itk], pip install -e '.[itk]', or convert the file to NIfTI."
        ) from error
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


@contextlib.contextmanager
def _opened(path: Path, subject: str) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise refusal(path, subject, "be readable", f"{error.strerror}") from error


def _require_whole(file: BinaryIO, header: MetaImageHeader, path: Path, subject: str) -> None:
    expected, left = header.num_bytes, _bytes_left(file)
    # Without the right number ITK unpacks nothing, and returns whatever its memory held before.
    if header.is_packed and header.packed_bytes != str(left):
        received = f"{left:,} bytes, CompressedDataSize = {header.packed_bytes!r}"
        raise refusal(path, subject, "say how long its compressed voxels are", received)
    try:
        found = _unpacked_bytes(file, expected) if header.is_packed else left
    except zlib.error as error:
        raise refusal(path, subject, "be a whole MetaImage file", f"{error}") from error
    if found != expected:
        received = f"{found:,} bytes of voxels instead of {expected:,}"
        raise refusal(path, subject, "be a whole MetaImage file", received)


def _require_read_alike(image: Any, header: MetaImageHeader, path: Path, subject: str) -> None:
    # ITK's grammar has more forms than this program's: what both read in the same way is sure.
    shape, affine = image.GetSize(), np.eye(4)
    if shape == header.shape:
        affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
        affine[:3, 3] = image.GetOrigin()
        affine = LPS_TO_RAS @ affine
    if shape != header.shape or not np.allclose(affine, header.affine, rtol=1e-6, atol=1e-6):
        received = f"{header.shape}, {header.affine.tolist()}; by ITK {shape}, {affine.tolist()}"
        raise refusal(path, subject, "be read by ITK as by its header's text", received)


def _unpacked_bytes(file: BinaryIO, at_most: int) -> int:
    """Counts what a zlib stream unpacks to; zlib itself compares its checksum at the end."""
    unpacking, found = zlib.decompressobj(), 0
    while not unpacking.eof and found <= at_most:
        chunk = unpacking.unconsumed_tail or file.read(_CHUNK_BYTES)
        if not chunk:
            raise zlib.error("the compressed voxels are cut short")
        found += len(unpacking.decompress(chunk, _CHUNK_BYTES))
    return found


def _bytes_left(file: BinaryIO) -> int:
    start = file.tell()
    end = file.seek(0, 2)
    file.seek(start)
    return end - start
