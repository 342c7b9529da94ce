"""Confirmation: the best candidates trained and scored again, with seeds that are new.

A search keeps the best of many scores, each of one training with one seed. The highest of them
belongs to a candidate that is good or lucky, so that it is biased upward, and the more candidates
there are, the more. The scores of further seeds chose nothing: their mean is fair to each
candidate, and they choose the winner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from robmednas_tf.evaluation.statistics import mean_interval, summarize_values
from robmednas_tf.search.repeats import RepeatRecord
from robmednas_tf.search.trials import COMPLETED, FAILED, TrialRecord


@dataclass(frozen=True)
class Candidate:
    """A trial and its repeats.

    Attributes:
        trial: The completed trial.
        repeats: By number; each completed or failed.
        direction: "max" or "min", as the objective's.

    Raises:
        ValueError: If the trial has no score.
    """

    trial: TrialRecord
    repeats: Sequence[RepeatRecord]
    direction: str

    def __post_init__(self) -> None:
        if self.trial.score is None:
            raise ValueError(
                "Only a trial with a score can be confirmed. "
                f"Received: trial {self.trial.trial_id}, {self.trial.status}."
            )

    @property
    def first_score(self) -> float:
        """The trial's own score, which made it a candidate."""
        return math.nan if self.trial.score is None else self.trial.score

    @property
    def scores(self) -> list[float]:
        """The new scores, of the repeats that have one."""
        return [
            record.score
            for record in self.repeats
            if record.status == COMPLETED and record.score is not None
        ]

    @property
    def failed(self) -> list[RepeatRecord]:
        """The repeats that failed."""
        return [record for record in self.repeats if record.status == FAILED]

    @property
    def mean(self) -> float:
        """Mean of the new scores; NaN without any."""
        return summarize_values(self.scores).mean

    @property
    def interval(self) -> tuple[float, float]:
        """The mean's 95 % interval by Student's t; NaN with fewer than two new scores."""
        return mean_interval(self.scores)

    @property
    def luck(self) -> float:
        """By how much the first score was better than the new ones' mean; NaN without any."""
        sign = 1.0 if self.direction == "max" else -1.0
        return sign * (self.first_score - self.mean)


@dataclass(frozen=True)
class Confirmation:
    """Candidates that were trained again, and which of them won.

    Attributes:
        candidates: At least one, the best first score first.

    Raises:
        ValueError: If there is none.
    """

    candidates: Sequence[Candidate]

    def __post_init__(self) -> None:
        if not self.candidates:
            raise ValueError("A confirmation needs at least one candidate. Received: none.")

    @property
    def num_repeats(self) -> int:
        """How many times each candidate was trained again."""
        return max(len(candidate.repeats) for candidate in self.candidates)

    @property
    def ranked(self) -> list[Candidate]:
        """The candidates, the winner first.

        By the mean of the new scores, of equal means the better first score. A repeat that failed
        is worse than any score: fewer failures come first.
        """
        return sorted(self.candidates, key=_badness)

    @property
    def winner(self) -> Candidate:
        """The candidate with the best mean; with the best first score where all repeats failed."""
        return self.ranked[0]

    @property
    def is_decided_by_first_scores(self) -> bool:
        """Whether no repeat has a score, so that nothing was confirmed."""
        return not any(candidate.scores for candidate in self.candidates)

    @property
    def changed_the_winner(self) -> bool:
        """Whether another candidate than that with the best first score has won."""
        return self.winner is not self.candidates[0]

    @property
    def mean_luck(self) -> float:
        """The candidates' luck on average; NaN where no repeat has a score."""
        return summarize_values([candidate.luck for candidate in self.candidates]).mean

    @property
    def seconds(self) -> float:
        """How long the repeats took, each by its last attempt."""
        return sum(each.seconds or 0.0 for one in self.candidates for each in one.repeats)


def _badness(candidate: Candidate) -> tuple[int, float]:
    # Sorting keeps the order of what is equal, here that of the first scores.
    if not candidate.scores:
        return len(candidate.repeats), math.inf
    sign = -1.0 if candidate.direction == "max" else 1.0
    return len(candidate.failed), sign * candidate.mean
