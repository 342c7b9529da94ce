"""Chance that belongs to a subject's slices, whatever the batch, the model and the attack."""

from __future__ import annotations

import zlib

import numpy as np


def noise_of_slices(
    subject: str, first_slice: int, shape: tuple[int, ...], seed: int
) -> np.ndarray:
    """Draws noise that belongs to a subject's slices.

    Args:
        subject: The subject's name.
        first_slice: Place of the batch's first slice among the subject's.
        shape: `(batch, height, width, 1)`.
        seed: One seed, one noise.

    Returns:
        float32 of that shape, of mean 0 and standard deviation 1.
    """
    key = zlib.crc32(subject.encode())
    generators = (
        np.random.default_rng((seed, key, first_slice + place)) for place in range(shape[0])
    )
    return np.stack([each.standard_normal(shape[1:], np.float32) for each in generators])


def seeds_of_slices(subject: str, first_slice: int, count: int, seed: int) -> np.ndarray:
    """Returns seeds that belong to a subject's slices.

    Args:
        subject: The subject's name.
        first_slice: Place of the batch's first slice among the subject's.
        count: Slices in the batch.
        seed: One seed, one chance.

    Returns:
        int32 `(count, 2)`, each the first of a few that an attack may use.
    """
    key = zlib.crc32(subject.encode())
    sequences = (np.random.SeedSequence((seed, key, first_slice + place)) for place in range(count))
    return np.stack([each.generate_state(2) >> 2 for each in sequences]).astype(np.int32)
