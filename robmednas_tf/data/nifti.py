"""NIfTI files, plain and compressed, by nibabel; damage is told apart from content."""

from __future__ import annotations

import contextlib
import gzip
import logging
import math
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from robmednas_tf.data.formats import (
    MOST_PACKED,
    Header,
    refusal,
    require_room,
    require_volume,
)
from robmednas_tf.data.grid import corner_distance_mm, spans_space

# What nibabel, gzip and NumPy raise on files that are damaged, cut short or something else.
_DAMAGE = (
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
    np.linalg.LinAlgError,
    EOFError,
    OSError,
    OverflowError,
    ValueError,
    zlib.error,
)
_KINDS = {nib.Nifti1Header: nib.Nifti1Image, nib.Nifti2Header: nib.Nifti2Image}
# nibabel tells a logger of what it mends in a header; threads could not silence a shared one.
_SILENT = logging.Logger("nifti", logging.CRITICAL + 1)
_FATAL_LEVEL = 40
_OTHER_UNITS = {1: "metres", 3: "micrometres"}
_CHUNK_BYTES = 1 << 20
# Corners may lie this far apart by sform and qform before a reader is told.
_FORMS_TOLERANCE_MM = 1.0


def read_header(path: Path, subject: str) -> Header:
    """Reads a volume's grid without its voxels.

    Raises:
        ValueError: If the file is damaged or not NIfTI, does not hold one 3-D volume of real
            numbers, has an affine that does not span space, or an sform and a qform that name
            different axes.
    """
    header = _read(path, subject)
    return Header(_shape(header), header.get_best_affine(), tuple(_doubts(header)))


def read_voxels(path: Path, subject: str) -> np.ndarray:
    """Reads a volume, with the file's own scaling (`scl_slope`, `scl_inter`) applied.

    Returns:
        float32 `(x, y, z)` in the file's axes.

    Raises:
        ValueError: As `read_header`, or if the file is cut short or fails its checksum.
    """
    header = _read(path, subject)
    with _refusing_damage(path, subject), _stream(path) as stream:
        # Not mapped into memory: a file that shrinks meanwhile would end the process.
        volume = np.asarray(ArrayProxy(stream, header, mmap=False), np.float32)
        # gzip compares the checksum at the end only: without this a flipped bit goes unseen.
        while stream.read(_CHUNK_BYTES):
            pass
    return volume.reshape(_shape(header))


def write_like(path: Path, voxels: np.ndarray, reference: Path, subject: str) -> None:
    """Writes a volume with another file's grid.

    Args:
        path: Compressed where its name ends in `.gz`.
        voxels: int16 `(x, y, z)`.
        reference: Gives shape, affines and their codes, units and byte order; its header's
            other fields are kept but for type, scaling and display range.
        subject: The subject's name, for errors.

    Raises:
        ValueError: If the reference cannot be read, or has another shape.
        OSError: If the file cannot be written.
    """
    header = _read(reference, subject)
    if voxels.shape != _shape(header):
        raise ValueError(
            f"Volumes must have the shape of {str(reference)!r}, {_shape(header)}. "
            f"Received: {voxels.shape}."
        )
    header.set_data_dtype(np.int16)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0
    # Without an affine, so that the header's own two stay as they are; and without extensions:
    # they tell of the MR, and may name the patient.
    written = _KINDS[type(header)](voxels.reshape(header.get_data_shape()), None, header)
    with path.open("wb") as file, contextlib.ExitStack() as stack:
        # No time stamp and no name: the same volume is the same file.
        stream = (
            stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0))
            if path.name.endswith(".gz")
            else file
        )
        written.to_stream(stream)


def _read(path: Path, subject: str) -> nib.Nifti1Header:
    with _refusing_damage(path, subject), _stream(path) as stream:
        header = _parse(stream)
        shape, dtype, affine = _shape(header), header.get_data_dtype(), header.get_best_affine()
        needed = math.prod(shape) * dtype.itemsize + header.get_data_offset()
    if dtype.kind not in "iuf":
        raise refusal(path, subject, "hold real numbers", f"type {dtype}")
    require_volume(path, subject, shape, header.get_data_shape(), affine)
    size = path.stat().st_size * (MOST_PACKED if path.suffix == ".gz" else 1)
    require_room(path, subject, "NIfTI", needed, size)
    _require_one_orientation(path, subject, header)
    return header


def _parse(stream: gzip.GzipFile | BufferedReader) -> nib.Nifti1Header:
    """Reads a header as nibabel's images do, but for the extensions, which are passed over."""
    start = stream.read(max(kind.template_dtype.itemsize for kind in _KINDS))
    kind = next((kind for kind in _KINDS if kind.may_contain_header(start)), None)
    if kind is None:
        raise ValueError("no NIfTI header")
    length = kind.template_dtype.itemsize
    header = kind(start[:length], check=False)
    header.check_fix(_SILENT, _FATAL_LEVEL)
    # nibabel would read voxels out of the header itself.
    if header.get_data_offset() < length + 4:
        raise ValueError(f"voxels at byte {header.get_data_offset()}, inside its header")
    stream.seek(length)
    if any(stream.read(4)[:1]):
        _pass_extensions(stream, header)
    return header


def _pass_extensions(stream: gzip.GzipFile | BufferedReader, header: nib.Nifti1Header) -> None:
    # nibabel would allot what an extension says is its length, whatever the file's own is.
    end = header.get_data_offset()
    while stream.tell() + 16 <= end:
        stated = stream.read(8)
        if len(stated) < 8:
            raise ValueError("it ends before its voxels begin")
        length = int(np.frombuffer(stated, header["sizeof_hdr"].dtype)[0])
        if not 8 <= length <= end - stream.tell() + 8:
            raise ValueError(f"an extension of {length:,} bytes before voxels at byte {end:,}")
        stream.seek(length - 8, 1)


def _require_one_orientation(path: Path, subject: str, header: nib.Nifti1Header) -> None:
    sform, qform = _forms(header)
    if sform is None or qform is None:
        return
    axes = ["".join(map(str, nib.aff2axcodes(each))) for each in (sform, qform)]
    if axes[0] != axes[1]:
        rule = "lie one way by its sform and by its qform"
        received = f"{axes[0]} by the sform and {axes[1]} by the qform"
        raise refusal(path, subject, rule, received)


def _doubts(header: nib.Nifti1Header) -> Iterator[str]:
    if not header["sform_code"] and not header["qform_code"]:
        axes = "".join(map(str, nib.aff2axcodes(header.get_best_affine())))
        yield f"neither sform nor qform says how the volume lies; its axes are taken as {axes}"
    unit = _OTHER_UNITS.get(int(header["xyzt_units"]) & 7)
    if unit:
        yield f"its lengths are said to be in {unit}; they are taken as millimetres"
    sform, qform = _forms(header)
    if sform is None or qform is None:
        return
    distance = corner_distance_mm(_shape(header), sform, qform)
    if not distance <= _FORMS_TOLERANCE_MM:
        yield f"sform and qform disagree by up to {distance:.3g} mm; the sform is taken"


def _forms(header: nib.Nifti1Header) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Returns the affines that the file states; one that is no affine counts as not stated."""
    try:
        forms = header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]
    except (nib.spatialimages.HeaderDataError, ValueError):
        return None, None
    whole = [form if form is not None and spans_space(form) else None for form in forms]
    return whole[0], whole[1]


def _shape(header: nib.Nifti1Header) -> tuple[int, ...]:
    shape = tuple(int(length) for length in header.get_data_shape())
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
        raise refusal(path, subject, "be a whole NIfTI file", received) from error
