"""Z-scoring a corrupted volume again, from sums that one pass over its slices leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Rescaling:
    """What z-scoring again does to the values of a corrupted volume: `factor * value + shift`.

    Attributes:
        factor: In which the corrupted volume's deviation becomes the clean one's.
        shift: In which its mean becomes the clean one's.
        lowest: Lowest value of the corrupted volume, z-scored again.
        rms: Root mean squared change of the MR over all voxels.
    """

    factor: float
    shift: float
    lowest: float
    rms: float


@dataclass
class Sums:
    """Sums over the voxels of a volume, clean and corrupted, slice by slice.

    Attributes:
        counted: Over the voxels that z-scoring counts: number, corrupted, its square, clean, its
            square.
        whole: Over all voxels: number, corrupted, its square, clean, its square, the product.
        lowest: Lowest corrupted value.
    """

    counted: np.ndarray = field(default_factory=lambda: np.zeros(5))
    whole: np.ndarray = field(default_factory=lambda: np.zeros(6))
    lowest: float = math.inf

    def add(self, clean: np.ndarray, corrupted: np.ndarray, counts: np.ndarray) -> None:
        """Adds slices.

        Args:
            clean: In z-score units, any shape.
            corrupted: Like `clean`.
            counts: bool like `clean`: the voxels that z-scoring counts.
        """
        c, v = clean.astype(np.float64), corrupted.astype(np.float64)
        self.whole += [v.size, v.sum(), (v * v).sum(), c.sum(), (c * c).sum(), (v * c).sum()]
        self.lowest = min(self.lowest, float(v.min()))
        c, v = c[counts], v[counts]
        self.counted += [v.size, v.sum(), (v * v).sum(), c.sum(), (c * c).sum()]

    def rescaling(self) -> Rescaling:
        """Returns what z-scoring again does; nothing where no voxel counts or all are alike."""
        number, *sums = self.counted
        v, vv, c, cc = np.array(sums) / max(number, 1)
        deviation = math.sqrt(max(vv - v * v, 0))
        factor = math.sqrt(max(cc - c * c, 0)) / deviation if deviation else 1.0
        shift = c - factor * v
        v, vv, c, cc, vc = self.whole[1:] / max(self.whole[0], 1)
        squared = factor**2 * vv + 2 * factor * shift * v + shift**2
        squared += cc - 2 * factor * vc - 2 * shift * c
        lowest = factor * self.lowest + shift
        return Rescaling(factor, shift, lowest, math.sqrt(max(squared, 0)))
