"""Structural similarity of volumes that come slice by slice, at one scale and at many.

No volume is held: a scale keeps the slices that one window spans, and hands every second one on,
averaged with the one before, to the next coarser scale.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

WINDOW = 7
MARGIN = WINDOW // 2
_K1, _K2 = 0.01, 0.03
# From the mean over the window to the sample (co)variance.
_SAMPLE = WINDOW**3 / (WINDOW**3 - 1)


class StreamedMean:
    """The mean of values that come in parts, in float64; NaN while there is none."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._count = 0

    def add(self, values: np.ndarray) -> None:
        """Adds values, any shape; none at all is allowed."""
        self._sum += float(values.sum(dtype=np.float64))
        self._count += values.size

    @property
    def value(self) -> float:
        """The mean of all values so far."""
        return self._sum / self._count if self._count else math.nan


class SlidingSimilarity:
    """Streams the SSIM map of a volume for cubic windows of 7 voxels a side.

    Equals scikit-image's `structural_similarity` with `full=True` and its defaults (uniform
    window, K1 0.01, K2 0.03, sample covariance), cropped by 3 voxels at each face.

    Args:
        data_range: Of the values compared, > 0.

    Source: Wang et al. 2004.
    """

    def __init__(self, data_range: float) -> None:
        self._c1, self._c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
        self._moments: deque[np.ndarray] = deque(maxlen=WINDOW)
        # The oldest is that of the window's central slice.
        self._masks: deque[np.ndarray] = deque(maxlen=MARGIN + 1)

    def push(
        self, y_true: np.ndarray, y_pred: np.ndarray, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Takes the next slice and gives the map of the slice three before.

        Args:
            y_true: float64 `(rows, columns)`, each axis 7 or longer.
            y_pred: float64, the same shape.
            mask: bool, the same shape.

        Returns:
            The map, float64, and the mask it belongs to, bool, both `(rows - 6, columns - 6)`.
            The map is made within the box around the mask, and 0 elsewhere. None until seven slices
            have come.
        """
        self._moments.append(
            np.stack((y_true, y_pred, y_true * y_true + y_pred * y_pred, y_true * y_pred))
        )
        self._masks.append(mask)
        if len(self._moments) < WINDOW:
            return None
        inside = self._masks[0][MARGIN:-MARGIN, MARGIN:-MARGIN]
        similarity = np.zeros(inside.shape)
        # One box, or none where the mask is empty: most of a volume lies outside the body.
        for box in ndimage.find_objects(inside.astype(np.uint8)):
            similarity[box] = self._similarity(self._window_means(box))
        return similarity, inside

    def _window_means(self, box: tuple[slice, slice]) -> np.ndarray:
        """Returns the moments' means over the windows centred in a box of the cropped map."""
        spans = (slice(None), *(slice(axis.start, axis.stop + 2 * MARGIN) for axis in box))
        means = functools.reduce(np.add, (moments[spans] for moments in self._moments)) / WINDOW
        for axis in (1, 2):
            means = ndimage.uniform_filter1d(means, WINDOW, axis)
        return means[:, MARGIN:-MARGIN, MARGIN:-MARGIN]

    def _similarity(self, means: np.ndarray) -> np.ndarray:
        x, y, squares, product = means
        mean_squares, mean_product = x * x + y * y, x * y
        # Rounding can take a variance of 0 below it, but by nothing next to C2.
        variances = _SAMPLE * (squares - mean_squares)
        covariance = _SAMPLE * (product - mean_product)
        luminance = (2 * mean_product + self._c1) / (mean_squares + self._c1)
        return luminance * (2 * covariance + self._c2) / (variances + self._c2)


class MultiScaleSimilarity:
    """Streams multi-scale SSIM inside a mask: a product over scales, each coarser by two.

    At each scale luminance, contrast and structure, each clipped at 0, are raised to the scale's
    weight, multiplied, and averaged inside the mask after cropping 3 voxels at each face. With
    C3 = C2 / 2 contrast times structure is SSIM's second factor, and of values >= 0 only structure
    can be negative: the product of the three is the SSIM map clipped at 0, which is computed.

    Args:
        data_range: Of the values compared, which are >= 0; itself > 0.
        weights: Of the scales, the finest first.

    Source: Wang et al. 2003.
    """

    def __init__(self, data_range: float, weights: Sequence[float]) -> None:
        weight, *coarser = weights
        self._weight = weight
        self._windows = SlidingSimilarity(data_range)
        self._mean = StreamedMean()
        self._halving = _Halving()
        self._coarser = MultiScaleSimilarity(data_range, coarser) if coarser else None

    def push(
        self, y_true: np.ndarray, y_pred: np.ndarray, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Takes the next slice; arguments and result are those of `SlidingSimilarity.push`."""
        finest = self._windows.push(y_true, y_pred, mask)
        if finest is not None:
            similarity, inside = finest
            self._mean.add(np.maximum(similarity[inside], 0) ** self._weight)
        if self._coarser is not None:
            halves = self._halving.push(y_true, y_pred, mask)
            if halves is not None:
                self._coarser.push(*halves)
        return finest

    def result(self) -> float:
        """Returns the product; NaN if at some scale no voxel of the mask is 3 from each face."""
        return self._mean.value * (1.0 if self._coarser is None else self._coarser.result())


class _Halving:
    """Streams a volume at half its size: 2 x 2 x 2 boxes, and every second voxel of the mask."""

    def __init__(self) -> None:
        self._count = 0
        self._previous: tuple[np.ndarray, np.ndarray] | None = None

    def push(
        self, y_true: np.ndarray, y_pred: np.ndarray, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Takes the next slice; returns a slice of half the size at the first and every second."""
        true_before, pred_before = self._previous or (y_true, y_pred)
        self._previous = (y_true, y_pred)
        self._count += 1
        if self._count % 2 == 0:
            return None
        return (
            _halved((true_before + y_true) / 2),
            _halved((pred_before + y_pred) / 2),
            mask[::2, ::2],
        )


def _halved(values: np.ndarray) -> np.ndarray:
    """Averages every second row and column, from the first, with the one before (or itself)."""
    for axis in (0, 1):
        every_second = np.arange(0, values.shape[axis], 2)
        before = np.maximum(every_second - 1, 0)
        values = (values.take(before, axis) + values.take(every_second, axis)) / 2
    return values
