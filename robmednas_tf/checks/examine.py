"""Each check of the table, carried out on a model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np

from robmednas_tf.checks.probe import NUM_STEPS, Probe
from robmednas_tf.checks.table import CHECKS, Finding
from robmednas_tf.data.intensities import denormalize_ct
from robmednas_tf.evaluation.metrics import CodedCT, VolumeMetrics, mean_over_regions

_PGD = f"pgd:{{}}:steps={NUM_STEPS}"
_SIZES = (0.25, 0.5, 1.0, 2.0)
_NO_OTHER_MODEL = "no other model was given"


def examine(
    name: str, probe: Probe, on_check: Callable[[str], None] = lambda title: None
) -> list[Finding]:
    """Carries out every check on a model.

    Args:
        name: The model's name.
        probe: The model on some slices.
        on_check: Told of each check before it begins.

    Returns:
        A finding a check, in the table's order.
    """
    found = []
    for check, measure in _MEASURES.items():
        on_check(CHECKS[check].title)
        if check == "transfer" and not probe.others:
            found.append(Finding(name, check, math.nan, _NO_OTHER_MODEL))
            continue
        found.append(Finding(name, check, measure(probe)))
    return found


def _zero_gradients(probe: Probe) -> float:
    return float(np.mean(probe.gradients == 0))


def _repeatability(probe: Probe) -> float:
    return probe.spread_of_runs


def _steps(probe: Probe) -> float:
    return ratio(probe.harm(_PGD), probe.harm("fgsm:{}"))


def _beats_chance(probe: Probe) -> float:
    return ratio(probe.harm("fgsm:{}"), probe.random_harm)


def _black_box(probe: Probe) -> float:
    return ratio(probe.harm("square:{}:queries=600"), probe.best_harm)


def _transfer(probe: Probe) -> float:
    return max(ratio(harm, probe.best_harm) for harm in probe.transferred_harm.values())


def _convergence(probe: Probe) -> float:
    return ratio(probe.harm("pgd:{}:steps=40"), probe.harm(_PGD)) - 1


def _restarts(probe: Probe) -> float:
    return ratio(probe.harm(f"{_PGD}:restarts=3"), probe.harm(_PGD)) - 1


def alignment(probe: Probe) -> float:
    """Returns the mean cosine between gradients at a slice and near it; NaN where one is zero."""
    here, there = probe.gradients, probe.gradients_nearby
    sizes = np.linalg.norm(here, axis=1) * np.linalg.norm(there, axis=1)
    if not np.all(sizes > 0):
        return math.nan
    return float(np.mean(np.sum(here * there, axis=1) / sizes))


def _linearity(probe: Probe) -> float:
    promised = probe.epsilon * np.abs(probe.gradients).sum(axis=1)
    return ratio(probe.harm("fgsm:{}"), promised)


def _monotone(probe: Probe) -> float:
    means = [
        float(np.mean(probe.harm(f"pgd:{size * probe.epsilon:.12g}:steps={NUM_STEPS}")))
        for size in _SIZES
    ]
    rises = [
        (after - before) / max(abs(after), abs(before)) if after or before else 0.0
        for before, after in itertools.pairwise(means)
    ]
    return min(rises)


def _destruction(probe: Probe) -> float:
    metrics = VolumeMetrics()
    for batch, predicted in zip(probe.batches, probe.predictions("fgsm:20"), strict=True):
        metrics.update(CodedCT.of(denormalize_ct(batch.ct)), denormalize_ct(predicted))
    return mean_over_regions(metrics.result())[0]


def ratio(above: np.ndarray, below: np.ndarray) -> float:
    """Returns a ratio of means; NaN where nothing is compared with nothing.

    Where the lower one is negative (an attack that helps), the ratio grows with the upper one all
    the same: it is 1 plus what the upper one gains, relative to the lower one's magnitude.
    """
    upper, lower = float(np.mean(above)), float(np.mean(below))
    if lower == 0:
        return math.nan if upper == 0 else math.copysign(math.inf, upper)
    return 1 + (upper - lower) / abs(lower)


_MEASURES: Mapping[str, Callable[[Probe], float]] = {
    "zero_gradients": _zero_gradients,
    "repeatability": _repeatability,
    "steps": _steps,
    "beats_chance": _beats_chance,
    "black_box": _black_box,
    "transfer": _transfer,
    "convergence": _convergence,
    "restarts": _restarts,
    "alignment": alignment,
    "linearity": _linearity,
    "monotone": _monotone,
    "destruction": _destruction,
}
