from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from robmednas_tf.search.bootstrap import interval, mean_estimate, rank_correlation, resamples


def test_mean_and_its_interval_are_those_of_a_naive_loop():
    values = np.random.default_rng(0).normal(0.7, 0.1, 12)
    means = [np.mean([values[place] for place in places]) for places in resamples(12)]
    found = mean_estimate(values)
    assert found.value == pytest.approx(values.mean())
    np.testing.assert_allclose([found.low, found.high], np.quantile(means, [0.025, 0.975]))


def test_interval_of_a_mean_is_about_the_normal_one():
    values = np.random.default_rng(1).normal(0, 1, 400)
    half = 1.96 * values.std(ddof=1) / math.sqrt(400)
    found = mean_estimate(values)
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)


def test_rank_correlation_is_scipys_also_with_ties():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 6, 25).astype(float)
    y = x + rng.integers(0, 9, 25)
    found = rank_correlation(x, y)
    assert found.value == pytest.approx(scipy.stats.spearmanr(x, y).statistic)
    drawn = [scipy.stats.spearmanr(x[p], y[p]).statistic for p in resamples(25)[:30]]
    assert found.low <= np.median(drawn) <= found.high


def test_too_few_values_have_no_interval():
    assert mean_estimate([0.1, 0.3]).value == pytest.approx(0.2)
    for found in (mean_estimate([0.1, 0.3]), rank_correlation([1, 2, 3], [1, 3, 2])):
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    assert math.isnan(mean_estimate([]).value)


def test_what_is_constant_has_no_correlation():
    assert math.isnan(rank_correlation([1.0] * 8, range(8)).value)
    assert math.isnan(rank_correlation([], []).value)


def test_undefined_resamples_are_left_out_of_an_interval():
    assert interval([math.nan, 1.0, 1.0]) == (1.0, 1.0)
    assert all(map(math.isnan, interval([math.nan])))
