"""The block of voxels on which the head phantom is painted, tissue by tissue, with partial volume.

A voxel that a surface crosses holds a fraction of each side: the share of a cube of the voxel's
width that lies inside, exact for flat parallel layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robmednas_tf.data.phantom_contrast import INDEX, TISSUES
from robmednas_tf.data.phantom_shapes import Point, Shape

Window = tuple[slice, slice, slice]
EVERYWHERE: Window = (slice(None), slice(None), slice(None))


@dataclass(frozen=True)
class Fields:
    """Smooth random fields on a canvas's voxels, each of unit variance and `(nx, ny, nz)`.

    Attributes:
        thickness: Varies the thickness of the skull.
        planes: Its zeros are the planes of fat between muscles.
        folds: Varies the depth of the sulci and bends the folia.
    """

    thickness: np.ndarray
    planes: np.ndarray
    folds: np.ndarray


class Canvas:
    """A block of voxels with their canonical coordinates, painted from the front to the back.

    Args:
        points: Canonical coordinates x, y and z in mm, `(3, nx, ny, nz)`.
        voxel_mm: Width over which a surface is spread.

    Attributes:
        fractions: `(tissues, nx, ny, nz)`, the share of each tissue painted so far.
        covered: `(nx, ny, nz)`, their sum.
    """

    def __init__(self, points: np.ndarray, voxel_mm: float) -> None:
        self.x, self.y, self.z = points
        self.voxel_mm = voxel_mm
        self.fractions = np.zeros((len(TISSUES), *self.x.shape))
        self.covered = np.zeros(self.x.shape)
        others = ((1, 2), (0, 2), (0, 1))
        self._lowest = [p.min(axis=axes) for p, axes in zip(points, others, strict=True)]
        self._highest = [p.max(axis=axes) for p, axes in zip(points, others, strict=True)]

    def window(self, low: Point, high: Point, margin_mm: float = 0.0) -> Window | None:
        """The block of voxels that a box and a margin around it can touch, or None."""
        margin = margin_mm + self.voxel_mm
        cut = []
        for axis in range(3):
            hits = np.flatnonzero(
                (self._highest[axis] >= low[axis] - margin)
                & (self._lowest[axis] <= high[axis] + margin)
            )
            if not hits.size:
                return None
            cut.append(slice(int(hits[0]), int(hits[-1]) + 1))
        return cut[0], cut[1], cut[2]

    def share(self, distance: np.ndarray) -> np.ndarray:
        """Share of every voxel on the inner side of a surface at this signed distance, in mm."""
        return np.clip(0.5 - distance / self.voxel_mm, 0.0, 1.0)

    def add(
        self, tissue: str, shape: Shape, *, apart: bool = False, within: np.ndarray | None = None
    ) -> None:
        """Paints one solid, cut off where the distance `within` is positive; see `lay`."""
        where = self.window(shape.low, shape.high)
        if where is None:
            return
        distance = shape.distance(self.x[where], self.y[where], self.z[where])
        if within is not None:
            distance = np.maximum(distance, within[where])
        self.lay(tissue, distance, where, apart=apart)

    def lay(
        self, tissue: str, distance: np.ndarray, where: Window = EVERYWHERE, *, apart: bool = False
    ) -> None:
        """Paints a signed distance onto what is still bare.

        Args:
            tissue: Name in `TISSUES`.
            distance: Signed distance in mm on the voxels of `where`.
            where: The block of voxels.
            apart: Whether, in a voxel that both share, the solid lies beside what is painted
                already (a layer in a stack) and not behind it (a bone around its marrow).
        """
        self.fill(tissue, self.share(distance), where, apart=apart)

    def fill(
        self, tissue: str, inside: np.ndarray, where: Window = EVERYWHERE, *, apart: bool = False
    ) -> None:
        """Paints the share `inside` of every voxel of `where`; otherwise as `lay`."""
        covered = self.covered[where]
        total = np.minimum(covered + inside, 1.0) if apart else np.maximum(covered, inside)
        self.fractions[INDEX[tissue]][where] += total - covered
        self.covered[where] = total
