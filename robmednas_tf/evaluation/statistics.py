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


@dataclass(frozen=True)
class Difference:
    """How far the mean of some values lies from that of others.

    Attributes:
        value: The difference of the means; NaN where either has no value.
        low: Lower end of its 95 % interval; NaN where there are too few values.
        high: Its upper end.
        p_value: Two-sided, not corrected; NaN where there are too few values, or no difference.
        num: Values on the one side, or pairs.
        num_baseline: Values on the other side, or pairs.
    """

    value: float
    low: float
    high: float
    p_value: float
    num: int
    num_baseline: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves 0 out, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def difference_of_means(values: Sequence[float], baseline: Sequence[float]) -> Difference:
    """Compares independent values, such as those of repeats.

    The interval is Welch's, by Student's t with Satterthwaite's degrees of freedom, as of values
    that scatter normally; the test is Mann and Whitney's. A single value of the baseline is taken
    as it is, without a spread of its own: the interval is that of the values' mean, the test
    Wilcoxon's signed-rank.

    Args:
        values: NaN is left out.
        baseline: NaN is left out.

    Source: Welch 1947; Mann and Whitney 1947.
    """
    ours, theirs = (
        np.array([each for each in side if not math.isnan(each)], np.float64)
        for side in (values, baseline)
    )
    sizes = (int(ours.size), int(theirs.size))
    if not all(sizes):
        return Difference(math.nan, math.nan, math.nan, math.nan, *sizes)
    value = float(ours.mean() - theirs.mean())
    if theirs.size == 1:
        shifted = (ours - theirs[0]).tolist()
        return Difference(value, *mean_interval(shifted), _p_of_zero(shifted), *sizes)
    if ours.size == 1:
        return Difference(value, math.nan, math.nan, math.nan, *sizes)
    variances = [float(side.var(ddof=1)) / side.size for side in (ours, theirs)]
    p_value = float(scipy.stats.mannwhitneyu(ours, theirs).pvalue)
    if not sum(variances):
        return Difference(value, value, value, p_value, *sizes)
    freedom = sum(variances) ** 2 / math.fsum(
        variance**2 / (size - 1) for variance, size in zip(variances, sizes, strict=True)
    )
    half = float(scipy.stats.t.ppf(0.975, freedom)) * math.sqrt(sum(variances))
    return Difference(value, value - half, value + half, p_value, *sizes)


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> Difference:
    """Compares values pair by pair, such as those of folds, or of subjects.

    The interval is that of the mean difference by Student's t; the test Wilcoxon's signed-rank.

    Args:
        values: One value a pair; a pair with a NaN is left out.
        baseline: As many.

    Raises:
        ValueError: If the lengths differ.
    """
    pairs = [
        (ours, theirs)
        for ours, theirs in zip(values, baseline, strict=True)
        if not (math.isnan(ours) or math.isnan(theirs))
    ]
    differences = [ours - theirs for ours, theirs in pairs]
    value = summarize_values(differences).mean
    size = len(differences)
    return Difference(value, *mean_interval(differences), _p_of_zero(differences), size, size)


def _p_of_zero(differences: Sequence[float]) -> float:
    if len(differences) < 2:
        return math.nan
    return compare_paired(differences, [0.0] * len(differences), 1).p_value


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
