"""A training's curves in TensorBoard."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf


class EpochScalars(keras.callbacks.Callback):
    """Writes every quantity that is logged at the end of each epoch.

    Args:
        folder: Folder of the run's events; events of an earlier attempt are removed.
        history: Quantities of the epochs that are done, for a training that goes on: they are
            written again, so that the curves are whole.
    """

    def __init__(self, folder: Path, history: Mapping[str, Sequence[float]] | None = None):
        super().__init__()
        shutil.rmtree(folder, ignore_errors=True)
        self.writer = tf.summary.create_file_writer(str(folder))
        names, values = list(history or {}), zip(*(history or {}).values(), strict=True)
        for epoch, at_epoch in enumerate(values):
            self.on_epoch_end(epoch, dict(zip(names, at_epoch, strict=True)))

    def on_epoch_end(self, epoch, logs=None):
        """Writes what the epoch has logged."""
        with self.writer.as_default(step=epoch + 1):
            for name, value in (logs or {}).items():
                tf.summary.scalar(f"epoch/{name}", value)
        self.writer.flush()
