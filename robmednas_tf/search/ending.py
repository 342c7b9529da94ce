"""How an attempt at a trial ended, and what its record says of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from robmednas_tf.search import tracking
from robmednas_tf.search.failures import reason_of
from robmednas_tf.search.front import lack_of
from robmednas_tf.search.pruning import stopped_at
from robmednas_tf.search.trials import PRUNED, RUNNING, TrialRecord


@dataclass(frozen=True)
class Ending:
    """How one attempt at a trial ended.

    Attributes:
        status: What KerasTuner calls it.
        reason: Why it has no score, in one line; None where it has one or was stopped at a rung.
        again: Whether the trial is to be attempted once more.
        pruned: Whether it was stopped at a rung.
    """

    status: str
    reason: str | None
    again: bool
    pruned: bool

    @classmethod
    def of(cls, record: TrialRecord, status: str, reason: str | None, max_retries: int) -> Ending:
        """Returns the ending of an attempt.

        Args:
            record: The trial, as it was until now.
            status: As `judged` gives it.
            reason: Likewise.
            max_retries: How often a trial without a score is repeated.
        """
        again = status == TrialStatus.INVALID and record.retries < max_retries
        pruned = status == TrialStatus.COMPLETED and stopped_at(record) is not None
        if pruned:
            return cls(tracking.STATUS_OF_PRUNED, reason, again, pruned)
        if status != TrialStatus.COMPLETED:
            status = TrialStatus.INVALID if again else TrialStatus.FAILED
        return cls(status, reason, again, pruned)

    @property
    def completed(self) -> bool:
        """Whether it has a score."""
        return self.status == TrialStatus.COMPLETED

    def settle(self, trial: Trial, text: str) -> None:
        """Gives KerasTuner's trial its status, and takes its score where it is not to have one.

        Args:
            trial: The trial.
            text: What was said of its end.
        """
        trial.status = self.status
        if not self.completed:
            trial.score = None
        if not (self.completed or self.pruned):
            trial.message = text or self.reason

    def changes(self, trial: Trial, record: TrialRecord, text: str) -> dict[str, Any]:
        """Returns what the trial's record says from now on.

        Args:
            trial: Settled.
            record: The trial, as it was until now.
            text: What was said of its end.
        """
        return {
            "status": RUNNING if self.again else PRUNED if self.pruned else trial.status,
            "score": float(trial.score) if self.completed else None,
            # The next attempt is judged by itself alone.
            "metrics": {} if self.again else tracking.metrics_at(trial, trial.best_step),
            "details": {**record.details, **({"rungs": []} if self.again else {})},
            "best_step": int(trial.best_step or 0),
            "message": self.reason,
            "traceback": text if self.reason and "\n" in text else None,
            "retries": record.retries + self.again,
        }


def judged(
    trial: Trial,
    record: TrialRecord,
    status: str,
    text: str,
    objectives: Sequence[Any],
    score: Callable[[Trial], None],
) -> tuple[str, str | None]:
    """Scores an attempt that was trained to its end, and says whether that is a score.

    Args:
        trial: KerasTuner's, with its metrics.
        record: The trial, as it was until now.
        status: What the tuner says of it.
        text: What else it says.
        objectives: KerasTuner's; the first one is the score.
        score: Gives `trial` its score and best step.

    Returns:
        The status, and why it is not completed, in one line, or None.

    Raises:
        ValueError: If no trial can end with `status`.
    """
    if status in (TrialStatus.INVALID, TrialStatus.FAILED):
        return status, reason_of(text)
    if status != TrialStatus.COMPLETED:
        raise ValueError(f"A trial cannot end with the status {status!r}.")
    first, *further = [objective.name for objective in objectives]
    if not trial.metrics.exists(first):
        return TrialStatus.INVALID, f"no {first} was reported"
    with tracking.quiet_about_nan():
        score(trial)
    if not math.isfinite(trial.score):
        return TrialStatus.INVALID, f"score is {trial.score}"
    measured = dataclasses.replace(record, metrics=tracking.metrics_at(trial, trial.best_step))
    lack = lack_of(measured, further)
    return TrialStatus.INVALID if lack else status, lack
