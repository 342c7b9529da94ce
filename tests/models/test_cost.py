"""Costs worked out from blocks, against the networks themselves."""

import random

import keras
import numpy as np
import pytest

from robmednas_tf.models.architecture import NAMED, PATTERNS, Architecture, Block
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.models.space import FILTERS, REDUCTION_RATIOS
from robmednas_tf.models.unet import build_unet


def random_architecture(generator, depths):
    def block():
        return Block(
            generator.choice(PATTERNS),
            generator.choice(FILTERS),
            generator.choice((None, *REDUCTION_RATIOS)),
        )

    depth = generator.choice(depths)
    return Architecture(tuple(block() for _ in range(depth)), tuple(block() for _ in range(depth)))


def test_parameters_agree_with_keras_for_200_random_architectures():
    generator = random.Random(0)
    for place in range(200):
        # Mostly shallow ones, which have the same blocks and build faster.
        architecture = random_architecture(generator, (1, 1, 1, 1, 2, 2, 3, 5))
        shape = (generator.randint(8, 20), generator.randint(8, 20), generator.randint(1, 3))
        model = build_unet(architecture, shape)
        assert estimate_cost(architecture, shape).parameters == model.count_params()
        if place % 25 == 0:
            keras.backend.clear_session()


@pytest.mark.parametrize("seed", range(5))
def test_operations_and_activations_agree_with_the_layers(seed):
    architecture = random_architecture(random.Random(seed), (1, 2, 3))
    model = build_unet(architecture, (18, 24, 1))
    flops = activations = 0
    for layer in model.layers:
        size = int(np.prod(layer.output.shape[1:]))
        if not layer.name.endswith("_se_pool") and layer.name not in ("mr", "crop"):
            activations += size
        if isinstance(layer, keras.layers.Conv2D):
            flops += 2 * size * int(np.prod(layer.kernel.shape[:3]))
    cost = estimate_cost(architecture, (18, 24, 1))
    assert cost.flops == flops
    # The padded input counts, whether a layer pads it or not.
    if not any(layer.name == "pad" for layer in model.layers):
        activations += 18 * 24
    assert cost.activations == activations


def test_memory_grows_with_batch_and_network():
    baseline, found = (estimate_cost(NAMED[name], (64, 64, 1)) for name in NAMED)
    assert baseline.training_bytes(6) < baseline.training_bytes(12) < found.training_bytes(12)
