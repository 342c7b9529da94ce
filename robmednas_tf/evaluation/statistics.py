"""Means over subjects and paired tests between models.

Source: paper section 2.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Summary:
    """A metric over subjects.

    Attributes:
        mean: Mean over the subjects in which it is defined; NaN without any.
        sd: Sample standard deviation (n - 1); NaN with fewer than two.
        num_defined: Subjects in which it is defined.
        num_undefined: Subjects in which it is not (NaN), such as bone where there is none.
    """

    mean: float
    sd: float
    num_defined: int
    num_undefined: int


@dataclass(frozen=True)
class Comparison:
    """A paired test of one model against the baseline.

    Attributes:
        num_pairs: Subjects in which both are defined.
        num_tested: Those of them in which they differ, which alone the test sees.
        p_value: Two-sided, before correction; NaN where there is no pair, or no difference.
        p_adjusted: After Bonferroni's correction, at most 1; NaN as `p_value`.
    """

    num_pairs: int
    num_tested: int
    p_value: float
    p_adjusted: float

    @property
    def is_significant(self) -> bool:
        """Whether the difference is significant after correction."""
        return self.p_adjusted < SIGNIFICANCE


def summarize_values(values: Sequence[float]) -> Summary:
    """Returns mean and standard deviation over subjects, NaN left out and counted."""
    defined = np.array([value for value in values if not math.isnan(value)], np.float64)
    # An infinite PSNR has no spread.
    with np.errstate(invalid="ignore"):
        return Summary(
            mean=float(defined.mean()) if defined.size else math.nan,
            sd=float(defined.std(ddof=1)) if defined.size > 1 else math.nan,
            num_defined=int(defined.size),
            num_undefined=len(values) - int(defined.size),
        )


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Returns the interval of a mean by Student's t, as of values that scatter normally.

    Args:
        values: Defined and independent of one another.
        level: Its coverage, in (0, 1).

    Returns:
        Lower and upper end; NaN with fewer than two values.
    """
    summary = summarize_values(values)
    if summary.num_defined < 2:
        return math.nan, math.nan
    quantile = float(scipy.stats.t.ppf((1 + level) / 2, summary.num_defined - 1))
    half = quantile * summary.sd / math.sqrt(summary.num_defined)
    return summary.mean - half, summary.mean + half


def compare_paired(
    values: Sequence[float], baseline: Sequence[float], num_comparisons: int
) -> Comparison:
    """Tests whether paired values differ: Wilcoxon's signed-rank test, two-sided.

    Subjects in which either value is undefined are left out, and so are those in which both are
    equal (Wilcoxon's own treatment of zeros). An infinite value, the PSNR of a perfect prediction,
    differs from a finite one by more than any finite ones do. The distribution is exact up to 50
    differing pairs, and normal beyond. Where absolute differences tie, all changes of sign are gone
    through (also exact) up to 13 pairs, and 9999 random ones from a fixed seed beyond.

    Args:
        values: One value a subject.
        baseline: The baseline's, subject by subject.
        num_comparisons: Comparisons made together, for Bonferroni's correction, >= 1.

    Raises:
        ValueError: If the lengths differ or `num_comparisons` is not positive.

    Source: paper section 2.5; Wilcoxon 1945.
    """
    if len(values) != len(baseline):
        raise ValueError(
            f"Paired values must be as many. Received: {len(values)} and {len(baseline)}."
        )
    if num_comparisons < 1:
        raise ValueError(f"num_comparisons must be at least 1. Received: {num_comparisons}.")
    differences = _differences(np.asarray(values, float), np.asarray(baseline, float))
    differing = differences[differences != 0]
    if not differing.size:
        return Comparison(differences.size, 0, math.nan, math.nan)
    p_value = _signed_rank_p(differing)
    adjusted = min(1.0, num_comparisons * p_value)
    return Comparison(differences.size, differing.size, p_value, adjusted)


def smallest_p(num_pairs: int) -> float:
    """Returns the smallest two-sided p-value that a signed-rank test of `num_pairs` can give."""
    return min(1.0, 2.0 ** (1 - num_pairs)) if num_pairs else 1.0


def _differences(values: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    defined = ~(np.isnan(values) | np.isnan(baseline))
    values, baseline = values[defined], baseline[defined]
    unequal = values != baseline
    differences = np.zeros(values.size)
    differences[unequal] = values[unequal] - baseline[unequal]
    # Their ranks are all that is used of them.
    largest = np.abs(differences[np.isfinite(differences)]).max(initial=0.0) + 1.0
    return np.clip(differences, -largest, largest)


def _signed_rank_p(differences: np.ndarray) -> float:
    if np.unique(np.abs(differences)).size == differences.size:
        return float(scipy.stats.wilcoxon(differences).pvalue)
    signs = scipy.stats.PermutationMethod(n_resamples=9999, rng=np.random.default_rng(0))
    return float(scipy.stats.wilcoxon(differences, method=signs).pvalue)
