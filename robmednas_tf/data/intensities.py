"""Intensities: z-scored MR, CT in HU, and CT as the network sees it.

Source: paper section 2.
"""

from __future__ import annotations

import numpy as np

CT_MEAN_HU = 1250.0
CT_SCALE_HU = 2500.0
AIR_HU = -1000.0

# What scanners write outside their field of view (-2000, -3024, ...) lies below this, the lowest
# value CT can measure with 12 bits; it is raised to it, lest padding count as contrast.
FLOOR_HU = -1024.0


def zscore(mr: np.ndarray, inside: np.ndarray | None = None) -> np.ndarray:
    """Scales an MR volume to mean 0 and standard deviation 1.

    Args:
        mr: One subject's whole volume, any shape, arbitrary units.
        inside: bool like `mr`: the voxels whose mean and deviation count, such as the body's; all
            where it is None.

    Returns:
        float32 like `mr`. Every epsilon and noise level of the project is in these units.

    Raises:
        ValueError: If `mr` holds NaN or infinity, or is constant where it counts.

    Source: paper section 2.
    """
    mr = np.asarray(mr)
    counted = mr if inside is None else mr[inside]
    if not np.isfinite(mr).all() or counted.min() == counted.max():
        raise ValueError(
            "An MR volume must be finite and not constant to be z-scored. "
            f"Received: values from {counted.min():g} to {counted.max():g}."
        )
    # In float64: float32 sums over ten million voxels drift by as much as a weak attack.
    mean, deviation = counted.mean(dtype=np.float64), counted.std(dtype=np.float64)
    zscored = np.empty(mr.shape, np.float32)
    # Plane by plane: a volume in float64 would be as large as all the rest together.
    for place in range(len(mr)):
        zscored[place] = np.subtract(mr[place], mean, dtype=np.float64) / deviation
    return zscored


def normalize_ct(ct_hu: np.ndarray) -> np.ndarray:
    """Maps HU to the network's target, `(HU - 1250) / 2500`, as float32."""
    return ((np.asarray(ct_hu, np.float32) - CT_MEAN_HU) / CT_SCALE_HU).astype(np.float32)


def denormalize_ct(values: np.ndarray) -> np.ndarray:
    """Maps the network's output back to HU, as float32; the inverse of `normalize_ct`."""
    return (np.asarray(values, np.float32) * CT_SCALE_HU + CT_MEAN_HU).astype(np.float32)


def to_hu(values: np.ndarray, ct_bias: float, source: str) -> np.ndarray:
    """Turns a CT file's values into HU, or refuses them where they cannot be HU.

    Args:
        values: The file's values, any shape, finite.
        ct_bias: Added to every value; 0 for files in HU, -1000 for the paper's (HU + 1000).
        source: What the error calls the volume, such as `"CT of subject '1BA012' (ct.nii.gz)"`.

    Returns:
        float32 HU like `values`, with scanner padding below -1024 HU raised to -1024.

    Raises:
        ValueError: If the volume has no air, values that no CT holds, or held HU before the bias.

    Source: paper section 2 (the bias).
    """
    low, high = float(values.min()), float(values.max())
    if not _can_be_hu(low + ct_bias, high + ct_bias):
        raise ValueError(
            f"{source} must be in HU: minimum in -10000..-500 (air), maximum in 0..40000. "
            f"Received: {low:g} to {high:g} with ct_bias {ct_bias:g}. {_remedy(low, high)}"
        )
    # Air at -1000 in the file and a bias of -1000 besides would pass as padding unnoticed.
    if -1100 <= low <= -500 and ct_bias <= -500:
        raise ValueError(
            f"{source} must not be shifted where it holds HU already. "
            f"Received: {low:g} to {high:g} with ct_bias {ct_bias:g}. Pass --ct_bias=0; "
            "where other subjects need the bias, rewrite this CT."
        )
    return np.maximum(np.asarray(values, np.float32) + np.float32(ct_bias), np.float32(FLOOR_HU))


def _can_be_hu(low: float, high: float) -> bool:
    return -10_000 <= low <= -500 and 0 <= high <= 40_000


def _remedy(low: float, high: float) -> str:
    if low >= -50 and high > 500:
        return (
            "These look like HU + 1000 (or 1024): pass --ct_bias=-1000 (or -1024); where other "
            "subjects hold HU, rewrite this CT."
        )
    if _can_be_hu(low, high):
        return "The file itself looks like HU: pass --ct_bias=0."
    return "Convert the file to HU, or pass the shift to HU as --ct_bias."
