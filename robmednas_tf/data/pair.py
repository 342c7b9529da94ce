"""One subject's MR and CT, and what they must fulfil to be a pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_fill_holes

from robmednas_tf.data.grid import SliceGrid, corner_distance_mm, pad_or_crop
from robmednas_tf.data.intensities import AIR_HU
from robmednas_tf.data.preprocessing import AS_IN_PAPER, Preprocessing
from robmednas_tf.evaluation.regions import REGIONS

# Affines kept as quaternions of float32 are off by hundredths at the far corners.
_CORNER_TOLERANCE_MM = 0.05


@dataclass(frozen=True, eq=False)
class Pair:
    """One subject's volumes, all on one voxel grid.

    Attributes:
        subject: The subject's name.
        mr: float32 `(x, y, z)` in the file's axes, arbitrary units, finite and not constant.
        ct: float32 like `mr`, in HU, at least -1024.
        mask: uint8 like `mr`, 1 inside the body; None where the subject has none.
        affine: float64 `(4, 4)`, voxels to RAS+ millimetres.
        identity: What tells the patient apart, whatever the file's form and the grid of slices: no
            one may be in two parts of a split.
        preprocessing: How the MR is z-scored; the volumes are resampled already.
    """

    subject: str
    mr: np.ndarray
    ct: np.ndarray
    mask: np.ndarray | None
    affine: np.ndarray
    identity: str
    preprocessing: Preprocessing = AS_IN_PAPER

    def slices(self, image_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns axial slices as a network sees them, from inferior to superior.

        Args:
            image_size: Slices are padded with background or cropped to this many pixels a side.

        Returns:
            MR, z-scored, and CT in HU, each float32 `(slices, image_size, image_size, 1)`.
        """
        grid = SliceGrid.of(self.mr.shape, self.affine, image_size)
        # Turned first, as where a network is used: the order of a sum shows in its last bit.
        mask = None if self.mask is None else np.ascontiguousarray(grid.turn(self.mask))
        mr = self.preprocessing.zscored(np.ascontiguousarray(grid.turn(self.mr)), mask)
        return (
            pad_or_crop(mr, image_size, image_size, fill=float(mr.min()))[..., np.newaxis],
            grid.to_slices(self.ct, fill=AIR_HU)[..., np.newaxis],
        )

    def mask_slices(self, image_size: int) -> np.ndarray:
        """Returns the body mask as axial slices on `slices`' grid.

        Where the subject has no mask, everything on its CT that is not air, and the cavities that
        this encloses in an axial slice, is the body.

        Args:
            image_size: Slices are padded or cropped to this many pixels a side.

        Returns:
            uint8 `(slices, image_size, image_size)`, 1 inside the body.
        """
        grid = SliceGrid.of(self.ct.shape, self.affine, image_size)
        if self.mask is not None:
            return grid.to_slices(self.mask, fill=0)
        body = grid.to_slices(REGIONS["brain"].contains(self.ct), fill=False)
        return np.stack([binary_fill_holes(plane) for plane in body]).astype(np.uint8)


def require_contrast(mr: np.ndarray, path: Path, subject: str, where: str = "") -> None:
    """Refuses an MR that is constant.

    Args:
        mr: The voxels that count, any shape.
        path: The file.
        subject: The subject's name.
        where: What these voxels are, such as `"inside the body mask"`.

    Raises:
        ValueError: If it is constant, or there is no voxel.
    """
    if not mr.size or mr.min() == mr.max():
        received = f"{mr.min():g} in every voxel" if mr.size else "no voxel"
        raise ValueError(
            f"MR of subject {subject!r} ({path}) must not be constant{where and ' '}{where}. "
            f"Received: {received}. Take the subject out of the cohort."
        )


def require_grid_of_mr(
    subject: str,
    role: str,
    path: Path,
    mr: tuple[tuple[int, ...], np.ndarray],
    other: tuple[tuple[int, ...], np.ndarray],
) -> None:
    """Refuses a volume that does not share its MR's voxel grid.

    Args:
        subject: The subject's name.
        role: "ct" or "mask".
        path: The volume's file.
        mr: Shape and affine of the MR, as from `read_header`.
        other: The same of the volume.

    Raises:
        ValueError: If the shapes differ, or their corners lie more than 0.05 mm apart.
    """
    name = {"ct": "CT"}.get(role, role)
    (mr_shape, mr_affine), (shape, affine) = mr, other
    if shape != mr_shape:
        received = f"mr {mr_shape}, {role} {shape}"
    elif (apart := corner_distance_mm(shape, affine, mr_affine)) > _CORNER_TOLERANCE_MM:
        received = f"grids whose corners lie up to {apart:.3g} mm apart"
    else:
        return
    raise ValueError(
        f"MR and {name} of subject {subject!r} ({path}) must share one voxel grid. "
        f"Received: {received}. Resample the {name} onto the MR grid."
    )
