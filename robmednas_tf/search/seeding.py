"""The seeds of independent searches, known before anything else of them is."""

from __future__ import annotations

import numpy as np


def repeat_seed(seed: int, repeat: int) -> int:
    """Returns the seed of one of several independent searches.

    The first repeat is the search that `seed` gives by itself. The others' seeds are drawn from
    streams of their own: neighbouring seeds share no repeat, and further repeats leave the earlier
    ones as they are.

    Args:
        seed: Of the repeats together, >= 0.
        repeat: Number of the repeat, from 1.

    Returns:
        For the first repeat `seed`, for another a number below 2**32.
    """
    if repeat == 1:
        return seed
    # A spawn key: SeedSequence reads a word that is missing as 0, so that [seed, repeat] would be
    # the stream of a trial of that number.
    source = np.random.SeedSequence(seed, spawn_key=(repeat,))
    return int(source.generate_state(1)[0])
