"""A candidate's work, in whichever process it is done: built, trained, scored, kept."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from robmednas_tf.evaluation.inference import Panel
from robmednas_tf.files import replaced_atomically
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.search.executor import Tell
from robmednas_tf.search.hypermodel import UNetHyperModel
from robmednas_tf.search.scoring import Outcome, Rungs
from robmednas_tf.search.tensorboard import write_outcome, write_stopped
from robmednas_tf.search.trials import checkpoint_path, weights_path
from robmednas_tf.training.checkpoints import read_history
from robmednas_tf.training.scalars import EpochScalars
from robmednas_tf.training.unet import TrainableUNet


class Watcher(Protocol):
    """Whoever drives a candidate, perhaps from another process: plain values alone are passed."""

    def epoch_ended(self, epoch: int, val_loss: float) -> None:
        """One epoch of the training is over, `epoch` counted from 1."""

    def rung_reached(self, epoch: int, metrics: dict[str, float]) -> bool:
        """Says whether the candidate goes on.

        A candidate whose process was killed after the answer may ask again, and has to get the
        same answer.

        Args:
            epoch: Epochs trained so far, a rung.
            metrics: Those that the candidate would end with here.
        """


@dataclass(frozen=True)
class DistantWatcher:
    """The watcher of a job, whose giver may be in another process.

    Attributes:
        tell: Takes the name of a watcher's method and its arguments there; returns the answer.
    """

    tell: Tell

    def epoch_ended(self, epoch: int, val_loss: float) -> None:
        """Tells of an epoch."""
        self.tell("epoch_ended", epoch, val_loss)

    def rung_reached(self, epoch: int, metrics: dict[str, float]) -> bool:
        """Asks whether the candidate goes on."""
        return self.tell("rung_reached", epoch, metrics)


@dataclass(frozen=True)
class CandidateResult:
    """What a candidate's work gave besides its files.

    Attributes:
        metrics: Every metric by name.
        details: What its trial's record notes of the training, ready for JSON.
    """

    metrics: dict[str, float]
    details: dict[str, Any]


@dataclass(frozen=True)
class CandidateRunner:
    """Trains and scores candidates of one search.

    It knows nothing of the other trials and writes into the trial's own folders alone, so that it
    may work in any process that sees the run's folder and the prepared slices.

    Args:
        folder: The run's folder.
        hypermodel: Builds, trains and scores a candidate.
        draw: Lays a panel out as a uint8 picture `(height, width, 3)` for TensorBoard.
    """

    folder: Path
    hypermodel: UNetHyperModel
    draw: Callable[[Panel], np.ndarray]

    def run(
        self,
        trial_id: str,
        values: Mapping[str, Any],
        architecture: Architecture,
        watcher: Watcher,
        rungs: Sequence[int] = (),
    ) -> CandidateResult:
        """Brings a candidate to its score; one that was killed goes on from its last epoch.

        Args:
            trial_id: The trial.
            values: Its active hyperparameters, for the HParams page.
            architecture: What they say.
            watcher: Told of each epoch, asked at each rung.
            rungs: Epochs before the last at which the candidate may be stopped.

        Returns:
            The metrics and details. Curves are in the trial's folders, and, but for a candidate
            that was stopped, weights.

        Raises:
            InfeasibleTrialError: If its memory is over the limit, or runs out.
            FloatingPointError: If the loss becomes NaN or infinite.
            OSError: If files cannot be written.
        """
        model = _built(self.hypermodel, architecture)
        checkpoint = checkpoint_path(self.folder, trial_id)
        scalars = EpochScalars(self.folder / "tensorboard" / trial_id, read_history(checkpoint))
        outcome = self.hypermodel.train_and_score(
            model,
            architecture,
            [_EpochEnd(watcher), scalars],
            checkpoint,
            Rungs(rungs, watcher.rung_reached),
        )
        # TensorBoard averages what has one name, as trials of searches shown together would.
        name = f"{self.folder.name}/{trial_id} ({'/'.join(self.folder.parts[-3:-1])})"
        if outcome.is_stopped:
            write_stopped(scalars, name, values)
        else:
            with replaced_atomically(weights_path(self.folder, trial_id)) as temporary:
                np.savez(temporary, *model.get_weights())
            image = self.draw(self._panel(outcome))
            write_outcome(scalars, name, values, outcome.metrics, image)
        details = {"best_epoch": outcome.fit.best_epoch + 1, "history": outcome.fit.history}
        return CandidateResult(outcome.metrics, details)

    def _panel(self, outcome: Outcome) -> Panel:
        subject = self.hypermodel.data.test[0]
        return outcome.inference.panel(subject, subject.num_slices // 2)


def run_candidate(
    runner: CandidateRunner,
    trial_id: str,
    values: Mapping[str, Any],
    architecture: Architecture,
    rungs: Sequence[int],
    tell: Tell,
) -> CandidateResult:
    """Does a candidate's work as a job; see `CandidateRunner.run`."""
    return runner.run(trial_id, values, architecture, DistantWatcher(tell), rungs)


def train_again(
    hypermodel: UNetHyperModel, architecture: Architecture, checkpoint: Path, tell: Tell
) -> dict[str, float]:
    """Trains and scores a candidate that has had its trial.

    Args:
        hypermodel: The search's, with another seed.
        architecture: The candidate's.
        checkpoint: Where the training's state is kept; one that was stopped goes on from there.
        tell: Takes word of each epoch, as `DistantWatcher` does.

    Returns:
        The metrics.

    Raises:
        InfeasibleTrialError, FloatingPointError, OSError: As `CandidateRunner.run`.
    """
    model = _built(hypermodel, architecture)
    callbacks = [_EpochEnd(DistantWatcher(tell))]
    return hypermodel.train_and_score(model, architecture, callbacks, checkpoint).metrics


def train_anew(
    hypermodel: UNetHyperModel,
    architecture: Architecture,
    checkpoint: Path | None,
    tell: Tell,
) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    """Trains a network of an architecture, for what follows a search.

    Args:
        hypermodel: Has the subjects and says how it is trained.
        architecture: The network's.
        checkpoint: As in `train_again`; None keeps no state.
        tell: Takes word of each epoch, as `DistantWatcher` does.

    Returns:
        The best epoch's weights, and each logged quantity's value an epoch.

    Raises:
        InfeasibleTrialError, FloatingPointError, OSError: As `CandidateRunner.run`.
    """
    model = _built(hypermodel, architecture)
    result = hypermodel.train(model, architecture, [_EpochEnd(DistantWatcher(tell))], checkpoint)
    return model.get_weights(), result.history


def _built(hypermodel: UNetHyperModel, architecture: Architecture) -> TrainableUNet:
    # The process may have trained others before.
    keras.backend.clear_session()
    gc.collect()
    return hypermodel.build_architecture(architecture)


class _EpochEnd(keras.callbacks.Callback):
    def __init__(self, watcher: Watcher):
        super().__init__()
        self._watcher = watcher

    def on_epoch_end(self, epoch, logs=None):
        self._watcher.epoch_ended(epoch + 1, logs["val_loss"])
