"""FGSM against its definition and against CleverHans."""

import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks.fgsm import fgsm, prediction_and_gradient, signed_step
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet


@pytest.fixture(scope="module")
def model():
    block = Block("0110", 8, 4)
    return build_unet(Architecture((block,) * 2, (block,) * 2), (18, 21, 1), seed=3)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    mr = rng.normal(size=(5, 18, 21, 1)).astype("float32")
    return tf.constant(mr), tf.constant(rng.normal(size=mr.shape).astype("float32"))


def test_a_linear_model_is_attacked_as_worked_out_by_hand():
    # Prediction 2 x; the squared error grows away from the target: up above it, down below.
    mr = tf.constant([1.0, -1.0, 0.5, 0.0], shape=(1, 2, 2, 1))
    ct = tf.constant([1.0, -1.0, 2.0, 0.0], shape=(1, 2, 2, 1))
    attacked = fgsm(lambda x, training: 2 * x, mr, ct, 0.25)
    np.testing.assert_array_equal(np.ravel(attacked), [1.25, -1.25, 0.25, 0.0])


def test_gradients_are_finite_differences():
    x = np.array([0.3, -0.7, 1.1, 0.2], "float32").reshape(1, 2, 2, 1)
    y = np.zeros_like(x)

    def model(values, training):
        return values**3

    _, gradient = prediction_and_gradient(model, tf.constant(x), tf.constant(y))
    # Mean over four pixels of x^6: 6 x^5 / 4.
    np.testing.assert_allclose(gradient, 6 * x**5 / 4, rtol=1e-5)


@pytest.mark.parametrize("epsilon", [0.0, 0.06, 0.2])
def test_the_perturbation_stays_in_its_ball_and_on_its_corners(model, batch, epsilon):
    mr, ct = batch
    change = fgsm(model, mr, ct, epsilon) - mr
    assert np.abs(change).max() <= epsilon + 1e-6
    _, gradient = prediction_and_gradient(model, mr, ct)
    np.testing.assert_allclose(change, epsilon * np.sign(gradient), atol=1e-6)


def test_the_loss_rises(model, batch):
    mr, ct = batch

    def loss(x):
        return float(tf.reduce_mean((model(x) - ct) ** 2))

    assert loss(fgsm(model, mr, ct, 0.05)) > loss(mr)


def test_a_slice_is_attacked_alike_in_every_batch(model, batch):
    mr, ct = batch
    whole = fgsm(model, mr, ct, 0.2)
    alone = tf.concat([fgsm(model, mr[i : i + 1], ct[i : i + 1], 0.2) for i in range(5)], axis=0)
    # Sums in another order may turn the sign of a gradient that is all but zero.
    assert np.mean(np.not_equal(whole, alone)) < 1e-3


def test_negative_sizes_are_refused(batch):
    with pytest.raises(ValueError, match="epsilon must be >= 0"):
        signed_step(batch[0], batch[1], -0.1)


@pytest.mark.parametrize("epsilon", [0.06, 0.2])
def test_no_pixel_differs_from_cleverhans(reference, model, batch, epsilon):
    cleverhans = reference("cleverhans.tf2.attacks.fast_gradient_method")
    mr, ct = batch
    theirs = cleverhans.fast_gradient_method(
        lambda x: model(x, training=False),
        mr,
        epsilon,
        np.inf,
        loss_fn=lambda labels, logits: tf.reduce_mean(tf.square(labels - logits), axis=(1, 2, 3)),
        y=ct,
    )
    assert np.count_nonzero(np.not_equal(theirs, fgsm(model, mr, ct, epsilon))) == 0
