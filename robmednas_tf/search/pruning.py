"""Which candidates are stopped at a rung: successive halving and Hyperband.

A decision is a function of the records on disk, in which it is kept itself: whoever asks again
gets the same answer.

Source: Li et al. 2020, "A system for massively parallel hyperparameter tuning" (asynchronous
successive halving; here, as in Optuna and Ray Tune, a candidate that does not go on at once never
does); Li et al. 2018, "Hyperband".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from robmednas_tf.search.trials import FAILED, TrialRecord, as_numbers, sayable

HALVING, HYPERBAND = "halving", "hyperband"
PRUNERS = (HALVING, HYPERBAND)
# As in both papers' experiments.
ETA = 3
# Earlier than after some hundred steps all networks predict much the same, and ranks are noise.
MIN_EPOCHS = 6


@dataclass(frozen=True)
class Rung:
    """What became of a candidate at a rung.

    Attributes:
        epoch: Epochs it was trained until then.
        score: The objective there; NaN where it is undefined.
        num_seen: How many scores were known at this rung, its own included.
        num_best: How many of them would go on; equal scores all do.
        goes_on: Whether it was among them.
        metrics: All metrics there.
    """

    epoch: int
    score: float
    num_seen: int
    num_best: int
    goes_on: bool
    metrics: Mapping[str, float]

    @property
    def shortfall(self) -> str:
        """Why a candidate that was stopped here was, in words."""
        if math.isnan(self.score):
            return "which is undefined"
        those = "the best" if self.num_best == 1 else f"among the best {self.num_best}"
        return f"not {those} of {self.num_seen}"

    def to_dict(self) -> dict[str, Any]:
        """Returns the rung ready for JSON; NaN becomes None."""
        return sayable(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Rung:
        """Builds a rung from `to_dict`'s form."""
        numbers = as_numbers({"score": values["score"]})
        return cls(**{**values, **numbers, "metrics": as_numbers(values["metrics"])})


@dataclass(frozen=True)
class Pruner:
    """A rule that stops candidates.

    Args:
        name: "halving", or "hyperband", in which every trial belongs to a bracket: the first
            bracket uses all rungs, each further one a rung fewer at the start, the last one none.
        rungs: Epochs at which candidates are scored, rising, >= 1.
        eta: At a rung, the best 1/eta go on; >= 2.

    Raises:
        ValueError: If a value is outside its domain.
    """

    name: str
    rungs: tuple[int, ...]
    eta: int = ETA

    def __post_init__(self) -> None:
        if self.name not in PRUNERS:
            raise ValueError(f"A pruner must be {' or '.join(PRUNERS)}. Received: {self.name!r}.")
        if self.eta < 2:
            raise ValueError(f"--pruner_eta must be at least 2. Received: {self.eta}.")
        pairs = zip((0, *self.rungs), self.rungs, strict=False)
        if not self.rungs or any(later <= earlier for earlier, later in pairs):
            raise ValueError(
                "--rungs must be one or more epochs, rising, from 1 on. "
                f"Received: {','.join(map(str, self.rungs)) or 'none'}."
            )

    def rungs_of(self, number: int) -> tuple[int, ...]:
        """Returns the rungs of the trial with this number."""
        if self.name == HALVING:
            return self.rungs
        return self.rungs[self._brackets[number % len(self._brackets)] :]

    def judge(
        self,
        records: Iterable[TrialRecord],
        record: TrialRecord,
        epoch: int,
        metrics: Mapping[str, float],
        objective: Any,
    ) -> Rung:
        """Says what becomes of a candidate at a rung.

        Args:
            records: The search's trials. Those of the same bracket that have come to this rung
                count, but for failed ones.
            record: The candidate.
            epoch: The rung.
            metrics: The candidate's metrics there.
            objective: Name and direction of the score.
        """
        score = float(metrics[objective.name])
        bracket = self.rungs_of(record.number)
        others = [
            rung.score
            for other in records
            if other.number != record.number and other.status != FAILED
            if self.rungs_of(other.number) == bracket
            for rung in rungs_in(other)
            if rung.epoch == epoch and not math.isnan(rung.score)
        ]
        num_seen = len(others) + 1
        num_best = max(1, num_seen // self.eta)
        sign = 1 if objective.direction == "max" else -1
        num_better = sum(sign * other > sign * score for other in others)
        goes_on = num_better < num_best and not math.isnan(score)
        return Rung(epoch, score, num_seen, num_best, goes_on, dict(metrics))

    @cached_property
    def _brackets(self) -> list[int]:
        # As many trials of each as give all brackets about the same number of epochs (Hyperband's
        # n), spread evenly, so that a short search has some of each.
        last = len(self.rungs)
        shares = [
            math.ceil((last + 1) * self.eta**left / (left + 1)) for left in range(last, -1, -1)
        ]
        order: list[int] = []
        for place in range(1, sum(shares) + 1):
            owed = [
                place * share / sum(shares) - order.count(bracket)
                for bracket, share in enumerate(shares)
            ]
            order.append(owed.index(max(owed)))
        return order


def default_rungs(epochs: int, eta: int) -> tuple[int, ...]:
    """Returns half of a training's epochs and, before it, that divided by eta again and again.

    No rung but the last is earlier than `MIN_EPOCHS`; a training of one epoch has none.
    """
    rungs = [epochs // 2]
    while rungs[0] // eta >= MIN_EPOCHS:
        rungs.insert(0, rungs[0] // eta)
    return tuple(rung for rung in rungs if rung)


def rungs_in(record: TrialRecord) -> list[Rung]:
    """Returns the rungs that a trial has come to, the first one first."""
    return [Rung.from_dict(values) for values in record.details.get("rungs", ())]


def stopped_at(record: TrialRecord) -> Rung | None:
    """Returns the rung at which a trial was stopped; None where it was at none."""
    rungs = rungs_in(record)
    return rungs[-1] if rungs and not rungs[-1].goes_on else None
