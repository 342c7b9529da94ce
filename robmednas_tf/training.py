"""Compiling and fitting a network the way the method asks.

Source: paper sections 2.2 and 2.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from robmednas_tf.config import TrainingConfig
from robmednas_tf.optimizer import FlatAdam


@dataclass(frozen=True)
class FitResult:
    """What a training left besides the weights.

    Attributes:
        best_epoch: Number of the epoch whose weights were kept, from 0.
        history: Each logged quantity's value a epoch.
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


class BestAveragedWeights(keras.callbacks.Callback):
    """Validates the averaged weights and keeps those of the epoch with the lowest loss.

    Args:
        patience: Epochs without a lower validation loss before training stops; 0 never stops.

    Raises:
        FloatingPointError: If a loss is not finite, at the end of that epoch.
    """

    def __init__(self, patience: int = 0):
        super().__init__()
        self.patience = patience
        self.best_epoch = -1
        self._best_loss = math.inf
        self._best_weights: list[np.ndarray] = []

    def on_test_begin(self, logs=None):
        """Puts the averaged weights in place for the validation."""
        self.model.optimizer.swap_average()

    def on_test_end(self, logs=None):
        """Puts the trained weights back."""
        loss = (logs or {}).get("loss", math.nan)
        if loss < self._best_loss:
            self._best_weights = self.model.get_weights()
        self.model.optimizer.swap_average()

    def on_epoch_end(self, epoch, logs=None):
        """Notes the best epoch and stops a training that went wrong or stands still."""
        loss, val_loss = logs["loss"], logs["val_loss"]
        if not (math.isfinite(loss) and math.isfinite(val_loss)):
            raise FloatingPointError(
                f"The loss is not finite in epoch {epoch + 1}: training {loss}, "
                f"validation {val_loss}. Lower the learning rate."
            )
        if val_loss < self._best_loss:
            self._best_loss, self.best_epoch = val_loss, epoch
        elif self.patience and epoch - self.best_epoch >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Leaves the best weights in the model."""
        if self._best_weights:
            self.model.set_weights(self._best_weights)


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    config: TrainingConfig,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> FitResult:
    """Trains a compiled model and leaves the best epoch's weights in it.

    Args:
        model: Compiled by `compile_model`.
        train: Batches `(mr, ct)`, z-scored and normalised, each float32
            `(batch, height, width, 1)`.
        validation: Batches like `train`'s, of other subjects.
        config: Number of epochs, patience.
        callbacks: Keras callbacks; they see `loss` and `val_loss` at each epoch's end.

    Returns:
        The best epoch and the history.

    Raises:
        FloatingPointError: If the loss becomes NaN or infinite.
    """
    best = BestAveragedWeights(config.patience)
    history = model.fit(
        train,
        validation_data=validation,
        epochs=config.epochs,
        callbacks=[best, *callbacks],
        verbose=0,
        shuffle=False,
    )
    return FitResult(best.best_epoch, history.history)
