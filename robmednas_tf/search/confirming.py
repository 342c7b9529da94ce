"""Training candidates again, each repeat once, whatever happens to the process meanwhile."""

from __future__ import annotations

import collections
import contextlib
import functools
import math
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import keras_tuner

from robmednas_tf.models.architecture import Architecture
from robmednas_tf.search.candidates import train_again
from robmednas_tf.search.confirmation import Candidate, Confirmation
from robmednas_tf.search.executor import (
    Executor,
    Job,
    LocalExecutor,
    Outcome,
    WorkerLostError,
    run_jobs,
)
from robmednas_tf.search.failures import MAX_ATTEMPTS, reason_of, reason_of_deaths
from robmednas_tf.search.hypermodel import UNetHyperModel
from robmednas_tf.search.identity import as_json
from robmednas_tf.search.repeats import RepeatRecord, checkpoint_path, read_repeat, write_repeat
from robmednas_tf.search.reseeding import repeat_seeds, reseeded
from robmednas_tf.search.run_folder import writing_in
from robmednas_tf.search.trials import COMPLETED, FAILED, TrialRecord


class ConfirmationProgress(Protocol):
    """What a confirmation tells of its work while it goes on."""

    def begun(self, num_repeats: int, num_done: int) -> None:
        """Candidates are about to be trained again; `num_done` of all repeats are over."""

    def epoch_ended(self, record: RepeatRecord, epoch: int, val_loss: float) -> None:
        """One epoch of a repeat is over, `epoch` counted from 1."""

    def repeat_ended(self, record: RepeatRecord) -> None:
        """A repeat has its score, or has failed."""

    def repeat_lost(self, record: RepeatRecord) -> None:
        """The process that trained a repeat has ended; the repeat's turn comes again."""

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
        executor: Where they are trained; by default in this process, one after the other.
    """

    folder: Path
    hypermodel: UNetHyperModel
    objective: keras_tuner.Objective
    origin: Mapping[str, Any]
    progress: ConfirmationProgress
    max_attempts: int = MAX_ATTEMPTS
    executor: Executor = field(default_factory=LocalExecutor)

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
            ended = self._end(each for repeats in found.values() for each in repeats)
            for repeats in found.values():
                repeats[:] = [ended.get(_name(each), each) for each in repeats]
            self.progress.ended()
        direction = self.objective.direction
        return Confirmation([Candidate(one, found[one.trial_id], direction) for one in trials])

    def _end(self, records: Iterable[RepeatRecord]) -> dict[str, RepeatRecord]:
        work = _Repeats(self, [record for record in records if not record.is_over])
        run_jobs(self.executor, work)
        return work.over

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


class _Repeats:
    """Brings repeats to their ends; nobody else writes their records."""

    def __init__(self, confirmer: Confirmer, records: Iterable[RepeatRecord]):
        self.over: dict[str, RepeatRecord] = {}
        self._confirmer = confirmer
        self._waiting = collections.deque(records)
        self._running: dict[str, RepeatRecord] = {}
        self._started: dict[str, float] = {}

    def next_job(self) -> Job | None:
        while self._waiting:
            record = self._waiting.popleft()
            if record.attempts < self._confirmer.max_attempts:
                return self._begin(record)
            checkpoint = checkpoint_path(self._confirmer.folder, record.trial_id, record.repeat)
            message = reason_of_deaths(record.attempts, "this training", checkpoint)
            self._end(replace(record, status=FAILED, message=message))
        return None

    def told(self, name: str, what: str, *arguments: Any) -> None:
        # A repeat's work tells of epochs alone.
        getattr(self._confirmer.progress, what)(self._running[name], *arguments)

    def ended(self, name: str, outcome: Outcome) -> None:
        record = self._running[name]
        if isinstance(outcome.error, WorkerLostError):
            self._waiting.appendleft(self._running.pop(name))
            if record.attempts < self._confirmer.max_attempts:
                self._confirmer.progress.repeat_lost(record)
            return
        seconds = round(time.monotonic() - self._started[name], 3)
        # Its attempt is given back where the disk is at fault, and so it still runs until then.
        with writing_in(self._confirmer.folder):
            record = replace(self._judged(record, outcome), seconds=seconds)
            self._end(record)
        del self._running[name]

    def interrupted(self) -> None:
        # Whoever ended the process, it was not the candidates, which get their attempts back.
        for record in self._running.values():
            with contextlib.suppress(OSError):
                self._write(replace(record, attempts=record.attempts - 1))

    def _begin(self, record: RepeatRecord) -> Job:
        name, record = _name(record), replace(record, attempts=record.attempts + 1)
        self._running[name] = record
        with writing_in(self._confirmer.folder):
            # On disk before it starts, or a training that ends its process would do so for ever.
            self._write(record)
        self._started[name] = time.monotonic()
        confirmer = self._confirmer
        work = functools.partial(
            train_again,
            reseeded(confirmer.hypermodel, record.recipe["seed"]),
            _architecture(record.recipe),
            checkpoint_path(confirmer.folder, record.trial_id, record.repeat),
        )
        return Job(name, work)

    def _judged(self, record: RepeatRecord, outcome: Outcome) -> RepeatRecord:
        try:
            return _scored(record, outcome.value(), self._confirmer.objective.name)
        except (OSError, keras_tuner.errors.FatalError):
            raise
        # Whatever else, the candidate has failed, as in a trial: the other ones have not.
        except Exception:
            text = traceback.format_exc()
            return replace(record, status=FAILED, message=reason_of(text), traceback=text)

    def _end(self, record: RepeatRecord) -> None:
        self._write(record)
        self.over[_name(record)] = record
        self._confirmer._drop_checkpoint(record)
        self._confirmer.progress.repeat_ended(record)

    def _write(self, record: RepeatRecord) -> None:
        write_repeat(self._confirmer.folder, record)


def _name(record: RepeatRecord) -> str:
    return f"{record.trial_id}-{record.repeat}"


def _architecture(details: Mapping[str, Any]) -> Architecture:
    return Architecture.from_dict(details["architecture"])


def _scored(record: RepeatRecord, metrics: Mapping[str, float], objective: str) -> RepeatRecord:
    score = float(metrics[objective])
    record = replace(record, metrics=dict(metrics))
    if not math.isfinite(score):
        return replace(record, status=FAILED, message=f"score is {score}")
    return replace(record, status=COMPLETED, score=score)
