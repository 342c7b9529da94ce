"""The way between a volume's own grid and one of another spacing, and back."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy.sparse import csr_array

from robmednas_tf.data.grid import spans_space

# Spacings that differ by less than this share are the same.
_SAME_SPACING = 1e-4


@dataclass(frozen=True, eq=False)
class Resampling:
    """How one volume's voxels map to a grid of another spacing with the same centre and axes.

    Attributes:
        shape: The volume's own shape, in file order.
        new_shape: The shape at the other spacing.
        steps: The other grid's spacing in voxels of the own grid, axis by axis.
        new_affine: float64 `(4, 4)`, voxels of the other grid to RAS+ millimetres.
    """

    shape: tuple[int, int, int]
    new_shape: tuple[int, int, int]
    steps: tuple[float, float, float]
    new_affine: np.ndarray

    @classmethod
    def of(
        cls, shape: tuple[int, ...], affine: np.ndarray, spacing_mm: tuple[float, float, float]
    ) -> Resampling:
        """Builds the way to a spacing.

        Args:
            shape: Three lengths, in file order.
            affine: `(4, 4)`, voxels to RAS+ millimetres.
            spacing_mm: Wanted from left to right, from posterior to anterior and from inferior to
                superior; 0 leaves an axis as it is. Oblique grids take the nearest axes.

        Raises:
            ValueError: If `affine` does not tell the axes apart, or a spacing is negative.
        """
        if not spans_space(affine) or not all(0 <= each < np.inf for each in spacing_mm):
            raise ValueError(
                "Resampling needs an affine that spans space and spacings >= 0 mm. "
                f"Received: {np.asarray(affine).tolist()}, {spacing_mm}."
            )
        world = nib.orientations.io_orientation(affine)[:, 0].astype(int)
        own = np.linalg.norm(affine[:3, :3], axis=0)
        steps = np.array(spacing_mm)[world] / own
        steps[(steps == 0) | (np.abs(steps - 1) < _SAME_SPACING)] = 1.0
        new_shape = np.maximum(1, np.ceil(np.array(shape) / steps - 1e-6)).astype(int)
        to_own = np.diag([*steps, 1.0])
        to_own[:3, 3] = (np.array(shape) - 1) / 2 - steps * (new_shape - 1) / 2
        return cls(_lengths(shape), _lengths(new_shape), _numbers(steps), affine @ to_own)

    @property
    def is_identity(self) -> bool:
        """Whether the volume has the wanted spacing as it is."""
        return self.steps == (1.0, 1.0, 1.0)

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """Resamples an image linearly, low-pass filtered along axes that become coarser.

        Args:
            volume: `shape`, real.

        Returns:
            float32 `new_shape`.
        """
        return _interpolate(volume, self.shape, self.new_shape, self.steps)

    def undo(self, volume: np.ndarray) -> np.ndarray:
        """Resamples an image back onto the volume's own grid, as `apply` does.

        Args:
            volume: `new_shape`, real.

        Returns:
            float32 `shape`.
        """
        return _interpolate(volume, self.new_shape, self.shape, _numbers(1 / np.array(self.steps)))

    def apply_to_mask(self, mask: np.ndarray) -> np.ndarray:
        """Takes each voxel's value from the nearest voxel of the own grid.

        Args:
            mask: `shape`, of any dtype.

        Returns:
            `new_shape`, of `mask`'s dtype.

        Raises:
            ValueError: If it has another shape.
        """
        _require_shape(mask, self.shape)
        places = [
            np.rint(_places(*lengths)).astype(int)
            for lengths in zip(self.shape, self.new_shape, self.steps, strict=True)
        ]
        return mask[np.ix_(*places)]


def _interpolate(
    volume: np.ndarray,
    sizes: tuple[int, ...],
    new_sizes: tuple[int, ...],
    steps: tuple[float, ...],
) -> np.ndarray:
    result = np.asarray(volume, np.float32)
    _require_shape(result, sizes)
    # No mean is less or more than what it is of; those in float32 are, by a rounding.
    low, high = result.min(), result.max()
    # Axes that shrink come first, so that the others have less to do.
    for axis in np.argsort([-step for step in steps]):
        if steps[axis] == 1:
            continue
        weights = _weights(sizes[axis], new_sizes[axis], steps[axis])
        lines = np.moveaxis(result, axis, 0)
        mixed = weights @ lines.reshape(sizes[axis], -1)
        result = np.moveaxis(mixed.reshape(new_sizes[axis], *lines.shape[1:]), 0, axis)
    result = np.ascontiguousarray(result)
    return result if all(step == 1 for step in steps) else np.clip(result, low, high, out=result)


def _require_shape(volume: np.ndarray, shape: tuple[int, ...]) -> None:
    if volume.shape != shape:
        raise ValueError(f"A volume must have the shape {shape}. Received: {volume.shape}.")


def _weights(size: int, new_size: int, step: float) -> csr_array:
    """Returns what each old voxel of a line gives to each new one: float32 `(new_size, size)`.

    A triangle as wide as the coarser of the two spacings: linear interpolation where the new grid
    is finer, a low-pass filter besides where it is coarser. Where old voxels do not lie evenly
    about a new one, the weights are tilted until their centre is the new voxel's own: a straight
    line is left straight.
    """
    radius = max(1.0, step)
    places = _places(size, new_size, step)
    reach = np.arange(-int(np.ceil(radius)), int(np.ceil(radius)) + 1)
    columns = np.floor(places).astype(int)[:, None] + reach
    away = columns - places[:, None]
    weights = np.maximum(0.0, 1 - np.abs(away) / radius)
    cut_short = (places - radius < -1) | (places + radius > size)
    weights[(columns < 0) | (columns >= size)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    if step > 1:
        weights = np.where(cut_short[:, None], weights, _centred(weights, away))
    rows = np.broadcast_to(np.arange(new_size)[:, None], columns.shape)
    used = weights > 0
    entries = (weights[used].astype(np.float32), (rows[used], columns[used]))
    return csr_array(entries, shape=(new_size, size))


def _centred(weights: np.ndarray, away: np.ndarray) -> np.ndarray:
    mean = (weights * away).sum(axis=1, keepdims=True)
    square = (weights * away**2).sum(axis=1, keepdims=True)
    # Nothing to tilt where a single voxel counts, as in a line of one.
    spread = np.where(square > mean**2, square - mean**2, np.inf)
    return weights * (1 + mean**2 / spread - mean / spread * away)


def _places(size: int, new_size: int, step: float) -> np.ndarray:
    """Returns where the new voxels' centres lie in the old line; no further than its last."""
    places = (size - 1) / 2 + step * (np.arange(new_size) - (new_size - 1) / 2)
    return np.clip(places, 0, size - 1)


def _lengths(values) -> tuple[int, int, int]:
    first, second, third = (int(value) for value in values)
    return first, second, third


def _numbers(values) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
