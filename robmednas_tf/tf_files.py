"""Files that TensorFlow writes by itself, whose errors are to be the system's own."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

_KNOWN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@contextlib.contextmanager
def written_by_tensorflow(path: Path) -> Iterator[None]:
    """Turns what TensorFlow raises where it cannot write a file into the system's own error.

    TensorFlow has one error for a disk that is full and a memory that is.

    Args:
        path: What the block writes, or the folder that it writes in.

    Raises:
        OSError: If the block raises an error of TensorFlow's.
    """
    try:
        yield
    except tf.errors.OpError as error:
        for number in _KNOWN:
            if os.strerror(number) in error.message:
                raise OSError(number, os.strerror(number), str(path)) from error
        raise OSError(error.message) from error
