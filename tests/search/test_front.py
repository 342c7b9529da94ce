"""Pareto fronts against a naive double loop, and who is picked from them, worked out by hand."""

import numpy as np
import pytest

from robmednas_tf.objectives import PickRule
from robmednas_tf.search.front import Front
from robmednas_tf.search.trials import COMPLETED, FAILED, RUNNING, TrialRecord, id_of

DIRECTIONS = {"clean_dice": "max", "clean_mae": "min", "flops": "min"}


def record(number, *values, status=COMPLETED):
    *metrics, flops = values
    measured = dict(zip(DIRECTIONS, metrics, strict=False))
    return TrialRecord(
        id_of(number),
        number,
        status,
        1,
        "random",
        {},
        score=float(values[0]) if status == COMPLETED else None,
        metrics=measured,
        details={"flops": flops},
    )


def front_of(rows, rule="first"):
    """The front of trials by Dice (more is better) and FLOPs, or by Dice, MAE and FLOPs."""
    names = list(DIRECTIONS) if len(rows[0]) == 3 else ["clean_dice", "flops"]
    directions = {name: DIRECTIONS[name] for name in names}
    records = [record(number, *row) for number, row in enumerate(rows)]
    return Front.of(records, directions, PickRule.parse(rule))


def numbers(records):
    return [each.number for each in records]


def dominates(one, other):
    one, other = (-one[0], *one[1:]), (-other[0], *other[1:])
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


@pytest.mark.parametrize("num_objectives", [2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_front_is_that_of_a_naive_double_loop(num_objectives, seed):
    # Few values, so that many trials share one, or all.
    rows = np.random.default_rng(seed).integers(0, 4, (25, num_objectives)).tolist()
    expected = [
        place for place, row in enumerate(rows) if not any(dominates(other, row) for other in rows)
    ]
    assert sorted(numbers(front_of(rows).members)) == expected


def test_equal_trials_are_all_on_the_front_and_ordered_by_number():
    front = front_of([(0.5, 1), (0.9, 3), (0.5, 1), (0.9, 4), (0.5, 1), (0.2, 2)])
    assert numbers(front.members) == [1, 0, 2, 4]
    assert numbers(front.candidates(3)) == [1, 0, 2]


def test_trials_that_are_not_completed_have_no_part():
    records = [
        record(0, 0.5, 10),
        record(1, 0.9, 1, status=RUNNING),
        record(2, 0.9, 1, status=FAILED),
    ]
    directions = {"clean_dice": "max", "flops": "min"}
    assert numbers(Front.of(records, directions, PickRule()).members) == [0]
    nothing = Front.of(records[1:], directions, PickRule())
    assert (nothing.picked, nothing.candidates(2)) == (None, [])


# From the best Dice to the fewest FLOPs. Scaled to the front, as (Dice, FLOPs) away from the best:
# (0, 1), (0.1, 0.5), (0.5, 0.1), (1, 0). The third lies farthest from the line through the ends
# but for the second, which is as far: 1 - 0.6 of both.
ROWS = [(0.90, 100), (0.86, 50), (0.70, 10), (0.50, 0)]


@pytest.mark.parametrize(
    ("rows", "rule", "picked"),
    [
        (ROWS, "first", 0),
        # Equally far: the better first objective.
        (ROWS, "knee", 1),
        ([*ROWS[:2], (0.71, 10), ROWS[3]], "knee", 2),
        # Every member is on the line through the ends, or behind it.
        ([(0.9, 100), (0.7, 50), (0.5, 0)], "knee", 0),
        ([(0.9, 100), (0.6, 50), (0.5, 0)], "knee", 0),
        ([(0.9, 7)], "knee", 0),
        (ROWS, "within:0", 0),
        # 0.90 - 0.86 is more than 0.04 in binary.
        (ROWS, "within:0.04", 1),
        (ROWS, "within:0.039", 0),
        (ROWS, "within:0.2", 2),
        (ROWS, "within:1", 3),
    ],
)
def test_pick_of_two_objectives(rows, rule, picked):
    assert front_of(rows, rule).picked.number == picked


def test_knee_is_farthest_from_the_line_through_the_ends():
    # Das's definition, by the distance from a point to a line.
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = rng.uniform((0.5, 1e6), (0.9, 1e9), (30, 2)).tolist()
        front = front_of(rows, "knee")
        points = np.array([(each.score, each.details["flops"]) for each in front.members])
        points = (points - points.min(0)) / np.ptp(points, axis=0)
        (x1, y1), (x2, y2) = points[0], points[-1]
        towards = (points[:, 0] - x1) * (y2 - y1) - (points[:, 1] - y1) * (x2 - x1)
        ideal = (1 - x1) * (y2 - y1) - (0 - y1) * (x2 - x1)
        assert front.picked is front.members[np.argmax(towards * np.sign(ideal))]


def test_pick_of_three_objectives():
    rows = [(0.9, 50.0, 9), (0.9, 40.0, 10), (0.89, 40.0, 3), (0.89, 40.0, 2), (0.5, 60.0, 0)]
    assert numbers(front_of(rows).members) == [1, 0, 3, 4]
    assert front_of(rows).picked.number == 1
    # Equal MAEs: the fewer FLOPs.
    assert front_of(rows, "within:0.01").picked.number == 3
    # Sums of scaled distances: 0 + 0.5 + 0.9, 0 + 0 + 1, 0.025 + 0 + 0.2, 1 + 1 + 0.
    assert front_of(rows, "knee").picked.number == 3


def test_further_scores_choose_by_the_first_objective_or_not_at_all():
    assert numbers(front_of(ROWS).candidates(2)) == [0, 1]
    assert numbers(front_of(ROWS, "within:0.2").candidates(2)) == [2]
    assert front_of(ROWS, "knee").candidates(0) == []
