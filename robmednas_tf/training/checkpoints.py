"""The epochs of a training: validated, the best one kept, the state on disk after each.

Source: paper sections 2.2 and 2.3.
"""

from __future__ import annotations

import contextlib
import json
import math
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from robmednas_tf.config import TrainingConfig
from robmednas_tf.files import replaced_atomically

# Gives a network's quantities on the validation slices, `val_loss` among them.
Validation = Callable[[], Mapping[str, float]]

# What a file of arrays that is missing, cut short or something else raises.
DAMAGE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


class BestEpoch(keras.callbacks.Callback):
    """Validates the averaged weights and keeps those of the epoch with the lowest loss.

    What the validation gives joins the epoch's logs, for callbacks that come after this one.

    Args:
        config: Number of epochs, patience.
        validate: Called with the averaged weights in place.
        checkpoint: File in which the training's state is kept after each epoch, or None.
        first_epoch: Number of the first epoch that may be the best, from 0; patience counts from
            there. Of a training that ended before, any may be.

    Raises:
        FloatingPointError: If a loss is not finite, or the attack of an adversarial training
            moves nothing, at the end of that epoch.
    """

    def __init__(
        self,
        config: TrainingConfig,
        validate: Validation,
        checkpoint: Path | None = None,
        first_epoch: int = 0,
    ):
        super().__init__()
        self._first_epoch = first_epoch
        self._config, self._validate, self._checkpoint = config, validate, checkpoint
        self.history: dict[str, list[float]] = {}
        self._best_weights: list[np.ndarray] = []

    @property
    def num_epochs(self) -> int:
        """Epochs that are done."""
        return len(self.history.get("val_loss", ()))

    @property
    def best_epoch(self) -> int:
        """Number of the epoch with the lowest validation loss, from 0."""
        losses = self._losses()
        return self.num_epochs - len(losses) + int(np.argmin(losses))

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or patience is at its end."""
        if self.num_epochs >= self._config.epochs:
            return True
        patience = self._config.patience
        if not patience or self.num_epochs <= self._first_epoch:
            return False
        return self.num_epochs - 1 - self.best_epoch >= patience

    def on_epoch_end(self, epoch, logs=None):
        """Validates and notes the epoch; stops a training that went wrong or stands still."""
        _require_finite("loss", epoch, logs)
        logs.update(self._validated())
        _require_finite("val_loss", epoch, logs)
        # Of slices that were replaced; where none was, nothing could be moved. A network that
        # starts as a constant has no gradient in its first step, which may be the whole epoch.
        may_be_constant = self._config.start_at_mean and epoch == 0
        if logs.get("replaced") and not logs["perturbation"] and not may_be_constant:
            raise FloatingPointError(
                f"The attack of epoch {epoch + 1} moved no pixel: the network has no gradient, so "
                "that this was no adversarial training. Give another --seed or learning rate."
            )
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        if self._checkpoint is not None:
            self._save(self._checkpoint)
        self.model.stop_training = self.is_over

    def on_train_end(self, logs=None):
        """Leaves the best weights in the model."""
        self.model.set_weights(self._best_weights)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Has the best weights so far in the model for a while; the trained ones come back."""
        trained = self.model.get_weights()
        self.model.set_weights(self._best_weights)
        try:
            yield
        finally:
            self.model.set_weights(trained)

    def _validated(self) -> Mapping[str, float]:
        optimizer = self.model.optimizer
        optimizer.swap_average()
        quantities = self._validate()
        # A loss that is not a number is kept too: what follows says so.
        is_first = self.num_epochs == self._first_epoch
        if is_first or not quantities["val_loss"] >= min(self._losses(), default=math.inf):
            self._best_weights = self.model.get_weights()
        optimizer.swap_average()
        return quantities

    def _losses(self) -> list[float]:
        losses = self.history.get("val_loss", [])
        return losses[self._first_epoch :] or losses

    def restore(self, model: keras.Model) -> None:
        """Puts `model` and its optimizer in the checkpoint's state, where there is one."""
        if self._checkpoint is None or not self._checkpoint.is_file():
            return
        try:
            with np.load(self._checkpoint) as saved:
                history = _history(saved)
                groups = [_arrays(saved, name) for name in ("best", "weights", "optimizer")]
            _require_shapes(model, groups)
        except DAMAGE as error:
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
            "optimizer": [
                keras.ops.convert_to_numpy(each) for each in self.model.optimizer.variables
            ],
        }
        arrays = {
            f"{name}_{place:04d}": array
            for name, group in groups.items()
            for place, array in enumerate(group)
        }
        with replaced_atomically(path) as temporary:
            np.savez(temporary, history=json.dumps(self.history), **arrays)


def _require_finite(name: str, epoch: int, logs: Mapping[str, float]) -> None:
    if not math.isfinite(logs[name]):
        raise FloatingPointError(
            f"The {name} is not finite in epoch {epoch + 1}: {logs[name]}. Lower the learning rate."
        )


def read_history(checkpoint: Path) -> dict[str, list[float]]:
    """Returns what the epochs that a checkpoint holds have logged; nothing where there is none."""
    try:
        with np.load(checkpoint) as saved:
            return _history(saved)
    except DAMAGE:
        return {}


def _history(saved: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    history = json.loads(str(saved["history"]))
    if not isinstance(history, dict):
        raise ValueError("its history is no JSON object.")
    if len({len(values) for values in history.values()}) != 1 or "val_loss" not in history:
        raise ValueError("it does not hold every epoch's values.")
    return history


def _require_shapes(model: keras.Model, groups: list[list[np.ndarray]]) -> None:
    weights = [tuple(each.shape) for each in model.weights]
    optimizer = [tuple(each.shape) for each in model.optimizer.variables]
    if [[each.shape for each in group] for group in groups] != [weights, weights, optimizer]:
        raise ValueError("it is of another network.")


def _arrays(saved: Mapping[str, np.ndarray], group: str) -> list[np.ndarray]:
    return [saved[name] for name in sorted(saved) if name.startswith(f"{group}_")]
