"""Searches over made-up learning curves: how well rungs must rank for a pruner to cost nothing.

Nothing is trained. A candidate's worth is a sum of effects of its choices and of pairs of them, its
score that worth and a seed's luck, and its score at a rung goes with its last score as closely as
is asked for; what else is in it is a second such sum, so that some choices make slow starters.
All are in standard deviations of the worth over random architectures.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np

from robmednas_tf.evaluation.statistics import mean_interval
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.hyperparameters import declare_space
from robmednas_tf.search.oracles import TPEOracle
from robmednas_tf.search.pruning import HALVING, Pruner
from robmednas_tf.search.sampling import key_of, random_values
from robmednas_tf.search.trials import best

SPACE = SearchSpace(max_depth=3, filters=(8, 16, 32))
EPOCHS, RUNGS, NUM_TRIALS = 36, (6, 18), 60
THIRD = EPOCHS * NUM_TRIALS / 3
# Share of a score's variance that is the architecture's.
RELIABILITY = 0.8
OBJECTIVE = keras_tuner.Objective("score", "max")


def draw(*key: Any) -> float:
    """Returns a standard normal number, the same for the same key."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal())


class Landscape:
    """A worth of each architecture, of mean 0 and standard deviation 1 over random ones.

    Args:
        key: One key, one landscape.
        space: The declared space.
    """

    def __init__(self, key: Any, space: keras_tuner.HyperParameters):
        self._key = key
        worths = [self._raw(random_values(space, 0, number)) for number in range(300)]
        self._mean, self._deviation = float(np.mean(worths)), float(np.std(worths))

    def __call__(self, values: Mapping[str, Any]) -> float:
        """Returns the worth of the architecture that `values` name."""
        return (self._raw(values) - self._mean) / self._deviation

    def _raw(self, values: Mapping[str, Any]) -> float:
        items = sorted(values.items())
        alone = sum(draw(self._key, *item) for item in items)
        return alone + 0.5 * sum(draw(self._key, *pair) for pair in itertools.pairwise(items))


@dataclass(frozen=True)
class Curves:
    """Scores of candidates.

    Attributes:
        worth: Of their architectures.
        speed: What else counts at rungs.
        correlations: Of the score at each rung with the last.
        seed: Of the luck.
    """

    worth: Landscape
    speed: Landscape
    correlations: Mapping[int, float]
    seed: int

    def last(self, values: Mapping[str, Any]) -> float:
        """Returns the score at the end."""
        luck = math.sqrt((1 - RELIABILITY) / RELIABILITY) * draw(self.seed, key_of(values))
        return self.worth(values) + luck

    def at(self, epoch: int, values: Mapping[str, Any]) -> float:
        """Returns the score at a rung."""
        shared = self.correlations[epoch]
        alike = shared * self.last(values) * math.sqrt(RELIABILITY)
        return alike + math.sqrt(1 - shared**2) * self.speed(values)


class Simulated(keras_tuner.engine.base_tuner.BaseTuner):
    """Takes scores from curves; notes the epochs that all trials would have cost by then."""

    def __init__(self, oracle: TPEOracle, folder: Path, curves: Curves):
        super().__init__(oracle, directory=str(folder.parent), project_name=folder.name)
        oracle.verbose, self.curves, self.spent = 0, curves, [0]

    def run_trial(self, trial, *args, **kwargs):
        """Returns a trial's score, that of its last rung where it is stopped."""
        values, pruner = trial.hyperparameters.values, self.oracle.pruner
        for epoch in pruner.rungs_of(int(trial.trial_id)) if pruner else ():
            metrics = {OBJECTIVE.name: self.curves.at(epoch, values)}
            if not self.oracle.rung_reached(trial.trial_id, epoch, metrics):
                self.spent.append(self.spent[-1] + epoch)
                return metrics
        self.spent.append(self.spent[-1] + EPOCHS)
        return {OBJECTIVE.name: self.curves.last(values)}


def search(
    curves: Curves, num_trials: int, pruner: Pruner | None, seed: int
) -> tuple[float, float, int]:
    """Runs one search.

    Returns:
        The true worth of its winner, that of its winner after a third of the epochs that
        `NUM_TRIALS` whole trainings take, and its epochs.
    """
    space = keras_tuner.HyperParameters()
    declare_space(space, SPACE)
    with tempfile.TemporaryDirectory() as folder:
        oracle = TPEOracle(OBJECTIVE, num_trials, space, seed=seed, pruner=pruner)
        tuner = Simulated(oracle, Path(folder) / "search", curves)
        tuner.search()
        early = [each for each in oracle.records() if tuner.spent[each.number + 1] <= THIRD]
        winner, first = (best(each, OBJECTIVE.direction)[0] for each in (oracle.records(), early))
        return curves.worth(winner.values), curves.worth(first.values), tuner.spent[-1]


def print_simulation(seeds: int, correlations: list[tuple[float, ...]]) -> None:
    """Prints what searches with and without a pruner find, and their paired differences."""
    cases: dict[str, tuple[int, Pruner | None, tuple[float, ...]]] = {
        "all to the end": (NUM_TRIALS, None, (1.0,) * len(RUNGS)),
        "a third of the candidates": (NUM_TRIALS // 3, None, (1.0,) * len(RUNGS)),
    }
    for each in correlations:
        name = f"halving, correlations {' and '.join(map(str, each))}"
        cases[name] = (NUM_TRIALS, Pruner(HALVING, RUNGS), each)
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in cases}
    space = keras_tuner.HyperParameters()
    declare_space(space, SPACE)
    for seed in range(seeds):
        worth, speed = (Landscape((kind, seed), space) for kind in ("worth", "speed"))
        for name, (num_trials, pruner, each) in cases.items():
            curves = Curves(worth, speed, dict(zip(RUNGS, each, strict=True)), seed)
            found[name].append(search(curves, num_trials, pruner, seed))
    print("| search | epochs | worth of the winner | difference | after a third, difference |")
    print("|---|---|---|---|---|")
    reference = np.array(found["all to the end"])
    for name, results in found.items():
        worths, early, epochs = np.array(results).T
        cells = [_with_interval(each - reference[:, 0]) for each in (worths, early)]
        share = epochs.mean() / reference[:, 2].mean()
        print(f"| {name} | {share:.2f} | {worths.mean():.2f} | {' | '.join(cells)} |")


def _with_interval(differences: np.ndarray) -> str:
    low, high = mean_interval(differences.tolist())
    return f"{differences.mean():+.2f} ({low:+.2f} to {high:+.2f})"
