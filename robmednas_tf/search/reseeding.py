"""The seeds of a candidate's further trainings.

They may never change: repeats on disk are found again by them.
"""

from __future__ import annotations

import hashlib
import itertools

from robmednas_tf.models.architecture import Architecture
from robmednas_tf.search.hypermodel import UNetHyperModel


def repeat_seeds(
    hypermodel: UNetHyperModel, architecture: Architecture, num_repeats: int
) -> list[int]:
    """Returns seeds for `reseeded`: with no two of them, nor with the trial's, are weights equal.

    They follow from the search's seed, the architecture and the repeat's number; more repeats
    leave the first ones' seeds as they are.
    """
    drawn, found = {hypermodel.seed_of(architecture)}, []
    for number in itertools.count(1):
        text = f"{hypermodel.seed} {architecture.to_json()} repeat {number}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
        effective = reseeded(hypermodel, seed).seed_of(architecture)
        if effective not in drawn:
            drawn.add(effective)
            found.append(seed)
        if len(found) == num_repeats:
            break
    return found


def reseeded(hypermodel: UNetHyperModel, seed: int) -> UNetHyperModel:
    """Returns a hypermodel that is the same but for its seed."""
    return UNetHyperModel(
        hypermodel.space,
        hypermodel.data,
        hypermodel.training,
        hypermodel.attack,
        seed,
        hypermodel.max_memory_gb,
    )
