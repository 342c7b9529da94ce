"""What a study will take: counted by hand for one step of each kind, and how it learns."""

import dataclasses
import math

import pytest

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.study.arms import StudyConfig
from robmednas_tf.study.cost import Rate, Sizes, StudyCosts, spread_over
from robmednas_tf.study.outlook import disk_bytes, seconds_left
from robmednas_tf.study.plan import StepFlags, make_plan

BASELINE = Architecture((Block("1111", 16),), (Block("1111", 16),))
SPACE = SearchSpace(2, ("1000", "0110"), (8, 16), ())
# 12 slices make two batches: 5, 1 and 3 subjects of four slices make 4, 1 and 2.
SIZES = Sizes(
    *(9, 4, 5, 1, 3, 2, 1, 1),
    *(16, 6, 10, 4, 3, 7, 2, 20),
)
RATE = Rate("here", "CPU", build_s=0.5, batch_s=0.01, gflop_s=2.0)


@pytest.fixture(scope="module")
def costs():
    return StudyCosts(SIZES, BASELINE, SPACE)


@pytest.fixture(scope="module")
def plan():
    return make_plan(StudyConfig(repeats=2, seeds=3, folds=2), StepFlags())


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


def test_steps_that_were_done_correct_those_of_their_kind(plan, costs):
    before = seconds_left(plan, costs, RATE, {})
    assert set(before) == set(plan.names)
    spent = {"train/baseline/01": 3 * before["train/baseline/01"], "draw/random/01": 0.0}
    after = seconds_left(plan, costs, RATE, spent)
    assert set(after) == set(plan.names) - set(spent)
    for name, seconds in after.items():
        factor = 3 if name.startswith("train") else 1
        assert seconds == pytest.approx(factor * before[name])


def test_weights_that_are_read_no_more_do_not_count(plan, costs):
    end, most = disk_bytes(plan, costs)
    left = math.fsum(map(costs.left_bytes, plan.steps))
    picks = math.fsum(costs.weights_bytes(step) for step in plan.steps if step.command == "pick")
    assert picks > 0
    assert end == pytest.approx(left + picks)
    everything = left + math.fsum(map(costs.weights_bytes, plan.steps))
    assert end <= most < everything
    assert costs.weights_bytes(plan["train/baseline/01"]) == 4 * (
        estimate_cost(BASELINE, (16, 16, 1)).parameters
    )
    # Nine subjects of four slices: MR and CT as float32, a byte of mask.
    assert costs.prepared_bytes() == 9 * 9 * 4 * 16 * 16


def test_more_work_takes_longer(plan):
    longer = StudyCosts(dataclasses.replace(SIZES, epochs=14, trials=20), BASELINE, SPACE)
    shorter = StudyCosts(SIZES, BASELINE, SPACE)
    for name in ("train/random/01", "search/robmednas_r/01"):
        assert longer.seconds(plan[name], RATE) > 1.5 * shorter.seconds(plan[name], RATE)
