"""A search's progress on the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from robmednas_tf.cli.progress import Line, format_seconds
from robmednas_tf.cli.search_repeats_place import RepeatPlace
from robmednas_tf.search.pruning import stopped_at
from robmednas_tf.search.trials import COMPLETED, PRUNED, TrialRecord, best


class ConsoleProgress:
    """Tells of a search's trials: trial, epoch, score, best so far and time left.

    Args:
        num_trials: Trials the search is to complete.
        epochs: Epochs a trial.
        objective: Name of the objective.
        direction: "max" or "min".
        records: Trials that were there before.
        stream: Where to write; changing lines only where it is a terminal.
        place: Which of several searches it is, where there are several.
        num_workers: Trials that run at once.
    """

    def __init__(
        self,
        num_trials: int,
        epochs: int,
        objective: str,
        direction: str,
        records: Iterable[TrialRecord] = (),
        stream: TextIO | None = None,
        place: RepeatPlace | None = None,
        num_workers: int = 1,
    ):
        self._line = Line(stream)
        self._repeat = place
        self._num_trials, self._epochs = num_trials, epochs
        self._objective, self._direction = objective, direction
        self._records = {record.trial_id: record for record in records}
        self._durations: list[float] = []
        self._num_workers = num_workers
        # Of the trials that run: when they began, and the epochs that they have behind them.
        self._started: dict[str, float] = {}
        self._epoch: dict[str, int] = {}

    def search_started(self, folder: Path) -> None:
        """Says what is there already, where a search goes on."""
        if self._records:
            done = f"{self._num_scored()} of {self._num_trials} trials are done."
            self._line.say(f"Going on in {folder}: {done}")

    def search_ended(self) -> None:
        """Says why there are fewer trials than were asked for, where there are."""
        if self._num_scored() < self._num_trials:
            found = f"{self._num_scored()} of {self._num_trials} trials."
            self._line.say(f"The search space holds no more architectures: {found}")

    def trial_started(self, record: TrialRecord) -> None:
        """Says which trial begins."""
        self._started[record.trial_id] = time.monotonic()
        self._epoch[record.trial_id] = 0
        self._line.show(f"{self._place()}: {self._running()}")

    def epoch_ended(self, record: TrialRecord, epoch: int, val_loss: float) -> None:
        """Says how far the trial is, where lines can change."""
        self._epoch[record.trial_id] = epoch
        loss = f", validation loss {val_loss:.5f}" if self._num_workers == 1 else ""
        self._line.show(f"{self._place()}: {self._running()}{loss}, {self._best()}, {self._left()}")

    def trial_lost(self, record: TrialRecord) -> None:
        """Says that the trial's worker has ended."""
        self._forget(record)
        self._line.say(
            f"Trial {record.trial_id}: its worker ended (attempt {record.attempts}). "
            "It goes on from its last epoch."
        )

    def trial_ended(self, record: TrialRecord) -> None:
        """Says what became of the trial."""
        place = self._place(record)
        self._records[record.trial_id] = record
        seconds = self._forget(record)
        if record.status not in (COMPLETED, PRUNED):
            self._line.say(f"{place}: failed: {record.message}")
            return
        self._durations.append(seconds)
        size = record.details.get("parameters", 0)
        self._line.say(
            f"{place}: {self._outcome(record)} in {seconds:.0f} s "
            f"(depth {record.details.get('depth')}, {size:,} parameters, {record.source}), "
            f"{self._best()}, {self._left()}"
        )

    def _outcome(self, record: TrialRecord) -> str:
        rung = stopped_at(record)
        if record.status == COMPLETED or rung is None:
            return f"{self._objective} {record.score:.4f}"
        return (
            f"stopped at epoch {rung.epoch}: {self._objective} {rung.score:.4f}, {rung.shortfall},"
        )

    def _forget(self, record: TrialRecord) -> float:
        self._epoch.pop(record.trial_id, None)
        now = time.monotonic()
        return now - self._started.pop(record.trial_id, now)

    def _running(self) -> str:
        where = {
            trial_id: f"epoch {epoch}/{self._epochs}" if epoch else "building"
            for trial_id, epoch in self._epoch.items()
        }
        if self._num_workers == 1:
            return "; ".join(where.values())
        return "; ".join(f"{trial_id} {each}" for trial_id, each in where.items())

    def _place(self, record: TrialRecord | None = None) -> str:
        done, repeat = self._num_scored(), ""
        if self._repeat is not None:
            repeat = f"Repeat {self._repeat.number}/{self._repeat.count}, "
        if self._num_workers > 1 and record is None:
            return f"{repeat}{done}/{self._num_trials} trials done"
        # Of several that run, any may be the next to end.
        which = f" ({record.trial_id})" if self._num_workers > 1 and record is not None else ""
        trial = f"trial {min(done + 1, self._num_trials)}/{self._num_trials}{which}"
        return f"{repeat}{trial}" if repeat else trial.capitalize()

    def _num_scored(self) -> int:
        return sum(record.status in (COMPLETED, PRUNED) for record in self._records.values())

    def _best(self) -> str:
        top = best(self._records.values(), self._direction)
        return f"best so far {top[0].score:.4f}" if top else "no score so far"

    def _left(self) -> str:
        each = self._seconds_a_trial()
        if each is None:
            return "time left unknown"
        behind = sum(self._epoch.values()) / self._epochs
        remaining = self._num_trials - self._num_scored()
        at_once = max(1, min(self._num_workers, remaining))
        seconds = max(0.0, remaining - behind) * each / at_once
        left = f"about {format_seconds(seconds)} left"
        if self._repeat is None:
            return left
        whole = self._num_trials * each / min(self._num_workers, self._num_trials)
        return left + self._repeat.left(seconds, whole)

    def _seconds_a_trial(self) -> float | None:
        if self._durations:
            return sum(self._durations) / len(self._durations)
        now = time.monotonic()
        rates = [
            (now - self._started[trial_id]) * self._epochs / epoch
            for trial_id, epoch in self._epoch.items()
            if epoch
        ]
        return sum(rates) / len(rates) if rates else None
