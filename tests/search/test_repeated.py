"""Repeats of one search: seeds that share nothing, and what their winners say together."""

import itertools
import math
import statistics

import numpy as np
import pytest
import scipy.stats

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.repeated import (
    best_so_far,
    choices,
    deciding_stage,
    ranked,
    spread,
)
from robmednas_tf.search.sampling import random_stream
from robmednas_tf.search.seeding import repeat_seed


def test_repeats_of_neighbouring_seeds_share_none():
    seeds = [repeat_seed(seed, repeat) for seed in range(30) for repeat in range(1, 31)]
    assert len(set(seeds)) == len(seeds)


def test_seeds_are_the_same_on_every_machine_and_whatever_follows():
    # More repeats later leave these as they are.
    assert [repeat_seed(0, repeat) for repeat in range(1, 4)] == [0, 3241444873, 3685993406]
    assert repeat_seed(7, 1) == 7


def test_a_repeats_stream_is_none_of_the_first_searchs_own():
    own = {
        int(random_stream(0, number, salt).generate_state(1)[0])
        for number in range(200)
        for salt in range(12)
    }
    assert not own & {repeat_seed(0, repeat) for repeat in range(2, 101)}


def test_streams_of_repeats_are_not_correlated():
    draws = np.array(
        [
            [
                np.random.default_rng(random_stream(repeat_seed(0, repeat), n, 0)).random()
                for n in range(400)
            ]
            for repeat in range(1, 9)
        ]
    )
    off_diagonal = np.corrcoef(draws)[~np.eye(len(draws), dtype=bool)]
    # 56 correlations of independent draws, of standard deviation 0.05 each.
    assert np.abs(off_diagonal).max() < 0.2


def test_the_spread_is_scipys():
    values = [0.71, 0.64, 0.69, 0.75, 0.58, 0.7]
    found = spread([*values, math.nan])
    low, high = scipy.stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=scipy.stats.sem(values)
    )
    assert found.count == 6
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.mean == pytest.approx(statistics.fmean(values))
    assert found.sd == pytest.approx(statistics.stdev(values))
    assert found.median == pytest.approx(statistics.median(values))
    assert (found.smallest, found.largest) == (0.58, 0.75)


def test_one_value_has_no_spread_and_none_has_no_mean():
    one = spread([0.5])
    assert (one.count, one.mean, one.median) == (1, 0.5, 0.5)
    assert all(map(math.isnan, (one.sd, one.low, one.high)))
    none = spread([math.nan])
    assert none.count == 0
    assert all(map(math.isnan, (none.mean, none.median, none.smallest)))


def test_first_scores_choose_where_nothing_was_confirmed(make_outcome):
    outcomes = [make_outcome(0.7), make_outcome(0.9), make_outcome(0.8), make_outcome(0.9)]
    assert deciding_stage(outcomes) == "first"
    assert ranked(outcomes, "adversarial_dice", "max") == [1, 3, 2, 0]
    # An error is the better the smaller.
    assert ranked(outcomes, "adversarial_mae", "min") == [1, 3, 2, 0]


def test_new_scores_choose_where_there_are_some_and_held_out_subjects_never(make_outcome):
    lucky = make_outcome(0.9, 0.6, held_out={"adversarial_dice": 0.99})
    good, failed = make_outcome(0.8, 0.7), make_outcome(0.95)
    assert deciding_stage([lucky, good, failed]) == "confirmed"
    assert ranked([lucky, good, failed], "adversarial_dice", "max") == [1, 0, 2]


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_best_so_far_is_that_of_a_naive_loop(make_outcome, direction):
    rng = np.random.default_rng(0)
    scores = [rng.random(9).tolist(), rng.random(9).tolist(), rng.random(5).tolist()]
    curves = best_so_far([make_outcome(scores=each) for each in scores], direction)
    best = {"max": max, "min": min}[direction]
    for curve, each in zip(curves, scores, strict=True):
        naive = [best(each[: place + 1]) for place in range(9)]
        assert curve.tolist() == naive


def test_a_trial_that_was_stopped_leaves_the_best_as_it_is(make_outcome):
    (curve,) = best_so_far([make_outcome(scores=[0.4, math.nan, 0.6, math.nan])], "max")
    assert curve.tolist() == [0.4, 0.4, 0.6, 0.6]


def test_choices_are_counted_and_chance_is_that_of_random_architectures():
    space = SearchSpace(2, ("1000", "0100", "0110"), (8, 16), (4, 8))
    shallow = Architecture((Block("1000", 8, 4),), (Block("0110", 16),))
    deep = Architecture((Block("1000", 8), Block("1000", 8)), (Block("0110", 8, 4),) * 2)
    found = {(each.factor, each.level): each for each in choices([shallow, deep], space)}
    assert (found["depth", "2"].num_winners, found["depth", "2"].share) == (1, 0.5)
    pattern = found["pattern", "1000"]
    assert (pattern.num_winners, pattern.num_blocks, pattern.share) == (2, 3, 0.5)
    assert pattern.expected == pytest.approx(1 / 3)
    assert (found["pattern", "0100"].num_winners, found["pattern", "0100"].share) == (0, 0)
    assert (found["filters", "16"].num_winners, found["filters", "16"].num_blocks) == (1, 1)
    assert (found["se", "on"].num_blocks, found["se", "off"].num_blocks) == (3, 3)
    assert found["reduction_ratio", "4"].share == 1
    for _, levels in itertools.groupby(found.values(), lambda each: each.factor):
        levels = list(levels)
        assert math.fsum(each.share for each in levels) == pytest.approx(1)
        assert math.fsum(each.expected for each in levels) == pytest.approx(1)


def test_a_space_without_squeeze_and_excitation_has_no_choice_of_it():
    space = SearchSpace(1, ("1000",), (8,), ())
    plain = Architecture((Block("1000", 8),), (Block("1000", 8),))
    factors = [each.factor for each in choices([plain], space)]
    assert factors == ["depth", "pattern", "filters"]
    ratioless = choices([plain], SearchSpace(1, ("1000",), (8,), (4,)))
    assert math.isnan(next(each.share for each in ratioless if each.factor == "reduction_ratio"))
