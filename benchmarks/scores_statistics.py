"""How far scores can be trusted: shares of variance, agreement of ranks, what halving loses."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

from robmednas_tf.search.bootstrap import CONFIDENCE, Estimate, interval, resamples

NUM_SEARCHES = 500


def icc(scores: np.ndarray) -> Estimate:
    """Returns the share of the scores' variance that belongs to the architecture, ICC(1,1).

    Args:
        scores: `(architectures, seeds)`, at least two of each.

    Returns:
        The one-way random intraclass correlation with its interval from the F distribution, which
        takes both parts of the variance for normal. Negative where seeds differ more than
        architectures.

    Source: Shrout and Fleiss 1979; McGraw and Wong 1996, Table 7.
    """
    num_architectures, num_seeds = scores.shape
    between, within = _mean_squares(scores)
    ratio = between / within
    degrees = num_architectures - 1, num_architectures * (num_seeds - 1)
    tail = (1 + CONFIDENCE) / 2
    low = ratio / scipy.stats.f.ppf(tail, *degrees)
    high = ratio * scipy.stats.f.ppf(tail, *reversed(degrees))
    return Estimate(*(float((f - 1) / (f + num_seeds - 1)) for f in (ratio, low, high)))


def icc_difference(scores: np.ndarray, reference: np.ndarray) -> Estimate:
    """Returns how much larger one score's ICC is than another's.

    Args:
        scores: `(architectures, seeds)`.
        reference: The other score of the same trainings.
    """
    return bootstrapped(lambda one, two: _share(one) - _share(two), scores, reference)


def mean_icc(choices: Sequence[np.ndarray]) -> Estimate:
    """Returns the mean ICC of several scores of the same trainings, each `(architectures, seeds)`.

    One subject may do better than another by chance; the mean over all choices tells what the
    number of subjects does.
    """
    return bootstrapped(lambda *each: np.mean([_share(one) for one in each], axis=0), *choices)


def seed_sd(scores: np.ndarray) -> float:
    """Returns the standard deviation of one architecture's scores over seeds."""
    return float(np.sqrt(_mean_squares(scores)[1]))


def between_seeds(scores: np.ndarray) -> Estimate:
    """Returns the rank correlation of two seeds' scores, mean over pairs of seeds.

    Unlike the ICC it does not grow when a few architectures are far behind the others.
    """
    pairs = list(itertools.combinations(range(scores.shape[1]), 2))

    def mean_rho(scores: np.ndarray) -> np.ndarray:
        return np.mean([spearman(scores[..., one], scores[..., two]) for one, two in pairs], axis=0)

    return bootstrapped(mean_rho, scores)


def with_worth(scores: np.ndarray, worth: np.ndarray) -> Estimate:
    """Returns the rank correlation of scores with what candidates are worth, mean over seeds.

    Args:
        scores: `(architectures, seeds)`.
        worth: `(architectures,)`.
    """

    def mean_rho(scores: np.ndarray, worth: np.ndarray) -> np.ndarray:
        seeds = range(scores.shape[-1])
        return np.mean([spearman(scores[..., seed], worth) for seed in seeds], axis=0)

    return bootstrapped(mean_rho, scores, worth)


def bootstrapped(figure: Callable[..., np.ndarray], *values: np.ndarray) -> Estimate:
    """Returns a figure of values with its interval over resamples of the architectures.

    Args:
        figure: Takes as many arrays as there are `values`, with resamples along a first axis.
        values: Each with one row an architecture.
    """
    drawn = resamples(len(values[0]))
    value = float(figure(*(each[np.newaxis] for each in values))[0])
    return Estimate(value, *interval(figure(*(each[drawn] for each in values))))


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns Spearman's rho along the last axis."""
    x, y = (scipy.stats.rankdata(each, axis=-1) for each in (x, y))
    x, y = (each - each.mean(axis=-1, keepdims=True) for each in (x, y))
    return _cosine(x, y)


def kendall(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns Kendall's tau-b along the last axis."""
    above = np.triu_indices(x.shape[-1], 1)
    x, y = (np.sign(each[..., above[0]] - each[..., above[1]]) for each in (x, y))
    return _cosine(x, y)


def _cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))


def text(estimate: Estimate, digits: int = 2) -> str:
    """Returns an estimate for a table, with its interval where it has one."""
    value, low, high = (f"{each:.{digits}f}" for each in dataclasses.astuple(estimate))
    return value if low == "nan" else f"{value} [{low}, {high}]"


@dataclass(frozen=True)
class Halving:
    """What stopping candidates early costs and saves.

    Attributes:
        kept: How often the best candidate gets to the end.
        loss: Mean of how much worse the chosen candidate is than the one chosen without it.
        epochs: Share of the epochs that are trained.
    """

    kept: Estimate
    loss: Estimate
    epochs: float


def halving(
    at_rungs: Sequence[np.ndarray],
    rungs: Sequence[int],
    score: np.ndarray,
    worth: np.ndarray,
    num_candidates: int,
    epochs: int,
    eta: int = 3,
) -> Halving:
    """Plays searches among random candidates that keep the best 1/eta at each rung.

    Args:
        at_rungs: Each rung's scores, `(architectures,)`.
        rungs: Their epochs, ascending.
        score: What chooses among those that are left, `(architectures,)`.
        worth: What a candidate is truly worth, `(architectures,)`.
        num_candidates: Of each search, drawn without one coming twice; all where there are fewer.
        epochs: Of a whole trial.
        eta: One of so many goes on.

    Returns:
        Means over searches, with intervals over resamples of the architectures.
    """
    num_candidates = min(num_candidates, len(score))
    sizes = [num_candidates]
    for _ in rungs:
        sizes.append(max(1, sizes[-1] // eta))
    spans = np.diff([0, *rungs, epochs])
    generator = np.random.default_rng(0)

    def play(architectures: np.ndarray, num_searches: int) -> np.ndarray:
        order = generator.random((num_searches, len(architectures))).argsort(axis=1)
        drawn = left = architectures[order[:, :num_candidates]]
        for scores, size in zip(at_rungs, sizes[1:], strict=True):
            kept = np.argsort(-scores[left], axis=1, kind="stable")[:, :size]
            left = np.take_along_axis(left, kept, axis=1)
        has_best = worth[left].max(axis=1) >= worth[drawn].max(axis=1)
        chosen, alone = (
            np.take_along_axis(each, score[each].argmax(axis=1)[:, np.newaxis], axis=1)
            for each in (left, drawn)
        )
        return np.array([has_best.mean(), (worth[alone] - worth[chosen]).mean()])

    kept, loss = play(np.arange(len(score)), 20 * NUM_SEARCHES)
    resampled = np.array([play(each, NUM_SEARCHES) for each in resamples(len(score), 200)])
    return Halving(
        Estimate(float(kept), *interval(resampled[:, 0])),
        Estimate(float(loss), *interval(resampled[:, 1])),
        float(np.dot(sizes, spans)) / (num_candidates * epochs),
    )


def _share(scores: np.ndarray) -> np.ndarray:
    between, within = _mean_squares(scores)
    return (between - within) / (between + (scores.shape[-1] - 1) * within)


def _mean_squares(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    *_, num_architectures, num_seeds = scores.shape
    means = scores.mean(axis=-1, keepdims=True)
    between = num_seeds * np.square(means - means.mean(axis=-2, keepdims=True)).sum(axis=(-2, -1))
    within = np.square(scores - means).sum(axis=(-2, -1))
    return between / (num_architectures - 1), within / (num_architectures * (num_seeds - 1))
