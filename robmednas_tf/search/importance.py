"""Which factors decide whether a trial is among the best: PED-ANOVA, with its noise.

Source: Watanabe et al. 2023 (PED-ANOVA), as Optuna has it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from robmednas_tf.search.bootstrap import CONFIDENCE, Estimate, interval, resamples
from robmednas_tf.search.quiet import quiet_optuna

if TYPE_CHECKING:
    import optuna

# The trials that count as the best. Optuna's own tenth would be two of twenty.
BEST_SHARE = 0.25
NUM_RESAMPLES = 200
_SEED = 1


@dataclass(frozen=True)
class Importances:
    """How much each factor explains, and how much chance does.

    Attributes:
        explained: By factor, the largest first: which share (0 to 1) of the variance of being
            among the best quarter the factor explains, by itself.
        chance: What the most important factor explains in 95 % of the cases, at most, where
            scores are dealt out to architectures at random.
    """

    explained: Mapping[str, Estimate]
    chance: float

    @property
    def above_chance(self) -> list[str]:
        """Factors that explain more than chance does, the largest first."""
        return [name for name, each in self.explained.items() if each.value > self.chance]


def importances(
    factors: Mapping[str, Sequence[int]], scores: Sequence[float], direction: str
) -> Importances:
    """Returns the importance of every factor for the score.

    PED-ANOVA's own figure, the divergence between a factor's distribution among the best trials
    and among all of them, is a variance; divided by the variance of being among the best it becomes
    a share that can be read. It is held against all trials of the search and not against the
    whole space, so that what the search itself proposes more often does not count as important.

    Resampling repeats trials, which makes every divergence larger: the intervals are moved by what
    the resamples' mean is above the figure. Chance is the largest of all factors', so that it
    also allows for their number.

    Args:
        factors: By name, the level (0, 1, ... in the factor's order) of each trial; levels and
            not finer values, for the densities of a few lumpy values are not to be relied on.
        scores: One a trial, at least 2.
        direction: "max" or "min".
    """
    losses = np.asarray(scores, float) * (-1.0 if direction == "max" else 1.0)
    levels = np.array(list(factors.values()), int).reshape(len(factors), len(losses)).T
    if not factors:
        return Importances({}, math.nan)
    with quiet_optuna(), warnings.catch_warnings():
        # Optuna asks whether low targets are wanted: losses are.
        warnings.simplefilter("ignore", UserWarning)
        found, *dealt = _explained(levels, [losses, *_shuffled(losses)])
        drawn = [
            _explained(levels[places], [losses[places]], levels.max(axis=0))[0]
            for places in resamples(len(losses), NUM_RESAMPLES)
        ]
    estimates = {
        name: _moved(float(found[place]), np.array(drawn)[:, place])
        for place, name in enumerate(factors)
    }
    ranked = sorted(estimates.items(), key=lambda item: -item[1].value)
    chance = np.quantile([each.max() for each in dealt], CONFIDENCE)
    return Importances(dict(ranked), float(chance))


def _shuffled(losses: np.ndarray) -> list[np.ndarray]:
    generator = np.random.default_rng(_SEED)
    return [generator.permutation(losses) for _ in range(NUM_RESAMPLES)]


def _moved(value: float, drawn: np.ndarray) -> Estimate:
    low, high = interval(drawn - drawn.mean() + value)
    return Estimate(value, min(max(low, 0.0), value), max(min(high, 1.0), value))


def _explained(
    levels: np.ndarray, cases: Sequence[np.ndarray], last: np.ndarray | None = None
) -> list[np.ndarray]:
    """What each factor explains, for each case of losses of the same trials."""
    study = _study(levels, levels.max(axis=0) if last is None else last)
    return [_explained_in(study, levels.shape[1], losses) for losses in cases]


def _study(levels: np.ndarray, last: np.ndarray) -> optuna.Study:
    import optuna

    domains: dict[str, optuna.distributions.BaseDistribution] = {
        str(place): optuna.distributions.IntDistribution(0, int(high))
        for place, high in enumerate(last)
    }
    study = optuna.create_study()
    study.add_trials(
        optuna.create_trial(
            value=0.0, params=dict(zip(domains, row, strict=True)), distributions=domains
        )
        for row in levels.tolist()
    )
    return study


def _explained_in(study: optuna.Study, num_factors: int, losses: np.ndarray) -> np.ndarray:
    import optuna

    best = _share_of_best(losses)
    if best == 1.0:
        return np.zeros(num_factors)
    names = [str(place) for place in range(num_factors)]
    found = optuna.importance.get_param_importances(
        study,
        evaluator=optuna.importance.PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE),
        params=names,
        target=lambda trial: float(losses[trial.number]),
        normalize=False,
    )
    return np.array([found[name] for name in names]) / (best * (1 - best))


def _share_of_best(losses: np.ndarray) -> float:
    # Ties with the last of the best quarter belong to the best, as for the evaluator.
    cutoff = np.sort(losses)[math.ceil(BEST_SHARE * losses.size) - 1]
    return float((losses <= cutoff).mean())
