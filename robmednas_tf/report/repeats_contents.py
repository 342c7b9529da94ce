"""What the report of repeated searches is made from, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.objectives import OBJECTIVES
from robmednas_tf.search.outcome import SearchOutcome
from robmednas_tf.search.repeated import STAGES, deciding_stage, metric_at, ranked

# Stage -> what tables call it.
STAGE_LABELS: Mapping[str, str] = {
    "first": "First score",
    "confirmed": "Mean of new scores",
    "search_test": "Final model, search's test subjects",
    "held_out": "Final model, held-out subjects",
}


@dataclass(frozen=True)
class Repeat:
    """One of the repeats.

    Attributes:
        number: From 1.
        seed: Of its search.
        folder: From the report's on, such as "repeats/01".
        outcome: What it has ended with; None where it has not.
        fault: Why it has stopped before its end, if it has.
    """

    number: int
    seed: int
    folder: str
    outcome: SearchOutcome | None = None
    fault: str | None = None

    @property
    def status(self) -> str:
        """In a word or two."""
        return "stopped" if self.fault else "ended" if self.outcome else "not ended"


@dataclass(frozen=True)
class RepeatsReport:
    """Repeats of one search, which differ in their seeds alone.

    Attributes:
        cohort: What the cohort is called.
        subjects: Names of the subjects by part, the same in all repeats.
        repeats: All that were asked for, by number.
        oracle: The rule that proposed candidates.
        objective: The first one where there are several: key of
            `robmednas_tf.objectives.OBJECTIVES`.
        direction: "max" or "min", as the objective's.
        num_trials: Trials that each search was to complete.
        space: Where was searched.
        image_size: Pixels a side of a slice.
        attack: What spoiled the MR where the scores were taken.
        command: The command line that repeats the run.
        settings: Flags and their values.
        notes: Limits of this very run, a sentence or two each.

    Raises:
        ValueError: If objective and direction disagree.
    """

    cohort: str
    subjects: Mapping[str, Sequence[str]]
    repeats: Sequence[Repeat]
    oracle: str
    objective: str
    direction: str
    num_trials: int
    space: SearchSpace
    image_size: int
    attack: Perturbation
    command: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if OBJECTIVES.get(self.objective) != self.direction:
            raise ValueError(
                "A report's objective must be known and have its own direction. "
                f"Received: {self.objective!r} with direction {self.direction!r}."
            )

    @property
    def ended(self) -> list[Repeat]:
        """The repeats with an outcome, by number."""
        return [repeat for repeat in self.repeats if repeat.outcome is not None]

    @property
    def outcomes(self) -> list[SearchOutcome]:
        """What they have ended with."""
        return [repeat.outcome for repeat in self.repeats if repeat.outcome is not None]

    @property
    def ranked(self) -> list[Repeat]:
        """The repeats with an outcome, the best first, by what chose within the searches."""
        return [
            self.ended[place] for place in ranked(self.outcomes, self.objective, self.direction)
        ]

    @property
    def deciding_stage(self) -> str:
        """The stage whose score chose."""
        return deciding_stage(self.outcomes)

    @property
    def conditions(self) -> dict[str, str]:
        """The objective's metric, attacked and clean: names by condition."""
        kind = self.objective.split("_", 1)[1]
        return {"attacked": f"adversarial_{kind}", "clean": f"clean_{kind}"}

    @property
    def stages(self) -> list[str]:
        """The stages that any winner was measured at."""
        return [stage for stage in STAGES if any(map(STAGES[stage], self.outcomes))]

    def values(self, stage: str, metric: str) -> list[float]:
        """Returns a metric of each winner, NaN where it is undefined or was not measured."""
        return [metric_at(outcome, stage, metric) for outcome in self.outcomes]

    @property
    def seconds(self) -> float:
        """How long trials and confirmations took in all."""
        return math.fsum(outcome.seconds for outcome in self.outcomes)
