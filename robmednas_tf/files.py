"""Writing a run's files so that a reader, or a run that goes on later, never meets half of one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PARTIAL = ".partial-"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextlib.contextmanager
def replaced_atomically(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` which takes its place when the block succeeds.

    The file is flushed to disk before it is renamed. Where the block raises, `path` stays as it
    was and the temporary file is removed.

    Raises:
        OSError: If the file cannot be written; the error names it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name ends as `path` does: some writers choose the format by it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PARTIAL, suffix=f".{path.name}")
    temporary = Path(name)
    try:
        # Whoever tidies up sees by it that this is no leftover, whatever the clocks say.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(_NEW_FILE_MODE)
        temporary.replace(path)
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        # A write that fails, on a full disk say, does not know its file's name.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `path` which takes its place when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=_PARTIAL) as name:
        temporary = Path(name) / path.name
        temporary.mkdir()
        yield temporary
        if path.exists():
            path.replace(Path(name) / "replaced")
        temporary.replace(path)


def make_folder(folder: Path) -> None:
    """Makes a folder, and those it lies in, where they are missing.

    Raises:
        ValueError: If something else has its name.
        OSError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(path for path in (folder, *folder.parents) if path.is_file())
        raise ValueError(
            f"A folder is needed at {str(folder)!r}, but {str(file)!r} is a file."
        ) from error


def remove_leftovers(folder: Path, older_than_s: float = 0.0) -> None:
    """Removes what processes that were killed while they wrote left anywhere below `folder`.

    Args:
        folder: Files that others are writing in it stay. Where its file system has no locks, and
            of folders, only their age tells them from leftovers.
        older_than_s: Age in seconds that a leftover must have.
    """
    for path in list(folder.rglob(f"{_PARTIAL}*")):
        with contextlib.suppress(OSError):
            # Of the future, where the clock was set back: as long ago as it is ahead.
            if abs(time.time() - path.stat().st_mtime) < older_than_s:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            elif not _is_being_written(path):
                path.unlink()


def remove_leftovers_of(path: Path) -> None:
    """Removes what processes that were killed while they wrote `path` left beside it."""
    for leftover in path.parent.glob(f"{_PARTIAL}*"):
        if leftover.name.endswith(f".{path.name}") and leftover.is_file():
            leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, atomically."""
    with replaced_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes `value` to `path` as indented JSON, atomically.

    Raises:
        ValueError: If `value` holds NaN or infinity, which JSON cannot say.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def remedy_of(error: OSError) -> str:
    """Returns what to do where files cannot be written, without a full stop."""
    if error.errno in _FULL:
        return "Free space there"
    return "Make it writable" if error.errno in _FORBIDDEN else "See to it"


def _is_being_written(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            # No locks here.
            return False
    return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# A process's mask can only be read by setting it: once, before there are threads.
_NEW_FILE_MODE = 0o666 & ~_umask()
