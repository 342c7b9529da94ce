"""Scores of the networks of `accelerated_training.py`: what the evaluation measures, in JAX.

Every function here is of one network and one subject.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import accelerated_networks as networks
import jax
import jax.numpy as jnp
import numpy as np

from robmednas_tf.data.intensities import CT_MEAN_HU, CT_SCALE_HU
from robmednas_tf.evaluation.metrics import RegionScore
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.models.architecture import Architecture

BATCH_SIZE = 6
EPSILONS = (0.06, 0.2)
# Steps of projected gradient descent, at the larger epsilon.
PGD_STEPS = (5, 20)

Slices = tuple[jax.Array, jax.Array]


def sums(truth: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Returns what Dice and MAE are made from.

    Args:
        truth: CT in HU.
        y_pred: Normalised synthetic CT, like `truth`.

    Returns:
        `(regions, 4)`: pixels in both, in truth, in the prediction, and the truth's sum of absolute
        errors in HU.
    """
    found = y_pred * CT_SCALE_HU + CT_MEAN_HU
    rows = []
    for region in REGIONS.values():
        # A rule for arrays of NumPy, but JAX's have the same operators.
        contains: Callable[[Any], Any] = region.contains
        here, there = contains(truth), contains(found)
        error = jnp.where(here, jnp.abs(truth - found), 0.0).sum()
        rows.append(jnp.stack([(here & there).sum(), here.sum(), there.sum(), error]))
    return jnp.stack(rows)


def region_scores(sums: np.ndarray) -> dict[str, RegionScore]:
    """Returns a subject's scores from its sums, as `VolumeMetrics` does."""
    scores = {}
    for name, (both, in_true, in_pred, error) in zip(REGIONS, sums.astype(float), strict=True):
        dice = 2 * both / (in_true + in_pred) if in_true + in_pred else float("nan")
        scores[name] = RegionScore(dice, error / in_true if in_true else float("nan"))
    return scores


def score(
    envelope: Architecture,
    copies: networks.Weights,
    place: jax.Array,
    gates: networks.Gates,
    subject: Slices,
) -> jax.Array:
    """Scores a network on a subject, clean and under FGSM of both epsilons.

    Args:
        envelope: In whose shapes the network is.
        copies: The weights of each average.
        place: Which of them is scored.
        gates: The network's.
        subject: MR, and CT in HU.

    Returns:
        `(conditions, regions, 4)`: see `sums`.
    """
    weights = jax.tree.map(lambda each: each[place], copies)

    def on_batch(slices: Slices) -> jax.Array:
        mr, truth = slices
        ct = (truth - CT_MEAN_HU) / CT_SCALE_HU
        clean, sign = _explained(envelope, weights, gates, (mr, ct))
        attacked = [mr + epsilon * sign for epsilon in EPSILONS]
        found = [clean, *(networks.predict(envelope, weights, gates, each) for each in attacked)]
        return jnp.stack([sums(truth, each) for each in found])

    return _over_batches(on_batch, subject)


def attack(
    envelope: Architecture,
    copies: networks.Weights,
    place: jax.Array,
    gates: networks.Gates,
    subject: Slices,
) -> tuple[jax.Array, jax.Array]:
    """Scores a network clean, under FGSM and under projected gradient descent of some steps.

    The steps are `2.5 * epsilon / steps` long and start at the clean MR (Madry et al. 2018 start at
    random). Arguments are those of `score`.

    Returns:
        `(conditions, regions, 4)`, see `sums`, and each condition's sum of slices' mean squared
        errors.
    """
    epsilon = EPSILONS[-1]
    weights = jax.tree.map(lambda each: each[place], copies)

    def on_batch(slices: Slices) -> tuple[jax.Array, jax.Array]:
        mr, truth = slices
        ct = (truth - CT_MEAN_HU) / CT_SCALE_HU

        def moved(steps: int) -> jax.Array:
            def further(_: int, here: jax.Array) -> jax.Array:
                sign = _explained(envelope, weights, gates, (here, ct))[1]
                there = here + 2.5 * epsilon / steps * sign
                return jnp.clip(there, mr - epsilon, mr + epsilon)

            return jax.lax.fori_loop(0, steps, further, mr)

        _, sign = _explained(envelope, weights, gates, (mr, ct))
        inputs = [mr, mr + epsilon * sign, *map(moved, PGD_STEPS)]
        found = [networks.predict(envelope, weights, gates, each) for each in inputs]
        errors = jnp.stack([jnp.square(ct - each).mean(axis=(1, 2, 3)).sum() for each in found])
        return jnp.stack([sums(truth, each) for each in found]), errors

    return _over_batches(on_batch, subject)


def _explained(
    envelope: Architecture, weights: networks.Weights, gates: networks.Gates, slices: Slices
) -> tuple[jax.Array, jax.Array]:
    mr, ct = slices

    def loss_of(mr: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = networks.predict(envelope, weights, gates, mr)
        return jnp.square(ct - found).mean(axis=(1, 2, 3)).sum(), found

    gradient, found = jax.grad(loss_of, has_aux=True)(mr)
    return found, jnp.sign(gradient)


def _over_batches(function: Any, subject: Slices) -> Any:
    parts = jax.tree.map(lambda each: each.reshape(-1, BATCH_SIZE, *each.shape[1:]), subject)
    return jax.tree.map(lambda each: each.sum(axis=0), jax.lax.map(function, parts))
