"""One axial slice of a subject, small enough that hundreds of them fit into memory and one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from skimage.transform import resize

SIZE = 200
CT_WINDOW_HU = (-1000.0, 1000.0)

# Slices and outline, each `(slices, rows, columns)`, and mm between rows and between columns.
View: TypeAlias = tuple[np.ndarray, np.ndarray, tuple[float, float]]

_MR_PERCENTILES = (1.0, 99.5)
# In a slice of at least this share of the largest outline, a body is there to be seen.
_SHARE_OF_LARGEST = 0.5


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """MR, CT and their outlines in one slice, its longer side of `SIZE` pixels, pixels square.

    Attributes:
        mr: uint8 `(rows, columns)`, from the slice's dark to its bright; None where there is none.
        ct: uint8 `(rows, columns)`, 0 and 255 the ends of `CT_WINDOW_HU`; None likewise.
        mr_outline: bool like `mr`, the body on MR.
        ct_outline: bool like `ct`, the body on CT.
        on_one_grid: Whether MR and CT are both there, and show the same slice, pixel by pixel.
    """

    mr: np.ndarray | None = None
    ct: np.ndarray | None = None
    mr_outline: np.ndarray | None = None
    ct_outline: np.ndarray | None = None
    on_one_grid: bool = False


def middle_of_body(outline: np.ndarray) -> int:
    """Returns the slice in the middle of those that show the body; of all where none does.

    Args:
        outline: bool `(slices, rows, columns)`.
    """
    areas = np.count_nonzero(outline, axis=(1, 2))
    shown = np.flatnonzero(areas >= max(1.0, _SHARE_OF_LARGEST * areas.max()))
    return int(shown[len(shown) // 2]) if len(shown) else len(outline) // 2


def draw_thumbnail(mr: View | None, ct: View | None, on_one_grid: bool) -> Thumbnail:
    """Draws a subject's thumbnail, of whatever there is.

    Args:
        mr: The MR; arbitrary units.
        ct: The CT; HU.
        on_one_grid: Whether the two share their voxels, so that they are shown in one slice.
    """
    drawn: dict[str, np.ndarray] = {}
    place = None
    # The CT's outline is the surer one.
    for role, view in (("ct", ct), ("mr", mr)):
        if view is None:
            continue
        slices, outline, spacing_mm = view
        if place is None or not on_one_grid:
            place = middle_of_body(outline)
        window = CT_WINDOW_HU if role == "ct" else _window(slices[place])
        drawn[role] = _grey(slices[place], spacing_mm, *window)
        drawn[f"{role}_outline"] = _resized(outline[place], spacing_mm) > 0.5
    return Thumbnail(**drawn, on_one_grid=on_one_grid and len(drawn) == 4)


def _window(plane: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(plane, _MR_PERCENTILES)
    return float(low), float(high)


def _grey(
    plane: np.ndarray, spacing_mm: tuple[float, float], low: float, high: float
) -> np.ndarray:
    shares = np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
    return np.rint(255 * _resized(shares, spacing_mm)).astype(np.uint8)


def _resized(plane: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray:
    extent = np.multiply(plane.shape, spacing_mm)
    shape = np.maximum(1, np.rint(SIZE * extent / extent.max())).astype(int)
    # Smoothed only where it shrinks: then pixels are averaged, not skipped.
    smoothed = bool(np.any(shape < plane.shape))
    return resize(
        plane.astype(np.float32), shape, order=1, anti_aliasing=smoothed, preserve_range=True
    )
