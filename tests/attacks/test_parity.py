"""Attacks against the libraries that everyone cites: not a pixel differs."""

import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks.attack import Slices, attacked
from robmednas_tf.attacks.goal import goal_of
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.attacks.victim import Victim
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet

EPSILON, STEPS, STEP_SIZE = 0.1, 10, 0.025
PGD = f"pgd:{EPSILON}:steps={STEPS}:step_size={STEP_SIZE}"


@pytest.fixture(scope="module")
def model():
    block = Block("0110", 8, 4)
    return build_unet(Architecture((block,) * 2, (block,) * 2), (16, 20, 1), seed=3)


@pytest.fixture(scope="module")
def slices():
    mr, ct = np.random.default_rng(0).normal(size=(2, 4, 16, 20, 1)).astype("float32")
    return Slices.of("a", 0, 0, mr, 0.3 * ct)


def ours(text, model, slices):
    return np.asarray(attacked(Perturbation.parse(text), Victim.of(model), slices))


def squared_error(ct):
    """The loss in CleverHans' signature: a number for each slice."""
    return lambda labels, logits: tf.reduce_mean(tf.square(labels - logits), axis=(1, 2, 3))


@pytest.mark.parametrize("target", [None, "no_bone"])
@pytest.mark.parametrize(("norm", "name"), [(np.inf, "inf"), (2, "2")])
def test_cleverhans(reference, model, slices, norm, name, target):
    cleverhans = reference("cleverhans.tf2.attacks.projected_gradient_descent")
    scale = 1 if norm == np.inf else 10
    theirs = cleverhans.projected_gradient_descent(
        lambda mr: model(mr, training=False),
        slices.mr,
        scale * EPSILON,
        scale * STEP_SIZE,
        STEPS,
        norm,
        loss_fn=squared_error(slices.ct),
        y=goal_of(target, slices.ct).ct,
        targeted=target is not None,
        rand_init=False,
        sanity_checks=False,
    )
    text = f"pgd:{scale * EPSILON}:steps={STEPS}:step_size={scale * STEP_SIZE}:norm={name}"
    found = ours(text + (f":target={target}" if target else ""), model, slices)
    assert np.abs(found - slices.mr).max() > 0.01
    if norm == np.inf:
        np.testing.assert_array_equal(found, theirs)
    else:
        np.testing.assert_allclose(found, theirs, atol=1e-5)


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_foolbox(reference, model, slices, norm):
    foolbox = reference("foolbox")
    kind = foolbox.attacks.LinfPGD if norm == "inf" else foolbox.attacks.L2PGD

    class Regression(kind):
        def get_loss_fn(self, model, labels):
            return lambda mr: (model(mr) - labels).square().mean(axis=(1, 2, 3)).sum()

        def value_and_grad(self, loss_fn, x):
            return foolbox.attacks.gradient_descent_base.ep.value_and_grad(loss_fn, x)

    scale = 1 if norm == "inf" else 10
    attack = Regression(abs_stepsize=scale * STEP_SIZE, steps=STEPS, random_start=False)
    victim = foolbox.TensorFlowModel(model, bounds=(-1e3, 1e3))
    criterion = foolbox.criteria.Misclassification(slices.ct)
    theirs = attack.run(victim, slices.mr, criterion, epsilon=scale * EPSILON)
    found = ours(
        f"pgd:{scale * EPSILON}:steps={STEPS}:step_size={scale * STEP_SIZE}:norm={norm}",
        model,
        slices,
    )
    if norm == "inf":
        np.testing.assert_array_equal(found, theirs)
    else:
        np.testing.assert_allclose(found, theirs, atol=1e-5)


@pytest.mark.parametrize("text", [f"fgsm:{EPSILON}", PGD])
def test_art(reference, model, slices, text):
    evasion = reference("art.attacks.evasion")
    from art.estimators.regression import RegressorMixin
    from art.estimators.tensorflow import TensorFlowV2Estimator

    class Regressor(RegressorMixin, TensorFlowV2Estimator):
        estimator_params = TensorFlowV2Estimator.estimator_params
        input_shape = (16, 20, 1)

        def predict(self, x, batch_size=128, **kwargs):
            return model(x, training=False).numpy()

        def loss_gradient(self, x, y, **kwargs):
            mr = tf.convert_to_tensor(x)
            with tf.GradientTape() as tape:
                tape.watch(mr)
                errors = tf.reduce_mean(tf.square(y - model(mr, training=False)), axis=(1, 2, 3))
            return tape.gradient(errors, mr).numpy()

        def fit(self, *arguments, **kwargs): ...
        def get_activations(self, *arguments, **kwargs): ...
        def compute_loss(self, *arguments, **kwargs): ...

    estimator = Regressor(model=model, clip_values=None, channels_first=False)
    if text.startswith("fgsm"):
        attack = evasion.FastGradientMethod(estimator, eps=EPSILON, batch_size=4)
    else:
        attack = evasion.ProjectedGradientDescentNumpy(
            estimator, eps=EPSILON, eps_step=STEP_SIZE, max_iter=STEPS, batch_size=4, verbose=False
        )
    theirs = attack.generate(slices.mr.numpy(), slices.ct.numpy())
    np.testing.assert_array_equal(ours(text, model, slices), theirs)
