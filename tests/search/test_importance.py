from __future__ import annotations

import logging

import numpy as np
import optuna
import pytest

from robmednas_tf.search import importance
from robmednas_tf.search.importance import BEST_SHARE, importances

NAMES = ("depth", "filters", "a1", "a2", "a3")


def _factors(rng: np.random.Generator, num_trials: int) -> dict[str, list[int]]:
    return {name: rng.integers(0, 3, num_trials).tolist() for name in NAMES}


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_factor_that_decides_comes_first_and_stands_apart(direction):
    rng = np.random.default_rng(3)
    factors = _factors(rng, 60)
    sign = 1 if direction == "max" else -1
    scores = sign * np.array(factors["filters"]) + rng.normal(0, 0.3, 60)
    found = importances(factors, scores, direction)
    first, *others = found.explained
    assert first == "filters"
    assert found.above_chance == ["filters"]
    assert found.explained[first].low > max(found.explained[name].high for name in others)


def test_where_nothing_decides_intervals_overlap_and_chance_covers_all():
    rng = np.random.default_rng(4)
    found = importances(_factors(rng, 60), rng.normal(size=60), "max")
    assert found.above_chance == []
    estimates = found.explained.values()
    assert max(each.low for each in estimates) < min(each.high for each in estimates)
    assert all(0 <= each.low <= each.value <= each.high <= 1 for each in estimates)


def test_importance_is_the_explained_variance_of_being_among_the_best(monkeypatch):
    monkeypatch.setattr(importance, "NUM_RESAMPLES", 2)
    rng = np.random.default_rng(5)
    levels = rng.integers(0, 4, 2000)
    scores = levels + rng.normal(0, 1.5, 2000)
    is_best = scores >= np.quantile(scores, 1 - BEST_SHARE)
    naive = sum(
        (levels == level).mean() * (is_best[levels == level].mean() - is_best.mean()) ** 2
        for level in range(4)
    ) / np.var(is_best)
    found = importances({"levels": levels.tolist()}, scores, "max").explained["levels"].value
    # Optuna's densities are smoothed a little, which takes from the differences.
    assert naive > 0.1
    assert 0.8 * naive < found <= naive


def test_few_levels_more_often_tried_are_not_important(monkeypatch):
    monkeypatch.setattr(importance, "NUM_RESAMPLES", 20)
    rng = np.random.default_rng(6)
    often_one = (rng.random(200) < 0.9).astype(int).tolist()
    found = importances({"often_one": often_one}, rng.normal(size=200), "max")
    assert found.above_chance == []


def test_equal_scores_explain_nothing(monkeypatch):
    monkeypatch.setattr(importance, "NUM_RESAMPLES", 2)
    found = importances({"depth": [0, 1] * 10}, [0.5] * 20, "max")
    assert found.explained["depth"].value == 0
    assert found.above_chance == []


def test_no_factor_no_importance():
    found = importances({}, [0.1, 0.2], "max")
    assert found.explained == {}
    assert found.above_chance == []


def test_the_same_again_and_silently(monkeypatch, caplog, recwarn):
    monkeypatch.setattr(importance, "NUM_RESAMPLES", 5)
    rng = np.random.default_rng(7)
    factors, scores = _factors(rng, 30), rng.normal(size=30)
    verbosity = optuna.logging.get_verbosity()
    with caplog.at_level(logging.INFO):
        assert importances(factors, scores, "max") == importances(factors, scores, "max")
    assert optuna.logging.get_verbosity() == verbosity
    assert not caplog.records
    assert not recwarn.list
