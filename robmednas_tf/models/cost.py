"""What an architecture costs, worked out from its blocks without building it.

Source of the structure: paper Figures 1 and 2, as in `blocks.py`; parameters agree with Keras.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from robmednas_tf.models.architecture import BRANCHES, Architecture, Block, active_branches

_FLOAT_BYTES = 4
# Weights and their gradients, both also as one flat vector, Adam's three moments (AMSGrad), their
# new values while they are computed, and the running average of the weights.
_COPIES_OF_PARAMETERS = 12
# Activations are kept for the backward pass; the gradients that flow through the widest layers,
# and the copies a convolution makes in its own memory layout, come on top. Measured on random
# architectures: see benchmarks/memory.py.
_GRADIENT_SHARE = 0.5
# The graph of a block's training step, whatever the block's size.
_BLOCK_BYTES = 12_000_000


@dataclass(frozen=True)
class Cost:
    """Costs of one architecture on one grid.

    Attributes:
        parameters: Trainable parameters, exact.
        flops: Floating-point operations of a forward pass of one slice: two for each
            multiplication and addition of a convolution; nothing else is counted.
        activations: Numbers kept for the backward pass of one slice: every layer's output.
        blocks: Encoder and decoder blocks.
    """

    parameters: int
    flops: int
    activations: int
    blocks: int

    def training_bytes(self, batch_size: int) -> int:
        """Estimates the peak memory of a training step beyond the runtime's own, in bytes."""
        activations = self.activations * batch_size * (1 + _GRADIENT_SHARE)
        numbers = activations + _COPIES_OF_PARAMETERS * self.parameters
        return int(_FLOAT_BYTES * numbers) + _BLOCK_BYTES * self.blocks


@dataclass(frozen=True)
class _Layer:
    """One layer's output: its grid, and for a convolution what it is made from."""

    height: int
    width: int
    channels: int
    inputs: int = 0
    kernel_size: int = 0

    @property
    def parameters(self) -> int:
        return self.channels * (self.inputs * self.kernel_size**2 + 1) if self.kernel_size else 0

    @property
    def size(self) -> int:
        return self.height * self.width * self.channels

    @property
    def flops(self) -> int:
        return 2 * self.inputs * self.kernel_size**2 * self.size


def estimate_cost(architecture: Architecture, input_shape: tuple[int, int, int]) -> Cost:
    """Works out the cost of `architecture` without building it.

    Args:
        architecture: The blocks.
        input_shape: `(height, width, channels)` of a slice.

    Returns:
        Its parameters, operations and kept activations.
    """
    layers = list(_unet_layers(architecture, input_shape))
    return Cost(
        parameters=sum(layer.parameters for layer in layers),
        flops=sum(layer.flops for layer in layers),
        activations=sum(layer.size for layer in layers),
        blocks=2 * architecture.depth,
    )


def _unet_layers(architecture: Architecture, input_shape: tuple[int, int, int]) -> Iterator[_Layer]:
    multiple = 2**architecture.depth
    height, width = (math.ceil(size / multiple) * multiple for size in input_shape[:2])
    channels = input_shape[2]
    yield _Layer(height, width, channels)
    skips = []
    for block in architecture.encoder:
        skips.append(channels)
        yield from _branch_layers(block, height, width, channels)
        height, width, channels = height // 2, width // 2, block.filters
        yield _Layer(height, width, channels, channels, 4)
        yield from _finish_layers(block, height, width)
    for block in architecture.decoder:
        yield from _branch_layers(block, height, width, channels)
        height, width = 2 * height, 2 * width
        yield _Layer(height, width, block.filters)
        yield from _finish_layers(block, height, width)
        channels = block.filters + skips.pop()
        yield _Layer(height, width, channels)
    yield _Layer(height, width, 1, channels, 1)


def _branch_layers(block: Block, height: int, width: int, channels: int) -> Iterator[_Layer]:
    places = active_branches(block.pattern)
    for place in places:
        inputs = channels
        for kind, kernel_size in BRANCHES[place]:
            if kind == "pool":
                yield _Layer(height, width, inputs)
            else:
                yield _Layer(height, width, block.filters, inputs, kernel_size)
                inputs = block.filters
    joined = block.filters * len(places)
    if len(places) > 1:
        yield _Layer(height, width, joined)
    yield _Layer(height, width, block.filters, joined, 1)


def _finish_layers(block: Block, height: int, width: int) -> Iterator[_Layer]:
    yield _Layer(height, width, block.filters, block.filters, 3)
    if block.reduction_ratio is not None:
        yield _Layer(1, 1, block.squeeze_units, block.filters, 1)
        yield _Layer(1, 1, block.filters, block.squeeze_units, 1)
        yield _Layer(height, width, block.filters)
