"""How much of a study is done: which numbers make none, and its seeds."""

from collections import Counter

import pytest

from robmednas_tf.study.arms import RANDOM, ROBMEDNAS_R, ROBMEDNAS_T, StudyConfig


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"repeats": 0}, "--repeats must be at least 1. Received: 0."),
        ({"baseline_repeats": -1}, "--baseline_repeats must be at least 0"),
        ({"seeds": -1}, "--seeds must be at least 0"),
        ({"folds": 1}, "--folds must be at least 2, or 0 for none. Received: 1."),
        ({"folds": -2}, "--folds must be at least 2"),
        ({"seed": -1}, "--seed must be at least 0"),
        ({"select_on": "train"}, "--select_on must be one of validation, test"),
    ],
)
def test_numbers_that_make_no_study_are_refused(values, words):
    with pytest.raises(ValueError) as error:
        StudyConfig(**values)
    assert words in str(error.value)


def test_neighbouring_seeds_share_no_stream():
    seen = Counter()
    for seed in range(6):
        config = StudyConfig(repeats=15, seed=seed)
        for number in range(1, 16):
            seen[config.training_seed(number)] += 1
            for arm in (RANDOM, ROBMEDNAS_R, ROBMEDNAS_T):
                seen[config.own_seed(arm, number)] += 1
    assert len(seen) == 6 * 15 * 4
    assert set(seen.values()) == {1}
    # No seed is more than a number that every command takes.
    assert max(seen) < 2**32
