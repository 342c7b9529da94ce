"""What an adversarial training logs of its gradients, on sound and on shattered ones."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.checks.overfitting import ALIGNMENT, PGD_OVER_FGSM, OverfittingWatch
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet
from robmednas_tf.report import training_contents

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from broken_models import shattered

BLOCK = Block("0110", 8, 4)


@pytest.fixture(scope="module")
def model():
    return build_unet(Architecture((BLOCK,), (BLOCK,)), (16, 16, 1), seed=1)


def test_names_are_those_of_the_report():
    assert training_contents.PGD_OVER_FGSM == PGD_OVER_FGSM
    assert training_contents.ALIGNMENT == ALIGNMENT


def test_shattered_gradients_are_seen(model, prepared_heads):
    sound = OverfittingWatch(model, prepared_heads[:2], 0.1)()
    broken = OverfittingWatch(shattered(model), prepared_heads[:2], 0.1)()
    assert 1 <= sound[PGD_OVER_FGSM] < 10
    assert sound[ALIGNMENT] > 0.3
    assert abs(broken[ALIGNMENT]) < 0.1


def test_the_weights_of_the_moment_are_looked_at(model, prepared_heads):
    watch = OverfittingWatch(model, prepared_heads[:1], 0.1)
    before, weights = watch(), model.get_weights()
    model.set_weights([0.5 * each for each in weights])
    after = watch()
    model.set_weights(weights)
    assert after != before
    assert watch() == pytest.approx(before)


def test_without_a_gradient_nothing_is_defined(model, prepared_heads):
    class Constant:
        input_shape = output_shape = (None, 16, 16, 1)

        def __call__(self, mr, *, training):
            return tf.zeros_like(mr)

    found = OverfittingWatch(Constant(), prepared_heads[:1], 0.1)()
    assert all(math.isnan(each) for each in found.values())
    assert np.isnan(found[ALIGNMENT])
