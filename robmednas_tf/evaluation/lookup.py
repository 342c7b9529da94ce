"""The intensity look-up table: what CT follows from MR brightness alone.

It sees no neighbourhood, so every network worth its training must beat it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# In z-score units: background lies near -1, the brightest fat at 3 to 4. Fixed, so that one pass
# will do and no outlier stretches the bins; what lies beyond shares the outermost ones.
LOWEST_MR, HIGHEST_MR = -3.0, 5.0


@dataclass(frozen=True, eq=False)
class LookupTable:
    """The mean CT value for each bin of MR brightness.

    Attributes:
        ct_hu: float64 `(num_bins,)`: bins of one width from `LOWEST_MR` to `HIGHEST_MR`.
    """

    ct_hu: np.ndarray

    @classmethod
    def fit(
        cls, pairs: Iterable[tuple[np.ndarray, np.ndarray]], num_bins: int = 256
    ) -> LookupTable:
        """Averages the CT of training subjects in each bin; bins none fell in are interpolated.

        Args:
            pairs: z-scored MR and CT in HU, each pair of one shape. Gone through once, so that a
                generator keeps memory flat in the number of subjects.
            num_bins: Number of bins, > 0.

        Raises:
            ValueError: If there is no pair, its shapes differ, or `num_bins` is not positive.
        """
        if num_bins < 1:
            raise ValueError(f"num_bins must be > 0. Received: {num_bins}.")
        counts, sums = np.zeros(num_bins), np.zeros(num_bins)
        for mr, ct_hu in pairs:
            if np.shape(mr) != np.shape(ct_hu):
                raise ValueError(
                    "MR and CT must have one shape. "
                    f"Received: mr {np.shape(mr)}, ct {np.shape(ct_hu)}."
                )
            bins = _bins(mr, num_bins).ravel()
            counts += np.bincount(bins, minlength=num_bins)
            sums += np.bincount(bins, weights=np.ravel(ct_hu), minlength=num_bins)
        filled = np.flatnonzero(counts)
        if not filled.size:
            raise ValueError("A look-up table needs at least one MR and CT. Received: none.")
        return cls(np.interp(np.arange(num_bins), filled, sums[filled] / counts[filled]))

    def predict(self, mr: np.ndarray) -> np.ndarray:
        """Returns the table's CT in HU, float32 like `mr` (z-scored, any shape)."""
        return self.ct_hu.astype(np.float32)[_bins(mr, self.ct_hu.size)]


def _bins(mr: np.ndarray, num_bins: int) -> np.ndarray:
    position = (np.asarray(mr) - LOWEST_MR) * (num_bins / (HIGHEST_MR - LOWEST_MR))
    return np.clip(position, 0, num_bins - 1).astype(np.intp)
