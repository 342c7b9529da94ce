"""A tuner's progress that nobody reads, for the benchmarks that print tables of their own."""

from __future__ import annotations

from robmednas_tf.search.trials import TrialRecord


class Silent:
    """Takes a tuner's news and prints nothing: a `SearchProgress`."""

    def trial_started(self, record: TrialRecord) -> None:
        """Does nothing."""

    def epoch_ended(self, record: TrialRecord, epoch: int, val_loss: float) -> None:
        """Does nothing."""

    def trial_ended(self, record: TrialRecord) -> None:
        """Does nothing."""

    def trial_lost(self, record: TrialRecord) -> None:
        """Does nothing."""
