"""What becomes of a search whose folder cannot be written to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import keras_tuner

from robmednas_tf.files import remedy_of


class RunFolderError(keras_tuner.errors.FatalError, OSError):
    """The run's folder cannot be written to; no candidate is at fault, and the search ends."""

    @classmethod
    def of(cls, folder: Path, error: OSError) -> RunFolderError:
        """Returns the error that says which folder, why, and what to do."""
        return cls(f"Files cannot be written into {str(folder)!r}: {error}. {remedy_of(error)}")


@contextlib.contextmanager
def writing_in(folder: Path) -> Iterator[None]:
    """Makes an `OSError` of the block a `RunFolderError`: no candidate is at fault.

    Args:
        folder: The run's.

    Raises:
        RunFolderError: Instead of any other `OSError`.
    """
    try:
        yield
    except RunFolderError:
        raise
    except OSError as error:
        raise RunFolderError.of(folder, error) from error
