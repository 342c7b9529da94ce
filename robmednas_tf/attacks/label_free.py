"""FGSM where no CT exists: against the network's own prediction, from a random start.

At the clean MR the error against one's own prediction is zero, and so is its gradient: it is taken
at a random corner of the ball instead, and the step from the clean MR. (R+FGSM steps on from the
random point, and so spends half of its budget at random: measured, it moves a prediction half as
far.)

Source: Tramer et al. 2018, Ensemble Adversarial Training (the random start).
"""

from __future__ import annotations

import tensorflow as tf

from robmednas_tf.attacks.fgsm import Model, prediction_and_gradient, signed_step


def fgsm_from_own_prediction(
    model: Model, mr: tf.Tensor, synthetic_ct: tf.Tensor, noise: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """Perturbs MR slices so that the network departs from its own prediction.

    Args:
        model: Called in inference mode as `model(mr, training=False)`.
        mr: float32 `(batch, height, width, channels)`, z-scored.
        synthetic_ct: float32 `(batch, height, width, 1)`: what the model makes of `mr`.
        noise: Like `mr`; its signs are the random start.
        epsilon: L-infinity size of the perturbation, in z-score units, >= 0.

    Returns:
        Tensor like `mr`, with `|result - mr| <= epsilon`.

    Raises:
        ValueError: If `epsilon` is negative.
    """
    start = signed_step(mr, noise, epsilon)
    _, gradient = prediction_and_gradient(model, start, synthetic_ct)
    return signed_step(mr, gradient, epsilon)
