"""Networks of many architectures side by side in JAX, all in the shapes of one that holds them all.

An architecture's weights among zeros, in the shapes of a larger architecture, are the same network:
a feature whose kernel and bias are zero is zero after its ReLU, which lets no gradient through at
zero, so that in training, too, these weights stay zero. So one compiled program serves all
architectures that an envelope holds, and a batch of them is one batched matrix product a layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from accelerated_layers import Weights, convolve, pooled, upsampled

from robmednas_tf.models.architecture import BRANCHES, Architecture, Block, active_branches

# 1 where squeeze-and-excitation is on, else 0; inside a program one of JAX's arrays.
Gate: TypeAlias = np.float32 | jax.Array
# By block.
Gates = Mapping[str, Gate]

LAST = "synthetic_ct"
# Of a normal distribution that is cut off at two standard deviations.
_TRUNCATED_SD = 0.87962566103423978


@dataclass(frozen=True)
class Layer:
    """A convolution's shape.

    Attributes:
        size: Of its kernel.
        inputs: Channels of each part that its input is concatenated from; 0 for a part that the
            architecture lacks.
        filters: Its output's channels.
    """

    size: int
    inputs: tuple[int, ...]
    filters: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The kernel's."""
        return (self.size, self.size, sum(self.inputs), self.filters)


def layers_of(architecture: Architecture) -> dict[str, Layer]:
    """Returns an architecture's convolutions by name."""
    found: dict[str, Layer] = {}
    x: tuple[int, ...] = (1,)
    skips = []
    for name, block in blocks_of(architecture).items():
        if name.startswith("enc"):
            skips.append(x)
            x = _add_block(found, name, block, x)
        else:
            x = (*_add_block(found, name, block, x), *skips.pop())
    found[LAST] = Layer(1, x, 1)
    return found


def blocks_of(architecture: Architecture) -> dict[str, Block]:
    """Returns the blocks by name, in the order in which data pass them."""
    halves = {"enc": architecture.encoder, "dec": architecture.decoder}
    return {
        f"{half}{place}": block
        for half, blocks in halves.items()
        for place, block in enumerate(blocks, start=1)
    }


def _add_block(
    found: dict[str, Layer], name: str, block: Block, x: tuple[int, ...]
) -> tuple[int, ...]:
    out = (block.filters,)
    active = active_branches(block.pattern)
    for place in active:
        inputs = x
        for step, (kind, size) in enumerate(BRANCHES[place], start=1):
            if kind == "conv":
                found[f"{name}_branch{place + 1}_conv{step}"] = Layer(size, inputs, block.filters)
                inputs = out
    joined = tuple(block.filters * (place in active) for place in range(len(BRANCHES)))
    found[f"{name}_pointwise"] = Layer(1, joined, block.filters)
    if name.startswith("enc"):
        found[f"{name}_down"] = Layer(4, out, block.filters)
    found[f"{name}_conv"] = Layer(3, out, block.filters)
    if block.reduction_ratio is not None:
        found[f"{name}_se_squeeze"] = Layer(1, out, block.squeeze_units)
        found[f"{name}_se_excite"] = Layer(1, (block.squeeze_units,), block.filters)
    return out


def envelope_of(architectures: Sequence[Architecture]) -> Architecture:
    """Returns the smallest architecture that holds some others, all of one depth."""

    def union(blocks: Sequence[Block]) -> Block:
        switches = zip(*(block.pattern for block in blocks), strict=True)
        ratios = [block.reduction_ratio for block in blocks if block.reduction_ratio is not None]
        pattern, filters = "".join(map(max, switches)), max(block.filters for block in blocks)
        return Block(pattern, filters, min(ratios, default=None))

    halves = ([each.encoder for each in architectures], [each.decoder for each in architectures])
    encoder, decoder = (tuple(map(union, zip(*half, strict=True))) for half in halves)
    return Architecture(encoder, decoder)


def initial_weights(
    architecture: Architecture, initializer: str, seed: int, output_bias: float | None
) -> Weights:
    """Draws weights as `build_unet` does, though not the same ones.

    Args:
        architecture: Whose.
        initializer: `he_normal` or `glorot_uniform`.
        seed: Of the draw.
        output_bias: What the last layer starts as; None draws its kernel, too.
    """
    streams = np.random.SeedSequence(seed)
    found = {}
    for name, layer in layers_of(architecture).items():
        generator = np.random.default_rng(streams.spawn(1)[0])
        kernel = _drawn(layer.shape, initializer, generator)
        bias = np.zeros(layer.filters, np.float32)
        if name == LAST and output_bias is not None:
            kernel, bias = np.zeros_like(kernel), bias + np.float32(output_bias)
        found[name] = {"kernel": kernel, "bias": bias}
    return found


def _drawn(
    shape: tuple[int, int, int, int], initializer: str, generator: np.random.Generator
) -> np.ndarray:
    num_inputs, num_outputs = np.prod(shape[:3]), np.prod(shape[:2]) * shape[3]
    if initializer == "glorot_uniform":
        limit = np.sqrt(6 / (num_inputs + num_outputs))
        return generator.uniform(-limit, limit, shape).astype(np.float32)
    if initializer != "he_normal":
        raise ValueError(f"No weights can be drawn by initializer {initializer!r}.")
    drawn = generator.standard_normal(shape)
    while (outside := np.abs(drawn) > 2).any():
        drawn[outside] = generator.standard_normal(int(outside.sum()))
    return (drawn * np.sqrt(2 / num_inputs) / _TRUNCATED_SD).astype(np.float32)


def put_in(weights: Weights, architecture: Architecture, envelope: Architecture) -> Weights:
    """Puts an architecture's weights among zeros, in an envelope's shapes."""
    own = layers_of(architecture)
    found = {}
    for name, layer in layers_of(envelope).items():
        kernel, bias = np.zeros(layer.shape, np.float32), np.zeros(layer.filters, np.float32)
        if name in own:
            whole, begin = 0, 0
            for place, count in zip(layer.inputs, own[name].inputs, strict=True):
                part = weights[name]["kernel"][:, :, begin : begin + count]
                kernel[:, :, whole : whole + count, : own[name].filters] = part
                whole, begin = whole + place, begin + count
            bias[: own[name].filters] = weights[name]["bias"]
        found[name] = {"kernel": kernel, "bias": bias}
    return found


def gates_in(architecture: Architecture, envelope: Architecture) -> Gates:
    """Returns which of the envelope's squeeze-and-excitations an architecture has."""
    own = blocks_of(architecture)
    return {
        name: np.float32(own[name].reduction_ratio is not None)
        for name, block in blocks_of(envelope).items()
        if block.reduction_ratio is not None
    }


def predict(envelope: Architecture, weights: Weights, gates: Gates, mr: jax.Array) -> jax.Array:
    """Returns one network's synthetic CT.

    Args:
        envelope: In whose shapes the weights are.
        weights: By layer.
        gates: By block.
        mr: float32 `(batch, height, width, 1)`, of a grid that `2 ** depth` divides.
    """
    x, skips = mr, []
    for name, block in blocks_of(envelope).items():
        down = name.startswith("enc")
        if down:
            skips.append(x)
        y = _joined(weights, name, block, x)
        y = convolve(weights, f"{name}_down", y, 2) if down else upsampled(y)
        y = convolve(weights, f"{name}_conv", y)
        if name in gates:
            y = _squeezed(weights, name, gates[name], y)
        x = y if down else jnp.concatenate([y, skips.pop()], axis=-1)
    return convolve(weights, LAST, x, activation=lambda y: y)


def _joined(weights: Weights, name: str, block: Block, x: jax.Array) -> jax.Array:
    outputs = []
    for place in active_branches(block.pattern):
        y = x
        for step, (kind, _) in enumerate(BRANCHES[place], start=1):
            layer = f"{name}_branch{place + 1}_conv{step}"
            y = convolve(weights, layer, y) if kind == "conv" else pooled(y)
        outputs.append(y)
    return convolve(weights, f"{name}_pointwise", jnp.concatenate(outputs, axis=-1))


def _squeezed(weights: Weights, name: str, gate: Gate, x: jax.Array) -> jax.Array:
    means = x.mean(axis=(1, 2), keepdims=True)
    y = convolve(weights, f"{name}_se_squeeze", means)
    y = convolve(weights, f"{name}_se_excite", y, activation=jax.nn.sigmoid)
    return x * (gate * y + (1 - gate))
