"""What a search has learnt, from its trials' records: importance, levels, size against robustness.

Trials that failed are not there: what is found holds among architectures that could be trained.
Scores of architectures that the search has chosen itself are no experiment; factors go together
as the search has put them together, and what is found are associations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robmednas_tf.models.architecture import Architecture
from robmednas_tf.search.bootstrap import Estimate, mean_estimate, rank_correlation
from robmednas_tf.search.descriptors import DEPTH, DESCRIPTORS, LOG2_FILTERS, describe
from robmednas_tf.search.importance import Importances, importances
from robmednas_tf.search.trials import COMPLETED, TrialRecord

# Below, the best quarter is fewer than five trials.
MIN_TRIALS = 20
_SIZES = ("parameters", "flops")


@dataclass(frozen=True)
class Level:
    """The trials in which a factor lies in one range.

    Attributes:
        factor: Name of a descriptor.
        name: Where the factor lies, such as "3" or "at least half".
        num_trials: How many trials.
        clean: Their mean clean score.
        attacked: Their mean attacked score.
    """

    factor: str
    name: str
    num_trials: int
    clean: Estimate
    attacked: Estimate


@dataclass(frozen=True)
class Association:
    """Spearman's rho between two figures of a trial.

    Attributes:
        x: "parameters", "flops" or the name of the clean metric.
        y: Name of the attacked metric.
        num_trials: Trials in which both are known.
        rho: The correlation, -1 to 1; NaN where one of the two is constant.
    """

    x: str
    y: str
    num_trials: int
    rho: Estimate


@dataclass(frozen=True)
class Analysis:
    """What a search has learnt.

    Attributes:
        trials: The trials it was learnt from, by number.
        objective: The score that importance is about.
        clean_metric: What "clean" is: the objective's own metric and region.
        attacked_metric: The same under attack.
        unvaried: Factors in which all trials are on one level, so that nothing can be said.
        importances: Of the other factors.
        levels: Of the other factors, level by level.
        associations: Size against attacked score, clean against attacked score.
    """

    trials: Sequence[TrialRecord]
    objective: str
    clean_metric: str
    attacked_metric: str
    unvaried: Sequence[str]
    importances: Importances
    levels: Sequence[Level]
    associations: Sequence[Association]

    @property
    def is_random(self) -> bool:
        """Whether every architecture was drawn at random."""
        return all(record.source != "model" for record in self.trials)

    def values_of(self, name: str) -> np.ndarray:
        """Returns a metric, or "parameters" or "flops", of each trial; NaN where unknown."""
        return _values(self.trials, name)


def analyse(records: Iterable[TrialRecord], objective: str, direction: str) -> Analysis | None:
    """Analyses a search.

    Args:
        records: Its trials.
        objective: Key of `robmednas_tf.objectives.OBJECTIVES`.
        direction: "max" or "min", as the objective's.

    Returns:
        What it has learnt, the same for the same records; None where fewer than `MIN_TRIALS`
        trials can be analysed, or all of them have one score.
    """
    trials = analysable(records, objective)
    scores = np.array([record.score for record in trials], float)
    if len(trials) < MIN_TRIALS or not np.ptp(scores):
        return None
    clean, attacked = _metrics(objective)
    parts = _parts_of_factors(trials)
    varying = {factor: found for factor, found in parts.items() if len(found) > 1}
    codes = {
        factor: np.argmax(list(found.values()), axis=0).tolist()
        for factor, found in varying.items()
    }
    return Analysis(
        trials=trials,
        objective=objective,
        clean_metric=clean,
        attacked_metric=attacked,
        unvaried=[factor for factor in parts if factor not in varying],
        importances=importances(codes, scores.tolist(), direction),
        levels=_levels(varying, _values(trials, clean), _values(trials, attacked)),
        associations=[_association(trials, x, attacked) for x in (*_SIZES, clean)],
    )


def analysable(records: Iterable[TrialRecord], objective: str) -> list[TrialRecord]:
    """Returns the completed trials whose architecture, clean and attacked score are known."""
    return [
        record
        for record in records
        if record.status == COMPLETED
        and record.details.get("architecture") is not None
        and not any(math.isnan(record.metrics.get(name, math.nan)) for name in _metrics(objective))
    ]


def _metrics(objective: str) -> tuple[str, str]:
    kind = objective.split("_", 1)[1]
    return f"clean_{kind}", f"adversarial_{kind}"


def _values(trials: Iterable[TrialRecord], name: str) -> np.ndarray:
    numbers = [(each.details if name in _SIZES else each.metrics).get(name) for each in trials]
    return np.array([math.nan if number is None else float(number) for number in numbers])


def _association(trials: Sequence[TrialRecord], x: str, y: str) -> Association:
    pairs = np.array([_values(trials, x), _values(trials, y)])
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    return Association(x, y, pairs.shape[1], rank_correlation(*pairs))


def _parts_of_factors(trials: Sequence[TrialRecord]) -> dict[str, dict[str, np.ndarray]]:
    described = [describe(Architecture.from_dict(each.details["architecture"])) for each in trials]
    return {
        factor: {
            name: here
            for name, here in _parts(factor, np.array([each[factor] for each in described])).items()
            if here.any()
        }
        for factor in DESCRIPTORS
    }


def _levels(
    factors: Mapping[str, Mapping[str, np.ndarray]], clean: np.ndarray, attacked: np.ndarray
) -> list[Level]:
    return [
        Level(factor, name, int(here.sum()), *(mean_estimate(each[here]) for each in scores))
        for scores in [(clean, attacked)]
        for factor, parts in factors.items()
        for name, here in parts.items()
    ]


def _parts(factor: str, values: np.ndarray) -> dict[str, np.ndarray]:
    if factor == DEPTH:
        return {f"{depth:.0f}": values == depth for depth in np.unique(values)}
    if factor == LOG2_FILTERS:
        return _thirds(values)
    return {"fewer than half": values < 0.5, "at least half": values >= 0.5}


def _thirds(values: np.ndarray) -> dict[str, np.ndarray]:
    # Equal values stay together, so that thirds differ in size, and fewer may be left.
    thirds = np.searchsorted(np.quantile(values, (1 / 3, 2 / 3)), values, side="left")
    parts = [thirds == third for third in range(3) if (thirds == third).any()]
    names = [_filters_range(values[here]) for here in parts]
    return dict(zip(names, parts, strict=True))


def _filters_range(log2_filters: np.ndarray) -> str:
    low, high = (f"{2**each:.3g}" for each in (log2_filters.min(), log2_filters.max()))
    return low if low == high else f"{low} to {high}"
