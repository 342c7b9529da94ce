"""Subjects' slices on disk: each prepared once, noticed when damaged, made anew.

A prepared subject is one TFRecord file, a record a slice: the z-scored MR and the CT in HU as
float32, row by row, then the body mask as bytes. A small JSON file beside it, written last, says
what the records must be.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from robmednas_tf.data.file_digests import FileDigests, digest_of_file, stamp_of
from robmednas_tf.data.grid import SliceGrid
from robmednas_tf.data.pair import Pair
from robmednas_tf.data.subjects import Subject
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.files import (
    make_folder,
    remedy_of,
    remove_leftovers,
    replaced_atomically,
    write_json,
)
from robmednas_tf.tf_files import written_by_tensorflow

# Raise it when the records change: caches made before are then made anew.
_FORMAT = 4
# Other runs may be writing into the same cache; none takes this long for one subject.
_ABANDONED_S = 24 * 3600.0


@dataclass(frozen=True)
class PreparedSubject:
    """One subject's slices on disk.

    Attributes:
        name: The subject.
        path: The TFRecord file.
        image_size: Height and width of the slices, in pixels.
        num_slices: Number of slices, from inferior to superior.
        num_bytes: Size of the file.
        checksum: CRC-32 of the file.
        changed_ns: When the file was last seen to be whole: its time of change, in nanoseconds.
        identity: What tells the patient apart; see `Pair`.
        plane: Rows and columns of the volume itself, before padding and cropping.
        has_mask: Whether the body mask is the subject's own file, not drawn from its CT.
        mean_ct_hu: Mean of the CT over all slices.
        voxels: Number of voxels of each region.
        zscore: Over which voxels the MR was z-scored; see `Preprocessing`.
        cropped: Share of the head's voxels that cropping to `image_size` cut away.
    """

    name: str
    path: Path
    image_size: int
    num_slices: int
    num_bytes: int
    checksum: int
    changed_ns: int = field(compare=False)
    identity: str
    plane: tuple[int, int]
    has_mask: bool
    mean_ct_hu: float
    voxels: dict[str, int] = field(hash=False)
    zscore: str
    cropped: float

    @property
    def is_intact(self) -> bool:
        """Whether the file is there, whole and unaltered; read only if its time has changed.

        Bits that a disk flips behind the file system's back are left to the records' own
        checksums, which every reader compares.
        """
        if not self.path.is_file():
            return False
        num_bytes, changed_ns = stamp_of(self.path)
        return num_bytes == self.num_bytes and (
            changed_ns == self.changed_ns or _crc32(self.path) == self.checksum
        )


class SliceCache:
    """Prepared subjects in a folder, made where they are missing or damaged.

    Args:
        folder: Holds any number of cohorts: files are keyed by content and settings. One object
            serves one cohort.
        image_size: Slices are padded or cropped to this many pixels a side.
        slices_per_subject: At most this many slices a subject, evenly spread; 0 for all.
    """

    def __init__(self, folder: Path, image_size: int, slices_per_subject: int = 0):
        self.folder = Path(folder)
        with _naming_the_folder(self.folder):
            make_folder(self.folder)
        remove_leftovers(self.folder, older_than_s=_ABANDONED_S)
        self.image_size = image_size
        self.slices_per_subject = slices_per_subject
        self._keys: dict[str, str] = {}
        self._digests = FileDigests(self.folder / "files.json", digest_of_file)

    def key(self, subject: Subject) -> str:
        """Returns the digest of all that a prepared subject depends on.

        A subject's files are read for it where they are new or have changed; they must not
        change while a run lasts.
        """
        if subject.name not in self._keys:
            files = subject.digest(self._digests)
            parts = [_FORMAT, files, self.image_size, self.slices_per_subject]
            digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
            self._keys[subject.name] = digest[:20]
        return self._keys[subject.name]

    def prepare(self, subject: Subject) -> PreparedSubject:
        """Returns the subject's slices, prepared now unless an intact file is there.

        Raises:
            ValueError: If the subject's files break a rule.
            OSError: If the slices cannot be written.
        """
        stem = f"{re.sub(r'[^A-Za-z0-9_.-]', '_', subject.name)}-{self.key(subject)}"
        path = self.folder / f"{stem}.tfrecord"
        prepared = _read_note(path, subject.name)
        if prepared is None or not prepared.is_intact:
            return self._write(subject, path)
        if stamp_of(path)[1] != prepared.changed_ns:
            # Whole, but copied or touched: seen to be so once, not at every start.
            with _naming_the_folder(self.folder):
                return _write_note(replace(prepared, changed_ns=stamp_of(path)[1]))
        return prepared

    def save_digests(self) -> None:
        """Keeps the digests of the subjects' files for later runs.

        Raises:
            OSError: If they cannot be written.
        """
        with _naming_the_folder(self.folder):
            self._digests.save()

    def _write(self, subject: Subject, path: Path) -> PreparedSubject:
        pair = subject.read()
        mr, ct, mask = self._slices(pair)
        with _naming_the_folder(self.folder), replaced_atomically(path) as temporary:
            _write_records(temporary, mr, ct, mask)
            prepared = PreparedSubject(
                name=subject.name,
                path=path,
                image_size=self.image_size,
                num_slices=len(mr),
                num_bytes=temporary.stat().st_size,
                checksum=_crc32(temporary),
                changed_ns=0,
                identity=pair.identity,
                plane=SliceGrid.of(pair.ct.shape, pair.affine, self.image_size).plane,
                has_mask=pair.mask is not None,
                mean_ct_hu=float(ct.mean(dtype=np.float64)),
                voxels={name: int(region.contains(ct).sum()) for name, region in REGIONS.items()},
                zscore=pair.preprocessing.zscore,
                cropped=_cropped_share(pair, self.image_size),
            )
        with _naming_the_folder(self.folder):
            return _write_note(replace(prepared, changed_ns=stamp_of(path)[1]))

    def _slices(self, pair: Pair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mr, ct = pair.slices(self.image_size)
        mask = pair.mask_slices(self.image_size)
        if self.slices_per_subject in range(1, len(mr)):
            kept = evenly_spread(len(mr), self.slices_per_subject)
            mr, ct, mask = mr[kept], ct[kept], mask[kept]
        return mr.astype("<f4", copy=False), ct.astype("<f4", copy=False), mask


def evenly_spread(available: int, wanted: int) -> np.ndarray:
    """Returns the places of up to `wanted` of the `available` slices; of all where it is 0."""
    if wanted == 0 or wanted >= available:
        return np.arange(available)
    return ((np.arange(wanted) + 0.5) * available / wanted).astype(int)


def _cropped_share(pair: Pair, image_size: int) -> float:
    grid = SliceGrid.of(pair.ct.shape, pair.affine, image_size)
    if not grid.crops:
        return 0.0
    inside = REGIONS["brain"].contains(pair.ct)
    kept = grid.to_slices(inside, fill=0).sum()
    return 1 - float(kept) / max(1, int(inside.sum()))


def _write_records(path: Path, *parts: np.ndarray) -> None:
    with written_by_tensorflow(path), tf.io.TFRecordWriter(str(path)) as writer:
        for slices in zip(*parts, strict=True):
            writer.write(b"".join(each.tobytes() for each in slices))


@contextlib.contextmanager
def _naming_the_folder(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(
            f"Slices cannot be written into {str(folder)!r}: {error.strerror or error}. "
            f"{remedy_of(error)}, or give another --cache_dir"
        ) from error


def _write_note(prepared: PreparedSubject) -> PreparedSubject:
    values = asdict(prepared)
    del values["name"], values["path"]
    write_json(_note(prepared.path), values)
    return prepared


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _read_note(path: Path, name: str) -> PreparedSubject | None:
    try:
        values = json.loads(_note(path).read_text(encoding="utf-8"))
        values["plane"] = tuple(values["plane"])
        return PreparedSubject(name=name, path=path, **values)
    except (OSError, ValueError, TypeError, KeyError):
        # Missing, damaged or of another form: all the same, the subject is prepared anew.
        return None


def _crc32(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            checksum = zlib.crc32(chunk, checksum)
    return checksum
