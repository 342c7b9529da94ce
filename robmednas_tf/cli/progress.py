"""Progress on the terminal: one line that changes, or plain lines where the output is a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from robmednas_tf.search.pruning import stopped_at
from robmednas_tf.search.trials import COMPLETED, PRUNED, TrialRecord, best

# For types alone: its words need those below.
if TYPE_CHECKING:
    from robmednas_tf.cli.search_repeats_place import RepeatPlace


class _Line:
    """One line of output: it changes in place on a terminal, and is plain in a pipe."""

    def __init__(self, stream: TextIO | None):
        self._stream = stream or sys.stdout
        self.is_live = self._stream.isatty()

    def show(self, text: str) -> None:
        """Shows what the next text replaces; says nothing in a pipe."""
        if self.is_live:
            self._write(text)

    def say(self, text: str) -> None:
        """Says what stays."""
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(f"\r\033[K{text}" if self.is_live else text)
        self._stream.flush()


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
        self._line = _Line(stream)
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


class StepLine:
    """Tells of one piece of work in steps of about the same length.

    Args:
        title: What is being done.
        num_steps: Steps at most.
        stream: Where to write; changing lines only where it is a terminal.
        steps_stay: Whether each step is said in a pipe too: for steps of minutes.
        num_done: Steps that an earlier run has done.
    """

    def __init__(
        self,
        title: str,
        num_steps: int,
        stream: TextIO | None = None,
        steps_stay: bool = False,
        num_done: int = 0,
    ):
        self._line = _Line(stream)
        self._title, self._num_steps = title, num_steps
        self._done = self._earlier = num_done
        self._steps_stay = steps_stay
        self._started = time.monotonic()
        if not self._line.is_live:
            self._line.say(title)

    def step(self, what: str, place: int | None = None) -> None:
        """Says that one more step is done, and which.

        Args:
            what: The step.
            place: Its number from 1, where the work goes on from an earlier run.
        """
        if place is not None and not self._done:
            self._earlier = self._done = place - 1
        self._done += 1
        each = (time.monotonic() - self._started) / (self._done - self._earlier)
        left = format_seconds(each * (self._num_steps - self._done))
        text = f"{self._title}: {self._done}/{self._num_steps}, {what}, about {left} left"
        if self._steps_stay and not self._line.is_live:
            self._line.say(text)
        else:
            self._line.show(text)

    def note(self, text: str) -> None:
        """Says what must stay to be read, on a terminal too."""
        self._line.say(text)

    def within(self, where: str) -> None:
        """Shows where in a step the work is, on a terminal alone."""
        self._line.show(f"{self._title}: {self._done}/{self._num_steps}, {where}")

    def close(self) -> None:
        """Says that the work is done, and how long it took."""
        spent = format_seconds(self.seconds)
        self._line.say(f"{self._title}: {self._done} done in {spent}")

    @property
    def seconds(self) -> float:
        """Time since the work began."""
        return time.monotonic() - self._started


def format_seconds(seconds: float) -> str:
    """Returns a duration in words a person reads: `45 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
