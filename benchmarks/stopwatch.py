"""Where the time of a trial goes: laps between the callbacks of a training."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass

import keras

PHASES = (
    "building",
    "first step",
    "other steps",
    "validation",
    "end of epoch",
    "attack and scores",
    "records",
)


@dataclass(frozen=True)
class Trial:
    """What one trial took, and what it scored.

    Attributes:
        seconds: Per phase, those of `PHASES`.
        cpu_s: Processor time of all threads.
        metrics: Of the trial's best epoch: `val_loss`, `clean_dice`, `adversarial_dice`.
    """

    seconds: dict[str, float]
    cpu_s: float
    metrics: dict[str, float]

    @property
    def total(self) -> float:
        """Seconds of the whole trial."""
        return sum(self.seconds.values())

    @property
    def without_records(self) -> float:
        """Seconds without what the tuner writes beyond weights: tables, curves, pictures."""
        return self.total - self.seconds["records"]


class Stopwatch(keras.callbacks.Callback):
    """Books the time since the last lap to a phase; as a callback, laps through a training."""

    def __init__(self):
        super().__init__()
        self.seconds: dict[str, float] = defaultdict(float)
        self._is_first = True
        self._started_cpu, self._last = time.process_time(), time.perf_counter()

    def trial(self, metrics: dict[str, float]) -> Trial:
        """Ends the last lap, which belongs to the records."""
        self.lap("records")
        return Trial(dict(self.seconds), time.process_time() - self._started_cpu, metrics)

    def lap(self, phase: str) -> None:
        """Ends a lap."""
        now = time.perf_counter()
        self.seconds[phase] += now - self._last
        self._last = now

    def on_train_batch_end(self, batch, logs=None):
        """Parts the first step, which traces the graph, from the others."""
        if self._is_first:
            self.lap("first step")
            self._is_first = False

    def on_test_begin(self, logs=None):
        """Parts training from validation."""
        self.lap("other steps")

    def on_test_end(self, logs=None):
        """Parts validation from what callbacks do then."""
        self.lap("validation")

    def on_epoch_begin(self, epoch, logs=None):
        """Parts what callbacks do between two epochs from the next epoch's steps."""
        if epoch:
            self.lap("end of epoch")

    def on_train_end(self, logs=None):
        """Parts the last epoch's end from what follows."""
        self.lap("end of epoch")
