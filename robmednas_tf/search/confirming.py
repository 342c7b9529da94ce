"""Training candidates again, each repeat once, whatever happens to the process meanwhile."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import itertools
import math
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import keras
import keras_tuner

from robmednas_tf.models.architecture import Architecture
from robmednas_tf.search.confirmation import Candidate, Confirmation
from robmednas_tf.search.failures import MAX_ATTEMPTS, reason_of, reason_of_deaths
from robmednas_tf.search.hypermodel import UNetHyperModel
from robmednas_tf.search.identity import as_json
from robmednas_tf.search.repeats import RepeatRecord, checkpoint_path, read_repeat, write_repeat
from robmednas_tf.search.trials import COMPLETED, FAILED, TrialRecord
from robmednas_tf.search.tuner import RunFolderError


class ConfirmationProgress(Protocol):
    """What a confirmation tells of its work while it goes on."""

    def begun(self, num_repeats: int, num_done: int) -> None:
        """Candidates are about to be trained again; `num_done` of all repeats are over."""

    def epoch_ended(self, record: RepeatRecord, epoch: int, val_loss: float) -> None:
        """One epoch of a repeat is over, `epoch` counted from 1."""

    def repeat_ended(self, record: RepeatRecord) -> None:
        """A repeat has its score, or has failed."""

    def ended(self) -> None:
        """All repeats are over."""


@dataclass(frozen=True)
class Confirmer:
    """Trains and scores candidates again as in their trials, with other seeds.

    A repeat whose process was killed goes on from its last epoch; one that is over is never
    trained again, however many candidates and seeds are asked for later.

    Args:
        folder: The run's folder.
        hypermodel: The search's.
        objective: Name and direction of the score.
        origin: What scores follow from besides architecture, seed and training, ready for JSON.
        progress: Told of each step.
        max_attempts: How many times the process may end during a repeat before that has failed.
    """

    folder: Path
    hypermodel: UNetHyperModel
    objective: keras_tuner.Objective
    origin: Mapping[str, Any]
    progress: ConfirmationProgress
    max_attempts: int = MAX_ATTEMPTS

    def confirm(self, trials: Sequence[TrialRecord], num_repeats: int) -> Confirmation:
        """Brings every repeat to its end that is not there yet.

        Args:
            trials: The candidates, completed, the best first.
            num_repeats: Further seeds of each, >= 1.

        Raises:
            RunFolderError: If the run's folder cannot be written to.
        """
        found = {
            trial.trial_id: [
                self._read(trial, number, seed)
                for number, seed in enumerate(self._seeds(trial, num_repeats), start=1)
            ]
            for trial in trials
        }
        num_open = sum(not each.is_over for repeats in found.values() for each in repeats)
        if num_open:
            num_all = num_repeats * len(trials)
            self.progress.begun(num_all, num_all - num_open)
        for repeats in found.values():
            repeats[:] = [each if each.is_over else self._end(each) for each in repeats]
        if num_open:
            self.progress.ended()
        direction = self.objective.direction
        return Confirmation([Candidate(one, found[one.trial_id], direction) for one in trials])

    def _seeds(self, trial: TrialRecord, num_repeats: int) -> list[int]:
        return repeat_seeds(self.hypermodel, _architecture(trial.details), num_repeats)

    def _read(self, trial: TrialRecord, number: int, seed: int) -> RepeatRecord:
        recipe = as_json(
            {
                "search": {**self.origin, "objective": self.objective.name},
                "architecture": trial.details["architecture"],
                "seed": seed,
                "training": asdict(self.hypermodel.training),
            }
        )
        found = read_repeat(self.folder, trial.trial_id, number, recipe)
        record = found or RepeatRecord(trial.trial_id, number, recipe)
        if found is None or found.is_over:
            # A new training must not go on from the state of another.
            self._drop_checkpoint(record)
        return record

    def _drop_checkpoint(self, record: RepeatRecord) -> None:
        checkpoint_path(self.folder, record.trial_id, record.repeat).unlink(missing_ok=True)

    def _end(self, record: RepeatRecord) -> RepeatRecord:
        try:
            ended = self._attempt(record)
            write_repeat(self.folder, ended)
        except (KeyboardInterrupt, OSError) as error:
            # Whoever ended the process, it was not the candidate, which gets the attempt back.
            with contextlib.suppress(OSError):
                write_repeat(self.folder, record)
            if isinstance(error, OSError):
                raise RunFolderError.of(self.folder, error) from error
            raise
        self._drop_checkpoint(ended)
        self.progress.repeat_ended(ended)
        return ended

    def _attempt(self, record: RepeatRecord) -> RepeatRecord:
        if record.attempts >= self.max_attempts:
            checkpoint = checkpoint_path(self.folder, record.trial_id, record.repeat)
            message = reason_of_deaths(record.attempts, "this training", checkpoint)
            return replace(record, status=FAILED, message=message)
        record = replace(record, attempts=record.attempts + 1)
        # On disk before it starts, or a training that ends its process would do so for ever.
        write_repeat(self.folder, record)
        started = time.monotonic()
        keras.backend.clear_session()
        gc.collect()
        try:
            ended = _scored(record, self._metrics(record), self.objective.name)
        except (OSError, keras_tuner.errors.FatalError):
            raise
        # Whatever else, the candidate has failed, as in a trial: the other ones have not.
        except Exception:
            text = traceback.format_exc()
            ended = replace(record, status=FAILED, message=reason_of(text), traceback=text)
        return replace(ended, seconds=round(time.monotonic() - started, 3))

    def _metrics(self, record: RepeatRecord) -> dict[str, float]:
        architecture = _architecture(record.recipe)
        hypermodel = reseeded(self.hypermodel, record.recipe["seed"])
        report = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: self.progress.epoch_ended(
                record, epoch + 1, logs["val_loss"]
            )
        )
        return hypermodel.train_and_score(
            hypermodel.build_architecture(architecture),
            architecture,
            [report],
            checkpoint_path(self.folder, record.trial_id, record.repeat),
        ).metrics


def repeat_seeds(
    hypermodel: UNetHyperModel, architecture: Architecture, num_repeats: int
) -> list[int]:
    """Returns seeds for `reseeded`: with no two of them, nor with the trial's, are weights equal.

    They follow from the search's seed, the architecture and the repeat's number; more repeats
    leave the first ones' seeds as they are.
    """
    drawn, found = {hypermodel.seed_of(architecture)}, []
    for number in itertools.count(1):
        text = f"{hypermodel.seed} {architecture.to_json()} repeat {number}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
        effective = reseeded(hypermodel, seed).seed_of(architecture)
        if effective not in drawn:
            drawn.add(effective)
            found.append(seed)
        if len(found) == num_repeats:
            break
    return found


def reseeded(hypermodel: UNetHyperModel, seed: int) -> UNetHyperModel:
    """Returns a hypermodel that is the same but for its seed."""
    return UNetHyperModel(
        hypermodel.space,
        hypermodel.data,
        hypermodel.training,
        hypermodel.epsilon,
        seed,
        hypermodel.max_memory_gb,
    )


def _architecture(details: Mapping[str, Any]) -> Architecture:
    return Architecture.from_dict(details["architecture"])


def _scored(record: RepeatRecord, metrics: Mapping[str, float], objective: str) -> RepeatRecord:
    score = float(metrics[objective])
    record = replace(record, metrics=dict(metrics))
    if not math.isfinite(score):
        return replace(record, status=FAILED, message=f"score is {score}")
    return replace(record, status=COMPLETED, score=score)
