"""Fitting a network the way the method asks.

Source: paper sections 2.2 to 2.4.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import tensorflow as tf

from robmednas_tf.adversarial import KINDS, AdversarialConfig
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.slices import ShuffledSlices
from robmednas_tf.training.checkpoints import BestEpoch, Validation
from robmednas_tf.training.unet import TrainableUNet, slice_errors


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

    @property
    def num_epochs(self) -> int:
        """Epochs that were trained."""
        return len(self.history["val_loss"])


@dataclass(frozen=True)
class Pauses:
    """Where a training asks whether it goes on.

    Attributes:
        epochs: After how many epochs.
        goes_on: Asked there, the best epoch's weights so far in the model, with what `fit` would
            return. A training that was killed before the next epoch was over asks again.
    """

    epochs: Collection[int]
    goes_on: Callable[[FitResult], bool]


NO_PAUSES = Pauses((), lambda _: True)


def fit(
    model: TrainableUNet,
    train: ShuffledSlices,
    validate: Validation,
    config: TrainingConfig,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: Path | None = None,
    pauses: Pauses = NO_PAUSES,
) -> FitResult:
    """Trains a compiled model and leaves the best epoch's weights in it.

    Args:
        model: Compiled by `compile_model`.
        train: The training slices.
        validate: Gives `val_loss`, on other subjects' slices, and whatever else an epoch is to
            log.
        config: Number of epochs, patience.
        callbacks: Keras callbacks; they see all that the epoch logs at its end.
        checkpoint: Where the state is kept after each epoch. A training that finds one goes on
            from it, and ends as if it had never stopped.
        pauses: Where the training asks whether it goes on. One that does is as if never asked.

    Returns:
        The best epoch and the history.

    Raises:
        FloatingPointError: If the loss becomes NaN or infinite, or the attack of an adversarial
            training moves nothing.
    """
    best = BestEpoch(config, validate, checkpoint, _first_that_counts(model, config))
    best.set_model(model)
    best.restore(model)
    asking = _Asking(best, pauses)
    asking.set_model(model)
    if best.is_over or not asking.goes_on():
        best.on_train_end()
    else:
        model.fit(
            _batches(train, model.adversarial, config.epochs, best.num_epochs),
            steps_per_epoch=train.num_steps,
            initial_epoch=best.num_epochs,
            epochs=config.epochs,
            callbacks=[best, *callbacks, asking],
            verbose=0,
            shuffle=False,
        )
    return FitResult(best.best_epoch, best.history)


def best_of(
    model: TrainableUNet, config: TrainingConfig, checkpoint: Path | None
) -> FitResult | None:
    """Leaves the best epoch of a training that went wrong in the model.

    Args:
        model: Compiled, as it was for `fit`.
        config: As it was for `fit`.
        checkpoint: Where the state was kept.

    Returns:
        The best epoch and the history; None where no epoch was kept.
    """
    best = BestEpoch(config, dict, checkpoint, _first_that_counts(model, config))
    best.set_model(model)
    best.restore(model)
    if not best.num_epochs:
        return None
    best.on_train_end()
    return FitResult(best.best_epoch, best.history)


class _Asking(keras.callbacks.Callback):
    def __init__(self, best: BestEpoch, pauses: Pauses):
        super().__init__()
        self._best, self._pauses = best, pauses

    def on_epoch_end(self, epoch, logs=None):
        if not self._best.is_over:
            self.model.stop_training = not self.goes_on()

    def goes_on(self) -> bool:
        if self._best.num_epochs not in self._pauses.epochs:
            return True
        history = {name: list(values) for name, values in self._best.history.items()}
        with self._best.in_place():
            return self._pauses.goes_on(FitResult(self._best.best_epoch, history))


class MeanLoss:
    """A network's loss on slices, traced once.

    Args:
        model: From MR slices to normalised CT slices.
        batches: As from `ordered_batches`.
    """

    def __init__(self, model: keras.Model, batches: tf.data.Dataset):
        self._batches = batches
        specs = [tf.TensorSpec(shape) for shape in (model.input_shape, model.output_shape)]

        @tf.function(input_signature=specs)
        def errors(mr: tf.Tensor, ct: tf.Tensor) -> tf.Tensor:
            return slice_errors(ct, model(mr, training=False))

        self._errors = errors

    def __call__(self) -> dict[str, float]:
        """Returns `val_loss`, the mean over all slices."""
        errors = tf.concat([self._errors(mr, ct) for mr, ct in self._batches], axis=0)
        return {"val_loss": float(tf.reduce_mean(errors))}


def _first_that_counts(model: TrainableUNet, config: TrainingConfig) -> int:
    # A network that has seen no attack is not what was asked for, however good it is on clean MR.
    return model.adversarial.first_epoch(config.epochs) if model.adversarial else 0


def _batches(
    train: ShuffledSlices,
    adversarial: AdversarialConfig | None,
    epochs: int,
    first_epoch: int,
) -> tf.data.Dataset:
    batches = train.batches(first_epoch)
    if adversarial is None:
        return batches
    first_attacked = adversarial.first_epoch(epochs) * train.num_steps

    # Which slices are replaced follows from seed and step alone, and so does the noise, so that
    # neither a training that goes on nor one on several devices draws anew.
    def draw(step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        mr, ct = batch
        seed = tf.stack([tf.constant(train.seed, tf.int64), step])
        chance = tf.random.stateless_uniform(tf.shape(mr)[:1], seed)
        replaced = (chance < adversarial.replacement_probability) & (step >= first_attacked)
        if KINDS[adversarial.kind].needs_noise or adversarial.attack.draws_lots:
            # Another stream than the chances'.
            seed = tf.random.fold_in(seed, 1)
            noise = tf.random.stateless_uniform(tf.shape(mr), seed, -1.0, 1.0)
        else:
            noise = tf.zeros_like(mr)
        return mr, ct, replaced, noise

    return batches.enumerate(first_epoch * train.num_steps).map(draw)
