"""Paired tests against numbers worked out by hand, all sign changes, and scipy's own."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from robmednas_tf.evaluation.statistics import (
    compare_paired,
    difference_of_means,
    paired_difference,
    smallest_p,
    summarize_values,
)


def p_of_all_signs(differences):
    """Two-sided p of the signed-rank test, from every way to give the differences signs."""
    ranks = scipy.stats.rankdata(np.abs(differences))
    total = ranks.sum()
    seen = min(ranks[differences > 0].sum(), ranks[differences < 0].sum())
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=len(ranks))
    ]
    return np.mean([min(each, total - each) <= seen + 1e-9 for each in sums])


def test_seven_subjects_worked_out_by_hand():
    # All better: of the 2^7 ways to give signs, two are as extreme: 2 / 128.
    baseline = [0.5, 0.52, 0.48, 0.51, 0.55, 0.47, 0.6]
    better = [value + 0.01 * n for n, value in enumerate(baseline, start=1)]
    comparison = compare_paired(better, baseline, num_comparisons=3)
    assert comparison.num_pairs == 7
    assert comparison.p_value == pytest.approx(2 / 128)
    assert comparison.p_adjusted == pytest.approx(6 / 128)
    assert comparison.is_significant
    assert not compare_paired(better, baseline, num_comparisons=4).is_significant
    # The smallest difference against all others: W = 1, reached by 2 of 128 for W = 0, 2 for 1.
    better[0] = baseline[0] - 0.001
    assert compare_paired(better, baseline, 1).p_value == pytest.approx(4 / 128)


def test_scipys_exact_distribution_at_seven():
    # Every rank sum that seven pairs can have.
    for signs in itertools.product((-1, 1), repeat=7):
        differences = np.multiply(signs, np.arange(1, 8)) / 100
        expected = scipy.stats.wilcoxon(differences, method="exact").pvalue
        comparison = compare_paired(differences, np.zeros(7), 1)
        assert comparison.p_value == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_ties_are_exact_too(seed):
    rng = np.random.default_rng(seed)
    differences = rng.integers(1, 4, 8) * rng.choice([-1, 1], 8) / 8
    comparison = compare_paired(differences, np.zeros(8), 1)
    assert comparison.p_value == pytest.approx(p_of_all_signs(differences))


def test_equal_pairs_are_left_out():
    values, baseline = [0.6, 0.7, 0.8, 0.5], [0.5, 0.5, 0.5, 0.5]
    comparison = compare_paired(values, baseline, 1)
    assert (comparison.num_pairs, comparison.num_tested) == (4, 3)
    assert comparison.p_value == compare_paired(values[:3], baseline[:3], 1).p_value == 0.25


def test_undefined_pairs_are_left_out():
    values = [0.6, math.nan, 0.8, 0.9, math.nan]
    baseline = [0.5, 0.5, math.nan, 0.5, math.nan]
    comparison = compare_paired(values, baseline, 1)
    assert comparison.num_pairs == 2
    assert comparison.p_value == 0.5


def test_infinite_values_are_the_largest_and_warn_of_nothing(recwarn):
    comparison = compare_paired([math.inf, 40.0, 42.0], [math.inf, 30.0, 31.0], 1)
    assert (comparison.num_pairs, comparison.num_tested, comparison.p_value) == (3, 2, 0.5)
    comparison = compare_paired([math.inf, 40.0, 42.0, 29.0], [50.0, 30.0, 31.0, 30.0], 1)
    # Ranks 4, 2, 3 against 1.
    assert comparison.p_value == compare_paired([4, 2, 3, -1], [0] * 4, 1).p_value == 0.25
    assert not recwarn.list


@pytest.mark.parametrize("values", [[], [0.5, 0.5], [math.nan, 0.5]])
def test_without_a_difference_there_is_no_p(values):
    comparison = compare_paired(values, [0.5] * len(values), 1)
    assert math.isnan(comparison.p_value)
    assert not comparison.is_significant


def test_bonferroni_ends_at_one():
    assert compare_paired([0.6, 0.4, 0.55], [0.5] * 3, 9).p_adjusted == 1.0


@pytest.mark.parametrize(("num_pairs", "expected"), [(7, 0.015625), (5, 0.0625), (1, 1.0), (0, 1)])
def test_the_smallest_p(num_pairs, expected):
    assert smallest_p(num_pairs) == expected
    if num_pairs:
        values = np.arange(1, num_pairs + 1)
        assert compare_paired(values, np.zeros(num_pairs), 1).p_value == pytest.approx(expected)


def test_many_pairs_take_the_normal_approximation():
    rng = np.random.default_rng(0)
    values, baseline = rng.normal(0.2, 1, 80), np.zeros(80)
    expected = scipy.stats.wilcoxon(values).pvalue
    assert compare_paired(values, baseline, 1).p_value == pytest.approx(expected)


def test_summaries_leave_the_undefined_out_and_count_it():
    summary = summarize_values([0.5, math.nan, 0.7, 0.9])
    assert (summary.mean, summary.sd) == (pytest.approx(0.7), pytest.approx(0.2))
    assert (summary.num_defined, summary.num_undefined) == (3, 1)
    one = summarize_values([0.5])
    assert (one.mean, math.isnan(one.sd)) == (0.5, True)
    none = summarize_values([math.nan])
    assert math.isnan(none.mean)
    assert summarize_values([math.inf, 40.0]).mean == math.inf


@pytest.mark.parametrize(("lengths", "comparisons"), [((2, 3), 1), ((2, 2), 0)])
def test_what_cannot_be_compared_is_refused(lengths, comparisons):
    with pytest.raises(ValueError, match="Received"):
        compare_paired([0.5] * lengths[0], [0.4] * lengths[1], comparisons)


def test_independent_means_differ_by_welchs_interval_worked_out_by_hand():
    # Means 3 and 7, variances 1 and 4 of three values each: standard error sqrt(1/3 + 4/3).
    found = difference_of_means([2.0, 3.0, 4.0], [5.0, 7.0, 9.0])
    error = math.sqrt(5 / 3)
    freedom = (5 / 3) ** 2 / ((1 / 3) ** 2 / 2 + (4 / 3) ** 2 / 2)
    half = scipy.stats.t.ppf(0.975, freedom) * error
    assert found.value == -4
    assert (found.low, found.high) == pytest.approx((-4 - half, -4 + half))
    # All below: of the 20 ways to part six ranks, two are as extreme.
    assert found.p_value == pytest.approx(2 / 20)
    # Half the interval is 4.16: it holds zero.
    assert (found.num, found.num_baseline, found.sign) == (3, 3, 0)
    assert difference_of_means([2.0, 3.0, 4.0], [6.0, 8.0, 10.0]).sign == -1


@pytest.mark.parametrize("sizes", [(2, 2), (5, 9), (15, 3)])
def test_independent_means_are_scipys(sizes):
    generator = np.random.default_rng(sizes)
    ours, theirs = generator.normal(0.3, 1, sizes[0]), generator.normal(0, 3, sizes[1])
    found = difference_of_means([*ours, math.nan], [math.nan, *theirs])
    welch = scipy.stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))
    assert found.p_value == scipy.stats.mannwhitneyu(ours, theirs).pvalue
    other = difference_of_means(theirs.tolist(), ours.tolist())
    assert (other.value, other.low) == pytest.approx((-found.value, -found.high))


def test_a_single_value_has_no_spread_of_its_own():
    ours = [0.5, 0.7, 0.6, 0.9]
    found = difference_of_means(ours, [0.4])
    one_sample = scipy.stats.ttest_1samp(ours, 0.4).confidence_interval()
    assert (found.low + 0.4, found.high + 0.4) == pytest.approx((one_sample.low, one_sample.high))
    assert found.p_value == pytest.approx(2 / 2**4)
    for sides in (([0.4], ours), ([0.4], [0.5]), ([0.4], []), ([math.nan], ours)):
        found = difference_of_means(*sides)
        assert math.isnan(found.low)
        assert math.isnan(found.p_value)
        assert found.sign == 0


def test_equal_values_without_spread_do_not_differ():
    found = difference_of_means([1.0, 1.0], [1.0, 1.0])
    assert (found.value, found.low, found.high, found.sign) == (0, 0, 0, 0)


def test_paired_differences_are_scipys():
    generator = np.random.default_rng(3)
    theirs = generator.normal(0, 5, 8)
    ours = theirs + generator.normal(0.5, 0.3, 8)
    found = paired_difference([*ours, math.nan, 1.0], [*theirs, 1.0, math.nan])
    paired = scipy.stats.ttest_rel(ours, theirs).confidence_interval()
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high))
    assert found.p_value == pytest.approx(scipy.stats.wilcoxon(ours - theirs).pvalue)
    assert (found.num, found.num_baseline) == (8, 8)
    assert math.isnan(paired_difference([1.0], [0.0]).p_value)
    with pytest.raises(ValueError, match="zip"):
        paired_difference([1.0], [])
