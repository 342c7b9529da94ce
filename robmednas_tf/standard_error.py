"""What is written to standard error, held back: runtimes write to its descriptor themselves."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO


@contextlib.contextmanager
def standard_error_into(file: IO[bytes]) -> Iterator[None]:
    """Sends this process's standard error to a file, past `sys.stderr`, until the block ends.

    Args:
        file: Of the operating system: it needs a descriptor.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        os.dup2(file.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
