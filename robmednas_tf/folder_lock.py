"""One run at a time in a folder, and who that is."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import shlex
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from robmednas_tf.files import make_folder, remedy_of


@contextlib.contextmanager
def locked_folder(folder: Path, flag: str = "--output_dir") -> Iterator[None]:
    """Holds `folder` for this process alone; the system lets go of it when the process ends.

    The lock decides, never what its file says: that is who holds it, for whoever is refused.

    Args:
        folder: Made where it is missing.
        flag: What the command calls it.

    Raises:
        ValueError: If another process holds it, or it cannot be written to.
    """
    with _opened(folder, flag) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"Folder {str(folder)!r} is in use by another run{_in_words(_holder(file))}. "
                f"Wait for it, or give another {flag}."
            ) from None
        except OSError as error:
            raise ValueError(
                f"Folder {str(folder)!r} cannot be held for one run alone: {error.strerror}. "
                f"Give a {flag} on a file system with locks (flock)."
            ) from error
        _warn_of_another_host(folder, _holder(file))
        _write_holder(file, _this_run())
        try:
            yield
        finally:
            _write_holder(file, None)


def _opened(folder: Path, flag: str) -> BinaryIO:
    try:
        make_folder(folder)
        # Nothing is left to be written when it is closed, on a disk that is full.
        return (folder / ".lock").open("ab+", buffering=0)
    except OSError as error:
        raise ValueError(
            f"Files cannot be written into {str(folder)!r}: {error.strerror}. "
            f"{remedy_of(error)}, or give another {flag}."
        ) from error


def _this_run() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        "command": shlex.join(sys.argv),
    }


def _write_holder(file: BinaryIO, holder: dict[str, Any] | None) -> None:
    # On a full disk the lock is held all the same.
    with contextlib.suppress(OSError):
        file.truncate(0)
        if holder is not None:
            file.write(json.dumps(holder).encode() + b"\n")


def _holder(file: BinaryIO) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):
        file.seek(0)
        holder = json.loads(file.read().decode())
        if isinstance(holder, dict) and holder.keys() == _this_run().keys():
            return holder
    return None


def _in_words(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return ""
    return (
        f" (process {holder['process']} on {holder['host']} since {holder['since']}: "
        f"{holder['command']})"
    )


def _warn_of_another_host(folder: Path, holder: dict[str, Any] | None) -> None:
    # A run that ends, even by an error, leaves nothing. Where this was killed the lock was free;
    # but locks of some network file systems do not reach other hosts.
    if holder is not None and holder["host"] != socket.gethostname():
        warnings.warn(
            f"The last run in {str(folder)!r} has not ended by itself{_in_words(holder)}. "
            "If it still runs there, stop this one.",
            RuntimeWarning,
            stacklevel=3,
        )
