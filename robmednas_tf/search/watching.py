"""Who hears of a search's trials while they go on, and answers for the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from robmednas_tf.search.oracle import RecordedOracle
from robmednas_tf.search.trials import TrialRecord


class SearchProgress(Protocol):
    """What a tuner tells of its work while it goes on."""

    def trial_started(self, record: TrialRecord) -> None:
        """A candidate is about to be built."""

    def epoch_ended(self, record: TrialRecord, epoch: int, val_loss: float) -> None:
        """One epoch of a candidate's training is over, `epoch` counted from 1."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A candidate has its score, or has failed."""

    def trial_lost(self, record: TrialRecord) -> None:
        """The process that trained a candidate has ended; the candidate's turn comes again."""


@dataclass(frozen=True)
class TrialWatcher:
    """Answers for the search where a trial's work asks."""

    oracle: RecordedOracle
    progress: SearchProgress
    record: TrialRecord

    def epoch_ended(self, epoch: int, val_loss: float) -> None:
        """Tells of an epoch."""
        self.progress.epoch_ended(self.record, epoch, val_loss)

    def rung_reached(self, epoch: int, metrics: dict[str, float]) -> bool:
        """Records the metrics at a rung and says whether the trial goes on."""
        return self.oracle.rung_reached(self.record.trial_id, epoch, metrics)
