import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks.label_free import fgsm_from_own_prediction


def slope_model(mr, training):
    """A network whose output bends: its gradient differs from point to point."""
    return 0.5 * mr**2


def volume(seed):
    return np.random.default_rng(seed).standard_normal((2, 6, 6, 1)).astype("float32")


def attack(mr, noise, epsilon):
    mr = tf.constant(mr)
    own = slope_model(mr, training=False)
    return fgsm_from_own_prediction(slope_model, mr, own, tf.constant(noise), epsilon).numpy()


def test_worked_out_by_hand():
    # Prediction p = x^2 / 2. At x + a, with a = epsilon to the noise's side, the loss
    # (p(x) - p(x + a))^2 grows with x + a where (p(x + a) - p(x)) * (x + a) > 0.
    mr, noise = volume(0), volume(1)
    start = mr + 0.2 * np.sign(noise)
    uphill = np.sign((start**2 - mr**2) * start)
    np.testing.assert_allclose(attack(mr, noise, 0.2), mr + 0.2 * uphill, atol=1e-6)


def test_moves_a_smooth_prediction_further_than_noise_of_the_same_size():
    def smooth(mr, training=False):
        return tf.nn.avg_pool2d(mr, 3, 1, "SAME")

    rng = np.random.default_rng(8)
    mr, noise = rng.standard_normal((2, 4, 32, 32, 1)).astype("float32")
    attacked = fgsm_from_own_prediction(
        smooth, tf.constant(mr), smooth(mr), tf.constant(noise), 0.3
    )
    moved = np.abs(smooth(attacked) - smooth(mr)).mean()
    by_noise = np.abs(smooth(mr + 0.3 * np.sign(noise).astype("float32")) - smooth(mr)).mean()
    # Noise averages out, and what a gradient moves does not.
    assert moved > 1.5 * by_noise


@pytest.mark.parametrize("epsilon", [0.01, 0.2, 1.0])
def test_stays_in_its_ball_and_moves_the_prediction(epsilon):
    mr = volume(2)
    attacked = attack(mr, volume(3), epsilon)
    # Up to the rounding of two float32 sums.
    assert np.abs(attacked - mr).max() <= epsilon + 1e-6
    assert (attacked != mr).any()


def test_epsilon_zero_is_the_identity():
    np.testing.assert_array_equal(attack(volume(4), volume(5), 0.0), volume(4))


def test_one_slice_does_not_depend_on_the_others():
    mr, noise = volume(6), volume(7)
    alone = attack(mr[:1], noise[:1], 0.1)
    np.testing.assert_array_equal(attack(mr, noise, 0.1)[:1], alone)


def test_negative_epsilon_is_refused():
    with pytest.raises(ValueError, match="epsilon must be >= 0"):
        attack(volume(0), volume(1), -0.1)
