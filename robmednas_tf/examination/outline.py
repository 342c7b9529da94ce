"""The outline of the body, on CT and on MR, each found from its own volume alone.

Made to compare the two: where they disagree, MR and CT are of different patients, are not
registered, or do not cover the same part of the body. Not made to replace a drawn mask.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

# As the metrics' regions: what is not air is body. Foam and cushions lie below.
_BODY_HU = -500.0
# A couch's shell is at most this thick; in pixels to each side.
_COUCH_PIXELS = 2
_BRIDGE_PIXELS = 1
# Legs and arms lie apart, and are body; coils, cushions and specks of noise are smaller.
_SHARE_OF_LARGEST = 0.1
# Of the brightest tissue: above lies what is surely tissue, below what is surely air. Between
# them Otsu's rule finds the gap; over the whole range it would part muscle from fat instead.
_SURELY_AIR, _SURELY_TISSUE = 0.02, 0.3
_SAMPLE = 1_000_000


def ct_outline(ct_hu: np.ndarray, axial_axis: int = 2) -> np.ndarray:
    """Returns the body on a CT: all that is not air, without couch and specks.

    Args:
        ct_hu: Float `(x, y, z)`, HU, finite.
        axial_axis: The file axis that axial slices are stacked along.

    Returns:
        Bool like `ct_hu`. Cavities that an axial slice encloses are body; so is what lies apart,
        such as the other leg, from a tenth of the largest part's volume on.
    """
    slices = np.moveaxis(ct_hu, axial_axis, 0)
    body = _filled(_large_parts(slices > _BODY_HU, _COUCH_PIXELS))
    return np.moveaxis(body, 0, axial_axis)


def mr_outline(mr: np.ndarray, axial_axis: int = 2) -> np.ndarray:
    """Returns the body on an MR: all that is brighter than the air around it.

    Cortical bone is as dark as air, but lies within the body and is filled with it.

    Args:
        mr: Float `(x, y, z)`, arbitrary units, finite.
        axial_axis: The file axis that axial slices are stacked along.

    Returns:
        Bool like `mr`; otherwise as `ct_outline`.
    """
    slices = np.moveaxis(mr, axial_axis, 0)
    # Noise in the air is as bright as dark tissue in single pixels, not on average. Only to find
    # the threshold: in a smoothed slice the body is wider by a pixel.
    threshold = _air_threshold(ndimage.uniform_filter(slices, size=(1, 3, 3)))
    body = _filled(_large_parts(slices > threshold, _BRIDGE_PIXELS))
    return np.moveaxis(body, 0, axial_axis)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the Dice overlap of two boolean masks of one shape; NaN where both are empty."""
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2 * int(np.count_nonzero(first & second)) / total if total else float("nan")


def cropped_share(outline: np.ndarray, image_size: int) -> float:
    """Returns how much of a body slices would lose that are cropped around their middle.

    Args:
        outline: Bool `(slices, rows, columns)`.
        image_size: Pixels a side.

    Returns:
        A share of the outline's voxels, 0 to 1.
    """
    pixels = np.count_nonzero(outline, axis=0)
    starts = [max(0, (length - image_size) // 2) for length in pixels.shape]
    rows, columns = (slice(start, start + image_size) for start in starts)
    lost = int(pixels.sum()) - int(pixels[rows, columns].sum())
    return lost / max(1, int(pixels.sum()))


def _air_threshold(mr: np.ndarray) -> float:
    values = mr.ravel()[:: max(1, mr.size // _SAMPLE)].astype(np.float64)
    # Resampling overshoots below zero, and a z-scored MR's air lies there.
    offset = min(0.0, float(np.percentile(values, 0.1)))
    values -= offset
    brighter = values[values > values.mean()]
    if not brighter.size:
        return float(values.max()) + offset
    brightest = np.percentile(brighter, 99)
    # The logarithm, because a coil's shading scales air and tissue alike.
    logs = np.log(np.clip(values, _SURELY_AIR * brightest, _SURELY_TISSUE * brightest))
    is_air = logs <= threshold_otsu(logs)
    if is_air.all():
        return offset
    # Otsu's rule names the lower end of a gap; noise needs its middle.
    return float(np.exp((logs[is_air].mean() + logs[~is_air].mean()) / 2)) + offset


def _large_parts(mask: np.ndarray, bridge: int) -> np.ndarray:
    # Opening in plane cuts bridges, such as a couch's shell that the body lies on.
    cross = ndimage.generate_binary_structure(2, 1)[np.newaxis]
    core = _without_small(ndimage.binary_opening(mask, cross, iterations=bridge))
    return _without_small(ndimage.binary_dilation(core, cross, iterations=bridge + 1) & mask)


def _without_small(mask: np.ndarray) -> np.ndarray:
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return mask & (sizes >= _SHARE_OF_LARGEST * sizes.max())[labels]


def _filled(mask: np.ndarray) -> np.ndarray:
    """Fills what each slice encloses; one labelling in plane, as SciPy's own filling is slow."""
    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[1] = ndimage.generate_binary_structure(2, 1)
    labels, count = ndimage.label(~mask, in_plane)
    outside = np.zeros(count + 1, bool)
    for edge in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        outside[np.unique(edge)] = True
    outside[0] = False
    return ~outside[labels]
