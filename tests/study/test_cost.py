"""What a study will take: counted by hand for one step of each kind."""

import dataclasses
import math

import pytest

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.study.cost import StudyCosts, spread_over

from .studies import BASELINE, RATE, SIZES, SPACE


def test_work_of_each_kind_is_as_counted_by_hand(plan, costs):
    flops = estimate_cost(BASELINE, (16, 16, 1)).flops
    train = costs.work(plan["train/baseline/01"])
    # 7 epochs of 4 steps, and one batch attacked for validation: two passes and a gradient.
    assert train.batches == pytest.approx(7 * (4 + 5 / 3))
    assert (train.networks, train.blocks) == (1, 2)
    assert train.gflop == pytest.approx(3 * 6 * flops / 1e9)
    # Half of the slices are attacked first.
    adversarial = costs.work(plan["train/adversarial/01"])
    assert adversarial.batches == pytest.approx(7 * (1.5 * 4 + 5 / 3))
    search = costs.work(plan["search/robmednas_t/01"])
    # Ten trials and four confirmations of three epochs: two steps, one batch forward; then a score.
    assert search.networks == 14
    assert search.batches == pytest.approx(14 * (3 * (2 + 1 / 3) + 5 / 3))
    # A gradient, and a pass for clean input and each of two attacks, over two batches.
    assert costs.work(plan["evaluate/random/01"]).batches == pytest.approx(2 * (1 + 3 / 3))
    assert costs.work(plan["compare"]).batches == pytest.approx(5 * 2 * (1 + 23 / 3))
    assert costs.work(plan["pick/random"]).batches == 0


def test_attacks_of_many_steps_take_their_gradients(plan):
    strong = dataclasses.replace(
        SIZES, trial_gradients=5.0, adversarial_gradients=2.0, evaluation_gradients=20.0
    )
    costs = StudyCosts(strong, BASELINE, SPACE)
    assert costs.work(plan["train/adversarial/01"]).batches == pytest.approx(7 * (3 * 4 + 5 / 3))
    search = costs.work(plan["search/robmednas_t/01"])
    assert search.batches == pytest.approx(14 * (3 * (2 + 1 / 3) + 5 + 2 / 3))
    assert costs.work(plan["evaluate/random/01"]).batches == pytest.approx(2 * (20 + 3 / 3))


def test_the_spaces_mean_is_that_of_all_its_architectures():
    space = SearchSpace(1, ("1000", "0110", "1111"), (8, 32), ())
    every = [
        Architecture((Block(p, f),), (Block(q, g),))
        for p in space.patterns
        for f in space.filters
        for q in space.patterns
        for g in space.filters
    ]
    exact = math.fsum(estimate_cost(each, (32, 32, 1)).flops for each in every) / len(every)
    found = spread_over(space)
    assert all(each in space for each in found)
    mean = math.fsum(estimate_cost(each, (32, 32, 1)).flops for each in found) / len(found)
    assert mean == pytest.approx(exact, rel=0.1)
    depths = [each.depth for each in spread_over(SearchSpace())]
    assert {depths.count(depth) for depth in range(1, 6)} == {80}


def test_time_is_building_and_steps_by_their_operations(plan, costs):
    work = costs.work(plan["train/baseline/01"])
    expected = 0.5 * 2 + work.batches * (0.01 + 2.0 * work.gflop)
    assert RATE.seconds(work) == pytest.approx(expected)
    assert costs.seconds(plan["train/baseline/01"], RATE) == pytest.approx(3 + expected)


def test_more_work_takes_longer(plan):
    longer = StudyCosts(dataclasses.replace(SIZES, epochs=14, trials=20), BASELINE, SPACE)
    shorter = StudyCosts(SIZES, BASELINE, SPACE)
    for name in ("train/random/01", "search/robmednas_r/01"):
        assert longer.seconds(plan[name], RATE) > 1.5 * shorter.seconds(plan[name], RATE)
