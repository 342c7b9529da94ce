"""A training's curves in TensorBoard."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from robmednas_tf.tf_files import written_by_tensorflow


class EpochScalars(keras.callbacks.Callback):
    """Writes every quantity that is logged at the end of each epoch.

    Args:
        folder: Folder of the run's events; events of an earlier attempt are removed.
        history: Quantities of the epochs that are done, for a training that goes on: they are
            written again, so that the curves are whole.

    Raises:
        OSError: If they cannot be written.
    """

    def __init__(self, folder: Path, history: Mapping[str, Sequence[float]] | None = None):
        super().__init__()
        shutil.rmtree(folder, ignore_errors=True)
        self._folder = folder
        with written_by_tensorflow(folder):
            self._writer = tf.summary.create_file_writer(str(folder))
        names, values = list(history or {}), zip(*(history or {}).values(), strict=True)
        for epoch, at_epoch in enumerate(values):
            self.on_epoch_end(epoch, dict(zip(names, at_epoch, strict=True)))

    @contextlib.contextmanager
    def at_step(self, step: int) -> Iterator[None]:
        """Has what the block hands to `tf.summary` written beside the curves.

        Raises:
            OSError: If it cannot be.
        """
        with written_by_tensorflow(self._folder):
            with self._writer.as_default(step=step):
                yield
            self._writer.flush()

    def on_epoch_end(self, epoch, logs=None):
        """Writes what the epoch has logged."""
        with self.at_step(epoch + 1):
            for name, value in (logs or {}).items():
                tf.summary.scalar(f"epoch/{name}", value)

    def close(self) -> None:
        """Closes the events' file."""
        self._writer.close()
