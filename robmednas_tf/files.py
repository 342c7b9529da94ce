"""Writing a run's files so that a reader, or a run that goes on later, never meets half of one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replaced_atomically(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` which takes its place when the block succeeds.

    The file is flushed to disk before it is renamed. Where the block raises, `path` stays as it
    was and the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name ends as `path` does: some writers choose the format by it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=f".{path.name}")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `path` which takes its place when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as name:
        temporary = Path(name) / path.name
        temporary.mkdir()
        yield temporary
        if path.exists():
            path.replace(Path(name) / "replaced")
        temporary.replace(path)


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Holds `folder` for this process alone; the system lets go of it when the process ends.

    Raises:
        ValueError: If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"Folder {str(folder)!r} is in use by another run. "
                "Wait for it, or give another --output_dir."
            ) from None
        yield


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


def _umask() -> int:
    # The process's mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
