"""How sure a figure taken over trials is: bootstrap intervals, the same at every call."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
NUM_RESAMPLES = 1000
# Of fewer values the bootstrap's interval is far too narrow.
MIN_VALUES = 5
_SEED = 0


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval.

    Attributes:
        value: The figure; NaN where it is undefined.
        low: The interval's lower end; NaN where there is no interval.
        high: Its upper end; NaN where there is no interval.
    """

    value: float
    low: float = math.nan
    high: float = math.nan


def resamples(num_values: int, num_resamples: int = NUM_RESAMPLES) -> np.ndarray:
    """Returns places of values drawn with replacement, int64 `(num_resamples, num_values)`."""
    generator = np.random.default_rng(_SEED)
    return generator.integers(num_values, size=(num_resamples, num_values))


def interval(values: ArrayLike) -> tuple[float, float]:
    """Returns the middle 95 % of a figure over resamples, those in which it is NaN left out."""
    defined = np.asarray(values, float)
    defined = defined[~np.isnan(defined)]
    if not defined.size:
        return math.nan, math.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, (tail, 1 - tail))
    return float(low), float(high)


def mean_estimate(values: ArrayLike) -> Estimate:
    """Returns a mean with its interval; without one for fewer than `MIN_VALUES` values."""
    values = np.asarray(values, float)
    if not values.size:
        return Estimate(math.nan)
    mean = float(values.mean())
    if values.size < MIN_VALUES:
        return Estimate(mean)
    return Estimate(mean, *interval(values[resamples(values.size)].mean(axis=1)))


def rank_correlation(x: ArrayLike, y: ArrayLike) -> Estimate:
    """Returns Spearman's rho of pairs with its interval.

    Args:
        x: One value a trial.
        y: As many.

    Returns:
        NaN where either is constant; without an interval for fewer than `MIN_VALUES` pairs.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    value = float(_rho(x[None], y[None])[0]) if x.size > 1 else math.nan
    if math.isnan(value) or x.size < MIN_VALUES:
        return Estimate(value)
    drawn = resamples(x.size)
    return Estimate(value, *interval(_rho(x[drawn], y[drawn])))


def _rho(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = (scipy.stats.rankdata(each, axis=1) for each in (x, y))
    x, y = (each - each.mean(axis=1, keepdims=True) for each in (x, y))
    spread = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    rho = np.full(len(x), math.nan)
    np.divide((x * y).sum(axis=1), spread, out=rho, where=spread > 0)
    return rho
