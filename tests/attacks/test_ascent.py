"""The loop of the gradient family against the same written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks.ascent import FixedSteps, ascend
from robmednas_tf.attacks.attack import Slices, attacked
from robmednas_tf.attacks.ball import Ball
from robmednas_tf.attacks.goal import goal_of
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.attacks.victim import Victim
from robmednas_tf.data.intensities import denormalize_ct, normalize_ct

SHAPE = (3, 4, 5, 1)


def model(mr, training):
    return tf.sin(2 * mr)


def gradient(mr, ct):
    """Of each slice's mean squared error, worked out by hand."""
    return 2 * (np.sin(2 * mr) - ct) * 2 * np.cos(2 * mr) / 20


@pytest.fixture(scope="module")
def arrays():
    return np.random.default_rng(0).normal(size=(2, *SHAPE)).astype("float32")


def ours(text, mr, ct):
    slices = Slices.of("a", 0, 0, mr, ct)
    return attacked(Perturbation.parse(text), Victim.of(model), slices).numpy()


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("norm", ["inf", "2"])
def test_momentum_is_that_of_its_source(arrays, decay, norm):
    mr, ct = arrays
    point, sums = mr, np.zeros_like(mr)
    for _ in range(7):
        slope = gradient(point, ct)
        sums = decay * sums + slope / np.abs(slope).mean(axis=(1, 2, 3), keepdims=True)
        size = np.sqrt((sums**2).sum(axis=(1, 2, 3), keepdims=True))
        point = point + 0.1 * (np.sign(sums) if norm == "inf" else sums / size)
        change = point - mr
        if norm == "inf":
            change = np.clip(change, -0.3, 0.3)
        else:
            length = np.sqrt((change**2).sum(axis=(1, 2, 3), keepdims=True))
            change = change * np.minimum(1, 0.3 / length)
        point = mr + change
    text = f"mifgsm:0.3:steps=7:step_size=0.1:decay={decay}:norm={norm}"
    np.testing.assert_allclose(ours(text, mr, ct), point, atol=1e-5)


def test_fgsm_is_the_loop_with_one_step(arrays):
    mr, ct = arrays
    expected = mr + 0.2 * np.sign(gradient(mr, ct))
    np.testing.assert_allclose(ours("fgsm:0.2", mr, ct), expected, atol=1e-6)
    np.testing.assert_allclose(ours("pgd:0.2:steps=1", mr, ct), expected, atol=1e-6)


def test_a_known_slope_saves_the_first_gradient(arrays):
    mr, ct = (tf.constant(each) for each in arrays)
    asked = []

    def slope_at(point):
        asked.append(point)
        return tf.zeros(3), tf.constant(gradient(point.numpy(), ct.numpy()))

    rule = FixedSteps(Ball(0.3), 0.1)
    whole = ascend(slope_at, None, mr, mr, rule, 5)
    assert len(asked) == 5
    first = slope_at(mr)
    known = ascend(slope_at, None, mr, mr, rule, 5, first)
    assert len(asked) == 5 + 1 + 4
    np.testing.assert_array_equal(whole, known)


def test_restarts_keep_each_slices_worst(arrays):
    # Slices of one pixel, each with a few maxima: another start may find another.
    mr, ct = (each.reshape(60, 1, 1, 1) for each in arrays)

    def errors(moved):
        return np.mean((np.sin(2 * moved) - ct) ** 2, axis=(1, 2, 3))

    found = [errors(ours(f"pgd:0.9:steps=4:restarts={n}", mr, ct)) for n in (1, 2, 4)]
    assert np.all(found[1] >= found[0]) and np.all(found[2] >= found[1])
    assert np.any(found[2] > found[0])


def test_a_target_is_come_near_to(arrays):
    mr, _ = arrays
    ct = normalize_ct(np.where(mr > 0.5, 900, 40))
    wanted = denormalize_ct(goal_of("no_bone", tf.constant(ct)).ct)
    np.testing.assert_allclose(wanted, 40, atol=1e-2)
    near, far = (
        np.mean((np.sin(2 * ours(text, mr, ct)) - normalize_ct(wanted)) ** 2)
        for text in ("pgd:0.2:target=no_bone", "pgd:0.2")
    )
    clean = np.mean((np.sin(2 * mr) - normalize_ct(wanted)) ** 2)
    assert near < clean < far
    bone = denormalize_ct(goal_of("bone", tf.constant(ct)).ct)
    np.testing.assert_allclose(bone, np.where(mr > 0.5, 900, 1000), atol=1e-2)


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_random_starts_fill_the_ball(norm):
    ball, seeds = Ball(0.5, norm), tf.constant(np.arange(400).reshape(200, 2), tf.int32)
    found = ball.random(seeds, tf.TensorShape((2, 1, 1))).numpy().reshape(200, 2)
    sizes = np.abs(found).max(axis=1) if norm == "inf" else np.linalg.norm(found, axis=1)
    assert sizes.max() <= 0.5 + 1e-6
    # In two dimensions half of the ball lies beyond 0.71 of its radius.
    assert np.mean(sizes > 0.5 * 2**-0.5) == pytest.approx(0.5, abs=0.1)
    assert np.abs(found.mean(axis=0)).max() < 0.06
