"""The configurable blocks of the U-Net, as functions over stock Keras layers.

Layer names derive from the block's place (`enc1_branch2_conv1`), so that a summary reads like the
paper's Table 4 and a saved model loads with no custom object.

Source: paper section 2.2, Figure 2; squeeze-and-excitation from Hu et al. 2018.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

from robmednas_tf.models.architecture import BRANCHES, Block, active_branches

# Gives a convolution its kernel initializer, so that each may have a seed of its own.
Initializers = Callable[[], "keras.initializers.Initializer"]


def conv(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    name: str,
    initializers: Initializers,
    strides: int = 1,
) -> keras.KerasTensor:
    """Convolves with zero padding and applies ReLU."""
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        activation="relu",
        kernel_initializer=initializers(),
        name=name,
    )(x)


def squeeze_excite(
    x: keras.KerasTensor, units: int, name: str, initializers: Initializers
) -> keras.KerasTensor:
    """Rescales each channel by a gate computed from all channels' means.

    Args:
        x: Features `(batch, height, width, channels)`.
        units: Units of the squeeze layer, >= 1.
        name: Prefix of the layers' names.
        initializers: Gives each layer's kernel initializer.

    Returns:
        Features like `x`.

    Source: Hu et al. 2018.
    """
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    gate = conv(gate, units, 1, f"{name}_squeeze", initializers)
    gate = layers.Conv2D(
        x.shape[-1],
        1,
        activation="sigmoid",
        kernel_initializer=initializers(),
        name=f"{name}_excite",
    )(gate)
    return layers.Multiply(name=f"{name}_scale")([x, gate])


def multi_branch(
    x: keras.KerasTensor, pattern: str, filters: int, name: str, initializers: Initializers
) -> keras.KerasTensor:
    """Runs the branches that `pattern` switches on side by side and concatenates them.

    Args:
        x: Features `(batch, height, width, channels)`.
        pattern: Four switches as bits, A1 leftmost.
        filters: Filters of every convolution.
        name: Prefix of the layers' names.
        initializers: Gives each convolution's kernel initializer.

    Returns:
        Features `(batch, height, width, filters * number of branches)`.

    Source: paper Figure 2; the branches are this project's reading, see `BRANCHES`.
    """
    outputs = []
    for place in active_branches(pattern):
        y = x
        for step, (kind, kernel_size) in enumerate(BRANCHES[place], start=1):
            layer_name = f"{name}_branch{place + 1}_{kind}{step}"
            if kind == "pool":
                y = layers.MaxPooling2D(kernel_size, 1, "same", name=layer_name)(y)
            else:
                y = conv(y, filters, kernel_size, layer_name, initializers)
        outputs.append(y)
    if len(outputs) == 1:
        return outputs[0]
    return layers.Concatenate(name=f"{name}_branches")(outputs)


def encoder_block(
    x: keras.KerasTensor, block: Block, name: str, initializers: Initializers
) -> keras.KerasTensor:
    """Halves the grid: branches, point-wise, 4x4 with stride 2, 3x3, squeeze-and-excitation."""
    x = multi_branch(x, block.pattern, block.filters, name, initializers)
    x = conv(x, block.filters, 1, f"{name}_pointwise", initializers)
    x = conv(x, block.filters, 4, f"{name}_down", initializers, strides=2)
    return _finish(x, block, name, initializers)


def decoder_block(
    x: keras.KerasTensor, block: Block, name: str, initializers: Initializers
) -> keras.KerasTensor:
    """Doubles the grid: branches, point-wise, upsampling, 3x3, squeeze-and-excitation."""
    x = multi_branch(x, block.pattern, block.filters, name, initializers)
    x = conv(x, block.filters, 1, f"{name}_pointwise", initializers)
    # The paper says "upsampling layer"; nearest is Keras's default and adds no parameter.
    x = layers.UpSampling2D(2, name=f"{name}_up")(x)
    return _finish(x, block, name, initializers)


def _finish(
    x: keras.KerasTensor, block: Block, name: str, initializers: Initializers
) -> keras.KerasTensor:
    x = conv(x, block.filters, 3, f"{name}_conv", initializers)
    if block.reduction_ratio is None:
        return x
    return squeeze_excite(x, block.squeeze_units, f"{name}_se", initializers)
