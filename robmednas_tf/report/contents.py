"""What a search's report is made from, as plain values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.evaluation.inference import Panel
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.objectives import OBJECTIVES
from robmednas_tf.search.analysis import Analysis, analyse
from robmednas_tf.search.confirmation import Confirmation
from robmednas_tf.search.front import Front
from robmednas_tf.search.trials import COMPLETED, FAILED, PRUNED, TrialRecord


@dataclass(frozen=True)
class ScoreRow:
    """One network's (or look-up table's) line in the score table.

    Attributes:
        label: Such as "Final model" or "Median trial".
        metrics: Named as by `robmednas_tf.evaluation.inference.summarize`. NaN is undefined (an
            empty region); a missing one was not measured, such as a look-up table under attack.
    """

    label: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class ScoreGroup:
    """Subjects that networks were scored on together; a block of the score table.

    Attributes:
        title: Such as "Held-out test subjects".
        use: What else the subjects served for, such as "used to choose the winner".
        subjects: Their names.
        rows: The networks; the final one first.
    """

    title: str
    use: str
    subjects: Sequence[str]
    rows: Sequence[ScoreRow]


@dataclass(frozen=True)
class SearchReport:
    """A search and its winner.

    Attributes:
        cohort: What the cohort is called.
        subjects: Names of the subjects by part: "train", "validation" and "test" of the search's
            sub-dataset, and whatever else, such as "held out".
        records: The search's trials; those still running are counted but not drawn.
        objective: The score's, the first one where there are several: key of
            `robmednas_tf.objectives.OBJECTIVES`.
        direction: "max" or "min", as the objective's.
        best_trial_id: The winner; None where no trial was scored.
        architecture: The winner's; None where no trial was scored.
        image_size: Pixels a side of a slice.
        attack: What spoiled the MR where the scores were taken.
        seconds: How long trials and repeats took, each by its last attempt.
        command: The command line that repeats the run.
        settings: Flags and their values.
        scores: Groups of subjects, the one to be believed most (the held-out one) last.
        panels: Slices to show.
        notes: Limits of this very run, a sentence or two each.
        confirmation: Of the best trials; None where none was trained again.
        front: The Pareto front; None where there is one objective.

    Raises:
        ValueError: If objective and direction disagree, or the best trial is not a scored one, or
            not the confirmation's.
    """

    cohort: str
    subjects: Mapping[str, Sequence[str]]
    records: Sequence[TrialRecord]
    objective: str
    direction: str
    best_trial_id: str | None
    architecture: Architecture | None
    image_size: int
    attack: Perturbation
    seconds: float
    command: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    scores: Sequence[ScoreGroup] = ()
    panels: Sequence[Panel] = ()
    notes: Sequence[str] = ()
    confirmation: Confirmation | None = None
    front: Front | None = None

    def __post_init__(self) -> None:
        if OBJECTIVES.get(self.objective) != self.direction:
            raise ValueError(
                "A report's objective must be known and have its own direction. "
                f"Received: {self.objective!r} with direction {self.direction!r}."
            )
        if self.best_trial_id is not None and self.best is None:
            raise ValueError(
                "A report's best trial must be one of its completed trials. "
                f"Received: {self.best_trial_id!r}."
            )
        if self.confirmation and self.confirmation.winner.trial.trial_id != self.best_trial_id:
            raise ValueError(
                "A report's best trial must be the confirmation's winner. Received: "
                f"{self.best_trial_id!r}, not {self.confirmation.winner.trial.trial_id!r}."
            )

    @property
    def scored(self) -> list[TrialRecord]:
        """The completed trials, by number."""
        return [record for record in self.records if record.status == COMPLETED]

    @property
    def failed(self) -> list[TrialRecord]:
        """The failed trials, by number."""
        return [record for record in self.records if record.status == FAILED]

    @property
    def stopped(self) -> list[TrialRecord]:
        """The trials that were stopped at a rung, by number."""
        return [record for record in self.records if record.status == PRUNED]

    @property
    def best(self) -> TrialRecord | None:
        """The winner's record."""
        for record in self.scored:
            if record.trial_id == self.best_trial_id:
                return record
        return None

    @property
    def median_score(self) -> float:
        """Median over the completed trials; NaN without any."""
        scores = [score_of(record) for record in self.scored]
        return statistics.median(scores) if scores else math.nan

    @cached_property
    def analysis(self) -> Analysis | None:
        """What the trials teach; None where there is too little to learn from."""
        return analyse(self.records, self.objective, self.direction)

    @property
    def region(self) -> str:
        """The objective's region; empty where it is the mean over all four."""
        return "_".join(self.objective.split("_")[2:])


def score_of(record: TrialRecord) -> float:
    """Returns a trial's score, NaN where it has none."""
    return math.nan if record.score is None else record.score


def epochs_of(record: TrialRecord) -> int:
    """Returns how many epochs a trial was trained, 0 where its record does not say it."""
    return len(record.details.get("history", {}).get("val_loss", ()))


def number_of(record: TrialRecord, detail: str) -> float:
    """Returns a number among a trial's details, NaN where it has none."""
    value = record.details.get(detail)
    return math.nan if value is None else float(value)


def architecture_of(record: TrialRecord) -> Architecture | None:
    """Returns a trial's architecture, None where its record has none."""
    values = record.details.get("architecture")
    return None if values is None else Architecture.from_dict(values)
