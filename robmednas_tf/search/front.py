"""The Pareto front of a search with several objectives, and the trial that is picked from it.

Source: Pareto dominance, as in Optuna's `Study.best_trials`; the rules are those of `PickRule`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robmednas_tf.config import SearchConfig
from robmednas_tf.objectives import DIRECTIONS, PickRule
from robmednas_tf.search.quiet import quiet_optuna
from robmednas_tf.search.trials import COMPLETED, TrialRecord, best


@dataclass(frozen=True)
class Front:
    """The completed trials than which no other is as good in every objective and better in one.

    Attributes:
        directions: "max" or "min" by objective, the first one first.
        members: The best first objective first, of equal ones the best second, and so on; trials
            that are equal in all are all there, by number.
        rule: How one of them is picked.
    """

    directions: Mapping[str, str]
    members: Sequence[TrialRecord]
    rule: PickRule

    @classmethod
    def of(
        cls, records: Iterable[TrialRecord], directions: Mapping[str, str], rule: PickRule
    ) -> Front:
        """Returns the front of a search's trials; those that are not completed have no part."""
        # Only several objectives need Optuna here.
        import optuna

        completed = [record for record in records if record.status == COMPLETED]
        with quiet_optuna():
            study = optuna.create_study(directions=optuna_directions(directions.values()))
            study.add_trials(
                optuna.trial.create_trial(values=values_of(record, directions))
                for record in completed
            )
            members = [completed[trial.number] for trial in study.best_trials]
        losses = _losses(members, directions).tolist()
        order = sorted(range(len(members)), key=lambda i: (losses[i], members[i].number))
        return cls(directions, [members[place] for place in order], rule)

    @property
    def picked(self) -> TrialRecord | None:
        """The member that the rule picks, of equal ones the first; None where there is none."""
        if not self.members:
            return None
        losses = _losses(self.members, self.directions)
        return self.members[_knee(losses) if self.rule.name == "knee" else self._within(losses)]

    def candidates(self, at_most: int) -> list[TrialRecord]:
        """Returns the members that further scores may choose among, the picked one first.

        Where the rule is the best first objective, these are the best members by it: a better
        estimate of that objective chooses better. The other rules weigh objectives that further
        scores do not tell of, so that the picked one stands.
        """
        if self.rule.name == "first":
            return list(self.members[:at_most])
        return [self.picked][:at_most] if self.picked is not None else []

    def _within(self, losses: np.ndarray) -> int:
        # "first" is "within" with nothing to spare. Differences of decimals carry rounding.
        spare = self.rule.tolerance * (1 + 1e-9)
        near = np.flatnonzero(losses[:, 0] - losses[0, 0] <= spare)
        return int(min(near, key=lambda place: (losses[place, 1:].tolist(), place)))


def front_of(records: Iterable[TrialRecord], search: SearchConfig) -> Front | None:
    """Returns the front of a search's trials; None where it has one objective."""
    if len(search.objectives) == 1:
        return None
    directions = {name: DIRECTIONS[name] for name in search.objectives}
    return Front.of(records, directions, search.pick)


def candidates(
    records: Sequence[TrialRecord], search: SearchConfig, at_most: int
) -> list[TrialRecord]:
    """Returns the completed trials that may win a search, the one with the best claim first."""
    front = front_of(records, search)
    if front is None:
        return best(records, DIRECTIONS[search.objective], at_most)
    return front.candidates(at_most)


def values_of(record: TrialRecord, objectives: Iterable[str]) -> list[float]:
    """Returns a trial's objectives, from its metrics or its details; NaN where unknown."""
    found = [record.metrics.get(name, record.details.get(name)) for name in objectives]
    return [math.nan if value is None else float(value) for value in found]


def lack_of(record: TrialRecord, objectives: Sequence[str]) -> str | None:
    """Returns which objective of a trial is not a finite number, in words; None where all are."""
    for name, value in zip(objectives, values_of(record, objectives), strict=True):
        if not math.isfinite(value):
            return f"{name} is {value}"
    return None


def optuna_directions(directions: Iterable[str]) -> list[Literal["maximize", "minimize"]]:
    """Returns "max" and "min" as Optuna says them."""
    return ["maximize" if each == "max" else "minimize" for each in directions]


def _losses(records: Sequence[TrialRecord], directions: Mapping[str, str]) -> np.ndarray:
    """Returns `(records, objectives)`, in each column less is better."""
    values = np.array([values_of(record, directions) for record in records])
    signs = [-1.0 if each == "max" else 1.0 for each in directions.values()]
    return values.reshape(len(records), len(directions)) * signs


def _knee(losses: np.ndarray) -> int:
    spans = np.ptp(losses, axis=0)
    scaled = (losses - losses.min(axis=0)) / np.where(spans > 0, spans, 1.0)
    # Rounded, or rounding would choose among equals: both ends of a front are at 1, say.
    return int(np.argmin(np.round(scaled.sum(axis=1), 9)))
