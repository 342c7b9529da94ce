"""The Square attack: what it tries, what it keeps, and what it asks."""

import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks.ball import Ball
from robmednas_tf.attacks.goal import Goal
from robmednas_tf.attacks.noise import seeds_of_slices
from robmednas_tf.attacks.square import _square_sizes, square
from robmednas_tf.attacks.victim import Victim

SHAPE = (3, 16, 20, 1)


def run(predict, num_queries, epsilon=0.5, mask=None, ct=0.0):
    asked = []

    def counted(mr):
        asked.append(mr.numpy())
        return predict(mr)

    mr = tf.constant(np.random.default_rng(0).normal(size=SHAPE).astype("float32"))
    seeds = tf.constant(seeds_of_slices("a", 0, SHAPE[0], 0))
    goal = Goal(tf.fill(SHAPE, ct))
    victim = Victim(counted, lambda *_: pytest.fail("Square knows no gradient."))
    found = square(victim, mr, goal, Ball(epsilon, mask=mask), seeds, num_queries)
    return mr.numpy(), found.numpy(), asked


def test_a_query_is_one_prediction_and_the_best_of_them_is_kept():
    mr, found, asked = run(lambda mr: mr, 50)
    assert len(asked) == 50
    losses = np.array([np.mean(each**2, axis=(1, 2, 3)) for each in asked])
    np.testing.assert_allclose(np.mean(found**2, axis=(1, 2, 3)), losses.max(axis=0), rtol=1e-6)
    # Every try lies on the ball's corners, in stripes first.
    np.testing.assert_allclose(np.abs(asked[0] - mr), 0.5, atol=1e-6)
    assert np.all(np.ptp(asked[0] - mr, axis=1) < 1e-6)
    np.testing.assert_allclose(np.abs(found - mr), 0.5, atol=1e-6)


def test_a_try_differs_from_the_best_by_one_square():
    _, _, asked = run(lambda mr: 0 * mr, 30)
    # Nothing raises the loss: every try is the stripes with one square changed.
    for number, size in enumerate(_square_sizes(16, 20, 30, 0.1)[1:], start=1):
        changed = np.abs(asked[number] - asked[0]) > 1e-6
        for one in changed[..., 0]:
            rows, columns = np.flatnonzero(one.any(axis=1)), np.flatnonzero(one.any(axis=0))
            assert rows.size >= 1
            assert max(np.ptp(rows), np.ptp(columns)) < size


def test_it_comes_near_the_optimum_of_a_simple_loss():
    # Best is the sign of the MR everywhere: squares of one pixel find it in the end.
    mr, found, _ = run(lambda mr: mr, 1500, epsilon=0.1)
    clean, reached, best = (
        np.mean(each**2, axis=(1, 2, 3)) for each in (mr, found, mr + 0.1 * np.sign(mr))
    )
    assert np.all(reached - clean > 0.5 * (best - clean))
    assert np.all(reached <= best)


def test_squares_shrink_as_the_source_says():
    sizes = _square_sizes(32, 32, 10_000, 0.8)
    halved_at = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]
    for halvings, number in enumerate([0, *(at + 1 for at in halved_at)]):
        assert sizes[number] == max(1, round((0.8 / 2**halvings * 1024) ** 0.5))


def test_the_mask_is_kept_to_the_pixel():
    mask = np.zeros(SHAPE, np.float32)
    mask[:, 3:9, 4:15] = 1
    mr, found, asked = run(lambda mr: mr, 20, mask=tf.constant(mask))
    for each in (found, *asked):
        np.testing.assert_array_equal(each[mask == 0], mr[mask == 0])
