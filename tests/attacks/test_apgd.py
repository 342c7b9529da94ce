"""APGD against its algorithm, written out slice by slice in NumPy."""

import math

import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks.apgd import AdaptiveSteps
from robmednas_tf.attacks.ascent import ascend
from robmednas_tf.attacks.ball import Ball

EPSILON = 0.7
CENTRE = np.random.default_rng(1).normal(size=(1, 3, 4, 1)).astype("float32")


def bumpy(mr):
    """A loss with many maxima, its gradient known: each slice's mean of two waves a pixel."""
    return np.mean(np.sin(5 * mr) + 0.5 * np.sin(11 * mr + CENTRE), axis=(1, 2, 3))


def bumpy_gradient(mr):
    return (5 * np.cos(5 * mr) + 5.5 * np.cos(11 * mr + CENTRE)) / 12


def algorithm_1(mr, num_steps):
    """Croce and Hein's algorithm 1 on one slice; the paper's names, its rho and alpha 0.75."""
    shares = [0.0, 0.22]
    while shares[-1] <= 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    checkpoints = [math.ceil(share * num_steps) for share in shares]
    step, last, here = 2 * EPSILON, mr, mr
    losses, best_losses, halvings = [], [], []
    best, best_loss, checked = None, -math.inf, -math.inf
    for number in range(num_steps + 1):
        loss = bumpy(here)[0]
        losses.append(loss)
        if loss > best_loss:
            best, best_loss = here, loss
        if number == num_steps:
            break
        if number in checkpoints[1:]:
            before = checkpoints[checkpoints.index(number) - 1]
            rises = sum(losses[i + 1] > losses[i] for i in range(before, number))
            seldom = rises < 0.75 * (number - before)
            stuck = not (halvings and halvings[-1]) and checked >= best_loss
            halvings.append(seldom or stuck)
            checked = best_loss
            if halvings[-1]:
                step, here, last = step / 2, best, best
        ahead = np.clip(here + step * np.sign(bumpy_gradient(here)), mr - EPSILON, mr + EPSILON)
        if number:
            ahead = here + 0.75 * (ahead - here) + 0.25 * (here - last)
            ahead = np.clip(ahead, mr - EPSILON, mr + EPSILON)
        last, here = here, ahead
    best_losses.append(best_loss)
    return best, halvings


@pytest.mark.parametrize("num_steps", [17, 40, 100])
def test_slices_climb_as_the_algorithm_says(num_steps):
    mr = np.random.default_rng(0).normal(size=(6, 3, 4, 1)).astype("float32")
    rule = AdaptiveSteps(Ball(EPSILON), num_steps)

    def loss_at(point):
        return tf.constant(bumpy(point.numpy()))

    found = ascend(
        lambda point: (loss_at(point), tf.constant(bumpy_gradient(point.numpy()))),
        loss_at,
        tf.constant(mr),
        tf.constant(mr),
        rule,
        num_steps,
    )
    halved = []
    for place in range(len(mr)):
        expected, halvings = algorithm_1(mr[place : place + 1], num_steps)
        halved.append(sum(halvings))
        assert bumpy(found[place : place + 1])[0] == pytest.approx(bumpy(expected)[0], abs=2e-3)
        np.testing.assert_allclose(found[place : place + 1], expected, atol=0.02)
    assert min(halved) >= 1
    # Slices go their own ways: one step for all of them would not do.
    assert num_steps != 40 or len(set(halved)) > 1


def test_too_few_steps_for_the_schedule_are_refused():
    with pytest.raises(ValueError, match="at least 17 steps"):
        AdaptiveSteps(Ball(0.1), 16)
