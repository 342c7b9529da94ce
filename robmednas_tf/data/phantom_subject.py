"""What is random about one subject of the head phantom: traits, pose, smooth fields and folds.

All of it is in millimetres or in numbers near 1; the grid only says where to sample it. Every
function draws a fixed number of values, so that one draw never shifts the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

FIELD_OF_VIEW_MM = (256.0, 256.0, 218.0)
# Variance, along one axis, of a cubic B-spline whose coefficients are unit white noise.
_SPLINE_VARIANCE = 151.0 / 315.0


@dataclass(frozen=True)
class Traits:
    """What differs between subjects besides their deformation; lengths in mm, scales near 1."""

    skull_mm: float
    table_mm: float
    skin_mm: float
    fat_mm: float
    csf_mm: float
    cortex_mm: float
    ventricle: float
    maxillary: float
    frontal: float
    mastoid: float
    turbinate_mm: float
    jaw_drop_mm: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Traits:
        """Draws one subject, each trait within two standard deviations of its mean."""
        mean_and_sd = {
            "skull_mm": (8.0, 0.5),
            "table_mm": (2.5, 0.15),
            "skin_mm": (1.8, 0.2),
            "fat_mm": (3.4, 0.7),
            "csf_mm": (2.4, 0.4),
            "cortex_mm": (2.7, 0.15),
            "ventricle": (1.0, 0.18),
            "maxillary": (1.0, 0.10),
            "frontal": (1.0, 0.15),
            "mastoid": (1.0, 0.10),
            "turbinate_mm": (0.0, 0.6),
            "jaw_drop_mm": (0.0, 1.2),
        }
        draws = np.clip(rng.standard_normal(len(mean_and_sd)), -2.0, 2.0)
        return cls(
            **{
                name: float(mean + sd * draw)
                for (name, (mean, sd)), draw in zip(mean_and_sd.items(), draws, strict=True)
            }
        )


def draw_pose(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws how the head lies in the scanner and how large it is.

    Returns:
        Matrix `(3, 3)` and shift `(3,)` in mm, from scanner to canonical coordinates.
    """
    draws = np.clip(rng.standard_normal(10), -2.0, 2.0)
    pitch, roll, yaw = np.deg2rad([3.0, 1.5, 2.0]) * draws[:3]
    turn = np.eye(3)
    for angle, (i, j) in ((pitch, (1, 2)), (roll, (0, 2)), (yaw, (0, 1))):
        plane = np.eye(3)
        plane[i, i] = plane[j, j] = np.cos(angle)
        plane[i, j], plane[j, i] = -np.sin(angle), np.sin(angle)
        turn = turn @ plane
    size = 0.97 * (1.0 + 0.02 * draws[3] + np.array([0.02, 0.02, 0.015]) * draws[4:7])
    shift = np.array([1.5, 2.0, 1.5]) * draws[7:10] + np.array([0.0, 4.0, -1.0])
    return turn / size[:, None], shift


def draw_folds(rng: np.random.Generator) -> np.ndarray:
    """Draws the folding of the cortex.

    Returns:
        Coefficients `(48, 48, 48)` of a periodic cubic B-spline, a band-passed noise of about unit
        variance: without its low frequencies its zeros, the sulci, are evenly spread.
    """
    noise = rng.standard_normal((48, 48, 48))
    folds = noise - ndimage.gaussian_filter(noise, 1.6, mode="wrap")
    return folds / (folds.std() * _SPLINE_VARIANCE**1.5)


class SmoothField:
    """Random fields of unit variance, cubic B-splines on a coarse lattice over the field of view.

    Args:
        rng: Generator of the lattice.
        spacing_mm: Distance between the points of the lattice.
        shape: Voxels of the grid along x, y and z.
        fields: How many independent fields.
    """

    def __init__(
        self, rng: np.random.Generator, spacing_mm: float, shape: tuple[int, ...], fields: int = 1
    ) -> None:
        knots = [int(np.ceil(fov / spacing_mm)) + 3 for fov in FIELD_OF_VIEW_MM]
        self._lattice = rng.standard_normal((fields, *knots)) / _SPLINE_VARIANCE**1.5
        self._basis = [
            _spline_basis((np.arange(n) + 0.5) * fov / n / spacing_mm, k)
            for n, fov, k in zip(shape, FIELD_OF_VIEW_MM, knots, strict=True)
        ]

    def on(self, block: slice) -> np.ndarray:
        """The fields on a block of x planes: `(fields, block, y, z)`."""
        along_x, along_y, along_z = self._basis
        values = np.einsum("xi,fijk->fxjk", along_x[block], self._lattice)
        return along_y @ values @ along_z.T


def _spline_basis(positions: np.ndarray, knots: int) -> np.ndarray:
    """Cubic B-spline weights of every lattice point at every position, `(positions, knots)`."""
    away = np.abs(positions[:, None] - (np.arange(knots) - 1.0))
    near = 2.0 / 3.0 - away**2 * (1.0 - 0.5 * away)
    far = np.clip(2.0 - away, 0.0, None) ** 3 / 6.0
    return np.where(away < 1.0, near, far)
