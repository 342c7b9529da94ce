"""The way between a volume on its own grid and the axial slices a network sees, and back."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np


@dataclass(frozen=True)
class SliceGrid:
    """How one volume's file axes map to axial slices of a fixed size.

    Volumes are reoriented by whole axes and padded or cropped centrally in plane; never resampled,
    so that the way there and back is exact wherever nothing is cut.

    Attributes:
        shape: The volume's shape in the file.
        axes: File axes that run along slices, rows and columns.
        flipped: Whether each of these runs against its direction.
        image_size: Height and width of the slices, in pixels.
    """

    shape: tuple[int, int, int]
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    image_size: int

    @classmethod
    def of(cls, shape: tuple[int, ...], affine: np.ndarray, image_size: int) -> SliceGrid:
        """Builds the grid of a volume.

        Args:
            shape: Three lengths, in file order.
            affine: `(4, 4)`, voxels to RAS+ millimetres. Oblique grids take the nearest axes.
            image_size: Height and width of the slices, in pixels, > 0.

        Raises:
            ValueError: If `shape` is not that of a volume, `affine` does not tell the axes apart,
                or `image_size` is not positive.
        """
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"A volume must have three axes, none empty. Received: {shape}.")
        if image_size < 1:
            raise ValueError(f"image_size must be > 0. Received: {image_size}.")
        if not spans_space(affine):
            raise ValueError(
                "An affine must be finite and its three columns must span space. "
                f"Received: {np.asarray(affine).tolist()}."
            )
        orientation = nib.orientations.io_orientation(affine).astype(int)
        world, signs = orientation[:, 0].tolist(), orientation[:, 1].tolist()
        right, anterior, superior = world.index(0), world.index(1), world.index(2)
        return cls(
            shape=(int(shape[0]), int(shape[1]), int(shape[2])),
            # Slices towards Superior, rows towards Posterior, columns towards Left.
            axes=(superior, anterior, right),
            flipped=(signs[superior] < 0, signs[anterior] > 0, signs[right] > 0),
            image_size=int(image_size),
        )

    @property
    def num_slices(self) -> int:
        """Number of axial slices."""
        return self.shape[self.axes[0]]

    @property
    def crops(self) -> bool:
        """Whether anything of the volume is cut away in plane."""
        return max(self.plane) > self.image_size

    @property
    def plane(self) -> tuple[int, int]:
        """Rows and columns of the volume's axial slices, before padding and cropping."""
        return self.shape[self.axes[1]], self.shape[self.axes[2]]

    @property
    def turned_shape(self) -> tuple[int, int, int]:
        """The shape of what `turn` gives."""
        return (self.num_slices, *self.plane)

    @property
    def _flipped_axes(self) -> tuple[int, ...]:
        return tuple(axis for axis, flipped in enumerate(self.flipped) if flipped)

    def to_slices(self, volume: np.ndarray, fill: float) -> np.ndarray:
        """Reorients, pads and crops a volume to axial slices.

        Args:
            volume: `shape`, in file order.
            fill: Value of the pixels padded, such as -1000 HU.

        Returns:
            `(num_slices, image_size, image_size)`, a new array of `volume`'s dtype.

        Raises:
            ValueError: If `volume` has another shape than the grid.
        """
        return pad_or_crop(self.turn(volume), self.image_size, self.image_size, fill)

    def from_slices(self, slices: np.ndarray, fill: float) -> np.ndarray:
        """Puts axial slices back on the volume's own grid.

        Args:
            slices: `(num_slices, image_size, image_size)`.
            fill: Value of the voxels that `to_slices` cut away.

        Returns:
            `shape`, in file order, a new array of `slices`' dtype.

        Raises:
            ValueError: If `slices` has another shape than the grid's.
        """
        _require_shape("slices", slices, (self.num_slices, self.image_size, self.image_size))
        return self.turn_back(pad_or_crop(slices, *self.plane, fill))

    def turn(self, volume: np.ndarray) -> np.ndarray:
        """Turns a volume's axes to slices, rows and columns; nothing is padded or cropped.

        Args:
            volume: `shape`, in file order.

        Returns:
            `(num_slices, *plane)`, a view.

        Raises:
            ValueError: If `volume` has another shape than the grid.
        """
        _require_shape("volume", volume, self.shape)
        return np.flip(np.transpose(volume, self.axes), self._flipped_axes)

    def turn_affine(self, affine: np.ndarray) -> np.ndarray:
        """Returns the affine of what `turn` gives.

        Args:
            affine: float64 `(4, 4)`, the volume's.
        """
        to_file = np.zeros((4, 4))
        to_file[3, 3] = 1
        for place, (axis, flipped) in enumerate(zip(self.axes, self.flipped, strict=True)):
            to_file[axis, place] = -1 if flipped else 1
            to_file[axis, 3] = self.shape[axis] - 1 if flipped else 0
        return affine @ to_file

    def turn_back(self, slices: np.ndarray) -> np.ndarray:
        """Turns slices back to the volume's own axes, as a new array.

        Args:
            slices: `(num_slices, *plane)`.
        """
        volume = np.flip(slices, self._flipped_axes)
        return np.ascontiguousarray(np.transpose(volume, np.argsort(self.axes)))


def spans_space(affine: np.ndarray) -> bool:
    """Returns whether `affine` is a finite `(4, 4)` matrix that tells a volume's axes apart."""
    affine = np.asarray(affine, np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        return False
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    # Of unit columns, so that the answer does not depend on how small the voxels are.
    return bool(spacing.all() and abs(np.linalg.det(affine[:3, :3] / spacing)) > 1e-3)


def corner_distance_mm(shape: tuple[int, ...], first: np.ndarray, second: np.ndarray) -> float:
    """Returns how far apart two affines put a grid's corner voxels at most, in mm.

    Args:
        shape: Three lengths.
        first: `(4, 4)`, voxels to millimetres.
        second: Likewise.
    """
    corners = np.indices((2, 2, 2)).reshape(3, 8).T * (np.array(shape) - 1)
    apart = nib.affines.apply_affine(first, corners) - nib.affines.apply_affine(second, corners)
    return float(np.linalg.norm(apart, axis=1).max())


def pad_or_crop(slices: np.ndarray, height: int, width: int, fill: float) -> np.ndarray:
    """Pads or crops slices in plane, centrally, each axis by itself.

    Padding and cropping put the odd pixel on the same side, so that each undoes the other.

    Args:
        slices: `(..., rows, columns)`.
        height: Rows wanted.
        width: Columns wanted.
        fill: Value of the pixels padded.

    Returns:
        `(..., height, width)`, a new array of `slices`' dtype.
    """
    result = np.full((*slices.shape[:-2], height, width), fill, slices.dtype)
    (from_rows, to_rows), (from_columns, to_columns) = (
        _overlap(slices.shape[-2], height),
        _overlap(slices.shape[-1], width),
    )
    result[..., to_rows, to_columns] = slices[..., from_rows, from_columns]
    return result


def _overlap(size: int, target: int) -> tuple[slice, slice]:
    shared = min(size, target)
    start, target_start = (size - shared) // 2, (target - shared) // 2
    return slice(start, start + shared), slice(target_start, target_start + shared)


def _require_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} must have the grid's shape {shape}. Received: {array.shape}.")
