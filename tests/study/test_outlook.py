"""What is still to do: seconds that learn from what was done, and bytes that come and go."""

import math

import pytest

from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.study.outlook import disk_bytes, seconds_left, seconds_together
from robmednas_tf.study.steps import Plan, Step

from .studies import BASELINE, RATE


def test_steps_that_were_done_correct_those_of_their_kind(plan, costs):
    before = seconds_left(plan, costs, RATE, {})
    assert set(before) == set(plan.names)
    spent = {"train/baseline/01": 3 * before["train/baseline/01"], "draw/random/01": 0.0}
    after = seconds_left(plan, costs, RATE, spent)
    assert set(after) == set(plan.names) - set(spent)
    for name, seconds in after.items():
        factor = 3 if name.startswith("train") else 1
        assert seconds == pytest.approx(factor * before[name])


def test_steps_at_a_time_wait_for_those_they_follow_and_for_their_turn():
    plan = Plan(
        (
            Step("done", "draw"),
            Step("long", "train"),
            Step("short", "train"),
            Step("next", "eval", after=("short",)),
            Step("last", "collect", after=("long", "next", "done")),
        )
    )
    seconds = {"long": 10.0, "short": 2.0, "next": 3.0, "last": 1.0}
    every = {*seconds}
    assert seconds_together(plan, seconds, every, 1) == 16
    assert seconds_together(plan, seconds, every, 2) == 11
    assert seconds_together(plan, {**seconds, "next": 9.0}, every, 2) == 12
    assert seconds_together(plan, seconds, {"short", "next"}, 2) == 5
    assert seconds_together(plan, {}, every, 2) == 0


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
