"""Compiling and fitting a network the way the method asks.

Source: paper sections 2.2 and 2.3.
"""

from __future__ import annotations

import json
import math
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.slices import ShuffledSlices
from robmednas_tf.files import replaced_atomically
from robmednas_tf.optimizer import FlatAdam


@dataclass(frozen=True)
class FitResult:
    """What a training left besides the weights.

    Attributes:
        best_epoch: Number of the epoch whose weights were kept, from 0.
        history: Each logged quantity's value an epoch.
    """

    best_epoch: int
    history: dict[str, list[float]] = field(repr=False)

    @property
    def val_loss(self) -> float:
        """The kept weights' loss on the validation slices."""
        return self.history["val_loss"][self.best_epoch]


def compile_model(model: keras.Model, config: TrainingConfig) -> None:
    """Gives `model` the method's loss and optimiser: MSE, Adam with AMSGrad."""
    optimizer = FlatAdam(config.learning_rate, weight_averaging=config.weight_averaging)
    model.compile(optimizer=optimizer, loss="mse")
    optimizer.build(model.trainable_variables)


class BestEpoch(keras.callbacks.Callback):
    """Validates the averaged weights and keeps those of the epoch with the lowest loss.

    Args:
        config: Number of epochs, patience.
        checkpoint: File in which the training's state is kept after each epoch, or None.

    Raises:
        FloatingPointError: If a loss is not finite, at the end of that epoch.
    """

    def __init__(self, config: TrainingConfig, checkpoint: Path | None = None):
        super().__init__()
        self._config, self._checkpoint = config, checkpoint
        self.history: dict[str, list[float]] = {"loss": [], "val_loss": []}
        self._best_weights: list[np.ndarray] = []

    @property
    def num_epochs(self) -> int:
        """Epochs that are done."""
        return len(self.history["val_loss"])

    @property
    def best_epoch(self) -> int:
        """Number of the epoch with the lowest validation loss, from 0."""
        return int(np.argmin(self.history["val_loss"]))

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or patience is at its end."""
        patience = self._config.patience
        return self.num_epochs >= self._config.epochs or (
            bool(self.num_epochs and patience) and self.num_epochs - 1 - self.best_epoch >= patience
        )

    def on_test_begin(self, logs=None):
        """Puts the averaged weights in place for the validation."""
        self.model.optimizer.swap_average()

    def on_test_end(self, logs=None):
        """Keeps the averaged weights if they are the best yet, and puts the trained ones back."""
        if not logs["loss"] >= min(self.history["val_loss"], default=math.inf):
            self._best_weights = self.model.get_weights()
        self.model.optimizer.swap_average()

    def on_epoch_end(self, epoch, logs=None):
        """Notes the epoch, and stops a training that went wrong or stands still."""
        for name, values in self.history.items():
            values.append(float(logs[name]))
            if not math.isfinite(logs[name]):
                raise FloatingPointError(
                    f"The {name} is not finite in epoch {epoch + 1}: {logs[name]}. "
                    "Lower the learning rate."
                )
        if self._checkpoint is not None:
            self._save(self._checkpoint)
        self.model.stop_training = self.is_over

    def on_train_end(self, logs=None):
        """Leaves the best weights in the model."""
        self.model.set_weights(self._best_weights)

    def restore(self, model: keras.Model) -> None:
        """Puts `model` and its optimizer in the checkpoint's state, where there is one."""
        if self._checkpoint is None or not self._checkpoint.is_file():
            return
        try:
            with np.load(self._checkpoint) as saved:
                history = json.loads(str(saved["history"]))
                groups = [_arrays(saved, name) for name in ("best", "weights", "optimizer")]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            warnings.warn(
                f"Checkpoint {str(self._checkpoint)!r} is damaged; training begins anew: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
            return
        self.history, self._best_weights = history, groups[0]
        model.set_weights(groups[1])
        for variable, value in zip(model.optimizer.variables, groups[2], strict=True):
            variable.assign(value)

    def _save(self, path: Path) -> None:
        groups = {
            "best": self._best_weights,
            "weights": self.model.get_weights(),
            "optimizer": [np.asarray(each.value) for each in self.model.optimizer.variables],
        }
        arrays = {
            f"{name}_{place:04d}": array
            for name, group in groups.items()
            for place, array in enumerate(group)
        }
        with replaced_atomically(path) as temporary:
            np.savez(temporary, history=json.dumps(self.history), **arrays)


def fit(
    model: keras.Model,
    train: ShuffledSlices,
    validation: tf.data.Dataset,
    config: TrainingConfig,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: Path | None = None,
) -> FitResult:
    """Trains a compiled model and leaves the best epoch's weights in it.

    Args:
        model: Compiled by `compile_model`.
        train: The training slices.
        validation: Batches like `train`'s, of other subjects.
        config: Number of epochs, patience.
        callbacks: Keras callbacks; they see `loss` and `val_loss` at each epoch's end.
        checkpoint: Where the state is kept after each epoch. A training that finds one goes on
            from it, and ends as if it had never stopped.

    Returns:
        The best epoch and the history.

    Raises:
        FloatingPointError: If the loss becomes NaN or infinite.
    """
    best = BestEpoch(config, checkpoint)
    best.set_model(model)
    best.restore(model)
    if best.is_over:
        best.on_train_end()
    else:
        model.fit(
            train.batches(best.num_epochs),
            steps_per_epoch=train.num_steps,
            validation_data=validation,
            initial_epoch=best.num_epochs,
            epochs=config.epochs,
            callbacks=[best, *callbacks],
            verbose=0,
            shuffle=False,
        )
    return FitResult(best.best_epoch, best.history)


def _arrays(saved: Mapping[str, np.ndarray], group: str) -> list[np.ndarray]:
    return [saved[name] for name in sorted(saved) if name.startswith(f"{group}_")]
