"""The fast gradient sign method against image-to-image regression.

Source: paper section 2.1; Goodfellow et al. 2015.
"""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf

from robmednas_tf.attacks.precision import computing_in_float32

# Of a model that rounds its input, say: nothing says which way to go.
_ZERO = tf.UnconnectedGradients.ZERO


class Model(Protocol):
    """What can be attacked: a Keras model, or anything that is called like one."""

    def __call__(self, mr: Any, /, *, training: bool) -> tf.Tensor:
        """Predicts normalised CT slices from z-scored MR slices."""


class SliceModel(Model, Protocol):
    """A model that knows its slices."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """`(None, height, width, 1)`."""

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """`(None, height, width, 1)`."""


def prediction_and_gradient(
    model: Model, mr: tf.Tensor, ct: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Predicts a batch and differentiates its loss by the input, in one forward pass.

    The loss of a slice is its mean squared error, and the batch's is the sum over its slices: the
    gradient of one slice does not depend on the others. All is computed in float32.

    Args:
        model: Called in inference mode as `model(mr, training=False)`.
        mr: float32 `(batch, height, width, channels)`, z-scored.
        ct: float32 `(batch, height, width, 1)`, normalised as the model's output is.

    Returns:
        The clean prediction, like `ct`, and the loss's gradient, like `mr`; zero where the model
        lets none through.
    """
    with (
        computing_in_float32(model),
        tf.GradientTape(watch_accessed_variables=False) as tape,
    ):
        tape.watch(mr)
        synthetic_ct = model(mr, training=False)
        loss = tf.reduce_sum(tf.reduce_mean(tf.square(ct - synthetic_ct), axis=(1, 2, 3)))
    return synthetic_ct, tape.gradient(loss, mr, unconnected_gradients=_ZERO)


def signed_step(mr: tf.Tensor, gradient: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Moves every pixel of `mr` by `epsilon` along the sign of `gradient`.

    Raises:
        ValueError: If `epsilon` is negative.
    """
    if epsilon < 0:
        raise ValueError(f"epsilon must be >= 0. Received: {epsilon}.")
    return mr + epsilon * tf.sign(gradient)


def fgsm(model: Model, mr: tf.Tensor, ct: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Perturbs MR slices by one signed-gradient step.

    Args:
        model: Called in inference mode as `model(mr, training=False)`.
        mr: float32 `(batch, height, width, channels)`, z-scored.
        ct: float32 `(batch, height, width, 1)`, normalised as the model's output is.
        epsilon: L-infinity size of the step, in z-score units, >= 0.

    Returns:
        Tensor like `mr`, with `|result - mr| <= epsilon`; not clipped, since a z-scored MR has no
        fixed range.

    Raises:
        ValueError: If `epsilon` is negative.

    Source: paper section 2.1; Goodfellow et al. 2015.
    """
    mr = tf.convert_to_tensor(mr, tf.float32)
    _, gradient = prediction_and_gradient(model, mr, tf.convert_to_tensor(ct, tf.float32))
    return signed_step(mr, gradient, epsilon)
