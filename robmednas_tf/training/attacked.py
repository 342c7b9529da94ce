"""The attacks that adversarial training trains on, against the weights of the moment.

Source: `robmednas_tf.adversarial.KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from robmednas_tf.adversarial import BERNOULLI, FINETUNE, NOISE, TRADES, AdversarialConfig
from robmednas_tf.attacks.attack import Slices, attacked
from robmednas_tf.attacks.fgsm import Model, fgsm
from robmednas_tf.attacks.label_free import fgsm_from_own_prediction
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.attacks.precision import computing_in_float32
from robmednas_tf.attacks.victim import Victim

# From a model, MR, CT and noise of uniform size below 1, and epsilon, to the attacked MR and what
# the last step was made from.
_Attack = Callable[
    [Model, tf.Tensor, tf.Tensor, tf.Tensor, Perturbation], tuple[tf.Tensor, tf.Tensor]
]


def attack_slices(
    model: Model,
    mr: tf.Tensor,
    ct: tf.Tensor,
    noise: tf.Tensor,
    config: AdversarialConfig,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Attacks slices as a kind of adversarial training does.

    Args:
        model: Called in inference mode as `model(mr, training=False)`, in float32.
        mr: float32 `(batch, height, width, 1)`, z-scored.
        ct: Like `mr`, normalised.
        noise: Like `mr`, uniform in [-1, 1); kinds that start at the slice itself pass it over.
        config: The kind and its epsilon.

    Returns:
        The attacked slices, like `mr`, and each one's mean `|step| / epsilon`, `(batch,)`: near 1,
        and 0 where the gradient is zero.
    """
    moved, origin = _ATTACKS[config.kind](model, mr, ct, noise, config.attack)
    return moved, tf.reduce_mean(tf.abs(moved - origin), axis=(1, 2, 3)) / config.epsilon


def _from_slice(
    model: Model, mr: tf.Tensor, ct: tf.Tensor, noise: tf.Tensor, attack: Perturbation
) -> tuple[tf.Tensor, tf.Tensor]:
    # The bits of uniform noise are as good a seed as any, and each slice has its own.
    seeds = tf.bitcast(noise[:, 0, :2, 0], tf.int32)
    return attacked(attack, Victim.of(model), Slices(mr, ct, seeds)), mr


def _from_noise(
    model: Model, mr: tf.Tensor, ct: tf.Tensor, noise: tf.Tensor, attack: Perturbation
) -> tuple[tf.Tensor, tf.Tensor]:
    start = mr + 2 * attack.size * noise
    return fgsm(model, start, ct, attack.size), start


def _from_own_prediction(
    model: Model, mr: tf.Tensor, ct: tf.Tensor, noise: tf.Tensor, attack: Perturbation
) -> tuple[tf.Tensor, tf.Tensor]:
    with computing_in_float32(model):
        synthetic_ct = model(mr, training=False)
    return fgsm_from_own_prediction(model, mr, synthetic_ct, noise, attack.size), mr


_ATTACKS: Mapping[str, _Attack] = {
    BERNOULLI: _from_slice,
    FINETUNE: _from_slice,
    NOISE: _from_noise,
    TRADES: _from_own_prediction,
}
