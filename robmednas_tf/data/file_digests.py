"""Digests of files that are read once, not once a run: hundreds of volumes take minutes."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from robmednas_tf.files import write_json

# A file written within this time of being read might be written again unnoticed: clocks of file
# systems tick in steps of up to two seconds.
_SETTLED_S = 3.0


class FileDigests:
    """Remembers files' digests by path, size, times of change and place on the disk.

    Args:
        path: A JSON file; missing or damaged, all is read anew.
        digest: Reads a file and returns its digest.
    """

    def __init__(self, path: Path, digest: Callable[[Path], str]):
        self._path, self._digest = path, digest
        self._known = _read(path)
        self._lock = threading.Lock()
        self._changed = False

    def __call__(self, path: Path) -> str:
        """Returns a file's digest, read only where the file is new or has changed.

        Raises:
            OSError: If it cannot be read.
        """
        name, stamp = str(path.resolve()), _stamp(path)
        known = self._known.get(name)
        if known is not None and known[:-1] == stamp:
            return str(known[-1])
        digest = self._digest(path)
        # Not where it changed while it was read, nor where it may change within one tick.
        if _stamp(path) == stamp and time.time() - stamp[1] / 1e9 > _SETTLED_S:
            with self._lock:
                self._known[name] = [*stamp, digest]
                self._changed = True
        return digest

    def save(self) -> None:
        """Writes what was read anew; keeps what other runs have written since.

        Raises:
            OSError: If it cannot be written.
        """
        with self._lock:
            if self._changed:
                self._known = _read(self._path) | self._known
                write_json(self._path, self._known)
                self._changed = False


def _stamp(path: Path) -> list[int]:
    # Files of an archive may share size and time; put in each other's place, they do not share
    # these.
    status = path.stat()
    return [*stamp_of(path), status.st_ctime_ns, status.st_ino]


def digest_of_file(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def stamp_of(path: Path) -> list[int]:
    """Returns a file's size in bytes and its time of change in nanoseconds."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _read(path: Path) -> dict[str, list]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        sound = isinstance(known, dict) and all(
            isinstance(value, list) and len(value) == 5 for value in known.values()
        )
        return known if sound else {}
    except (OSError, ValueError):
        return {}
