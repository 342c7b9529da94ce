"""An MR volume as one network sees it, and the way back to the volume's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robmednas_tf.data.grid import SliceGrid
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.data.resample import Resampling


@dataclass(frozen=True, eq=False)
class MRVolume:
    """One MR, as it is read.

    Attributes:
        subject: The subject's name; the random start of an attack belongs to it.
        mr: float32 `(x, y, z)` in the file's axes, arbitrary units.
        affine: float64 `(4, 4)`, voxels to RAS+ millimetres.
        mask: Like `mr`, true inside the body; None where there is none.
    """

    subject: str
    mr: np.ndarray
    affine: np.ndarray
    mask: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class SliceView:
    """A volume as one network sees it, and the way back.

    Axes are turned before anything is computed, so that a volume gives the same bits however its
    file's axes run.

    Attributes:
        slices: z-scored MR, float32 `(slices, image_size, image_size)`.
        own: Between the file's axes and slices, rows and columns.
        way: Between the turned volume and the resampled one.
        grid: Between the resampled volume and `slices`.
    """

    slices: np.ndarray
    own: SliceGrid
    way: Resampling
    grid: SliceGrid

    @classmethod
    def of(cls, volume: MRVolume, preprocessing: Preprocessing, image_size: int) -> SliceView:
        """Prepares a volume.

        Raises:
            ValueError: If its MR is constant, or a mask is needed and there is none.
        """
        own = SliceGrid.of(volume.mr.shape, volume.affine, image_size)
        mr = np.ascontiguousarray(own.turn(volume.mr))
        mask = None if volume.mask is None else np.ascontiguousarray(own.turn(volume.mask))
        way = preprocessing.resampling(mr.shape, own.turn_affine(volume.affine))
        if not way.is_identity:
            mr = way.apply(mr)
            mask = None if mask is None else way.apply_to_mask(mask)
        grid = SliceGrid.of(way.new_shape, way.new_affine, image_size)
        zscored = preprocessing.zscored(mr, mask)
        return cls(grid.to_slices(zscored, fill=float(zscored.min())), own, way, grid)

    @property
    def cropped(self) -> float:
        """Share of the volume's voxels that lie outside the slices."""
        rows, columns = (min(size, self.grid.image_size) / size for size in self.grid.plane)
        return 1 - rows * columns

    def seen(self) -> np.ndarray | None:
        """Returns which voxels of the MR lie in the slices: bool `(x, y, z)`; None for all."""
        if not self.grid.crops:
            return None
        inside = np.ones(self.slices.shape, np.float32)
        # What is interpolated from beyond the edge is not seen.
        return self.to_volume(inside, fill=0.0) > 0.999

    def to_volume(self, slices: np.ndarray, fill: float) -> np.ndarray:
        """Puts slices back on the MR's own grid.

        Args:
            slices: float32 like `self.slices`.
            fill: Value of what was cropped.

        Returns:
            float32 `(x, y, z)` in the file's axes.
        """
        volume = self.grid.from_slices(slices, fill)
        return self.own.turn_back(volume if self.way.is_identity else self.way.undo(volume))
