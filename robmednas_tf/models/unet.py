"""The factory: an architecture becomes a Keras functional model.

Source: paper section 2.2, Figure 1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
from keras import layers

from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.blocks import Initializers, decoder_block, encoder_block


def build_unet(
    architecture: Architecture,
    input_shape: tuple[int, int, int],
    *,
    kernel_initializer: str = "he_normal",
    output_bias: float | None = None,
    seed: int = 0,
    dtype_policy: str = "float32",
) -> keras.Model:
    """Builds the U-Net of `architecture` for slices of one shape.

    A grid that `2 ** depth` does not divide is padded with zeros inside the model and cropped
    back, so that every depth works on every grid.

    Args:
        architecture: The blocks.
        input_shape: `(height, width, channels)` of a slice.
        kernel_initializer: Keras's name of every kernel's initializer. The paper names none;
            without normalisation layers it decides how much of a short trial's score is its seed:
            `he_normal` keeps the scale of the features, `glorot_uniform` is Keras's own default.
        output_bias: Where given, the last layer starts as this constant (zero kernel), in
            normalised CT units: the mean of the training CTs spares the steps that learn it.
        seed: Seed of the weights, >= 0.
        dtype_policy: Keras's name of the precision, such as `mixed_bfloat16`. Weights, input and
            output are float32 in each.

    Returns:
        An uncompiled model from float32 `(batch, height, width, channels)` to
        `(batch, height, width, 1)`, linear output.

    Raises:
        ValueError: If a dimension is not known.

    Source: paper Figure 1.
    """
    if len(input_shape) != 3 or any(not size or size < 1 for size in input_shape):
        raise ValueError(
            "input_shape must be (height, width, channels), each at least 1. "
            f"Received: {input_shape}."
        )
    with _default_policy(dtype_policy):
        return _build(architecture, input_shape, _seeded(kernel_initializer, seed), output_bias)


def _build(
    architecture: Architecture,
    input_shape: tuple[int, int, int],
    initializers: Initializers,
    output_bias: float | None,
) -> keras.Model:
    mr = keras.Input(input_shape, dtype="float32", name="mr")
    x = padded = _pad(mr, 2**architecture.depth)
    skips = []
    for place, block in enumerate(architecture.encoder, start=1):
        skips.append(x)
        x = encoder_block(x, block, f"enc{place}", initializers)
    for place, block in enumerate(architecture.decoder, start=1):
        x = decoder_block(x, block, f"dec{place}", initializers)
        x = layers.Concatenate(name=f"dec{place}_skip")([x, skips.pop()])
    last = initializers() if output_bias is None else "zeros"
    x = layers.Conv2D(
        1,
        1,
        kernel_initializer=last,
        bias_initializer=keras.initializers.Constant(output_bias or 0.0),
        dtype="float32",
        name="synthetic_ct",
    )(x)
    if padded is not mr:
        margins = _margins(input_shape, 2**architecture.depth)
        x = layers.Cropping2D(margins, dtype="float32", name="crop")(x)
    return keras.Model(mr, x, name=f"unet{architecture.depth}")


@contextlib.contextmanager
def _default_policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _pad(mr: keras.KerasTensor, multiple: int) -> keras.KerasTensor:
    margins = _margins(mr.shape[1:], multiple)
    if not any(sum(margin) for margin in margins):
        return mr
    return layers.ZeroPadding2D(margins, name="pad")(mr)


def _margins(shape: tuple[int, ...], multiple: int) -> tuple[tuple[int, int], ...]:
    missing = [-size % multiple for size in shape[:2]]
    return tuple((total // 2, total - total // 2) for total in missing)


def _seeded(name: str, seed: int) -> Initializers:
    streams = np.random.SeedSequence(seed)

    def make() -> keras.initializers.Initializer:
        value = int(streams.spawn(1)[0].generate_state(1)[0] >> 1)
        return keras.initializers.get({"class_name": name, "config": {"seed": value}})

    return make
