"""The SynthRAD challenges' figures inside the body mask, without ever holding the volume."""

from __future__ import annotations

import math

import numpy as np

from robmednas_tf.evaluation.outcomes import MaskScore
from robmednas_tf.evaluation.similarity import MARGIN, MultiScaleSimilarity, StreamedMean

LOWEST_HU, HIGHEST_HU = -1024.0, 3000.0
DATA_RANGE_HU = HIGHEST_HU - LOWEST_HU
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Halved four times it leaves 7 voxels: the coarsest scale's window.
MIN_SIZE = 97


class MaskMetrics:
    """Accumulates one subject's slices; the result is that of the whole 3-D volume.

    MAE is that of the values as they are; all else is that of values clipped to [-1024, 3000] HU,
    with a data range of 4024. For SSIM and MS-SSIM both volumes are -1024 HU outside the mask and
    then raised by 1024, windows are cubes of 7 voxels, and of the map the voxels count that lie in
    the mask and 3 or more from each face.

    SSIM, that of 2023, is NaN where no such voxel exists, as in volumes thinner than 7 voxels.

    MS-SSIM, that of 2025, repeats the voxels at the faces until each axis has 97, and is NaN where
    no such voxel exists at one of its five scales. Where its definition leaves a choice, this is
    the project's reading:

    - an odd number of missing voxels is padded with one more after than before, the mask too;
    - C3 = C2 / 2, sample (co)variances as in SSIM, and each of luminance, contrast and structure
      is clipped at 0 and raised to the scale's weight, voxel by voxel, before the mean;
    - voxel k of the next scale is the mean of voxels 2k - 1 and 2k along each axis (0 alone for
      the first), and takes its mask from voxel 2k.

    Args:
        shape: `(slices, rows, columns)` of the whole volume.

    Raises:
        ValueError: If it is not three numbers of 1 or more.

    Source: SynthRAD2023 and SynthRAD2025; Wang et al. 2003 and 2004.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(
                "A volume's shape must be three numbers of 1 or more (slices, rows, columns). "
                f"Received: {tuple(shape)}."
            )
        self._shape = tuple(shape)
        self._num_slices = 0
        self._absolute_error, self._squared_error = StreamedMean(), StreamedMean()
        self._ssim = StreamedMean()
        self._ms_ssim = MultiScaleSimilarity(DATA_RANGE_HU, SCALE_WEIGHTS)
        self._padding = [_padding(size) for size in shape]
        # The map of the padded volume, MS-SSIM's, holds that of the volume itself, SSIM's: one is
        # computed for both. Each lacks its volume's first three voxels, so that only padding shifts
        # the one in the other.
        self._ssim_slices, *self._ssim_pixels = (
            slice(before, before + size - 2 * MARGIN)
            for size, (before, _) in zip(shape, self._padding, strict=True)
        )
        self._num_maps = 0

    def update(self, y_true: np.ndarray, y_pred: np.ndarray, mask: np.ndarray) -> None:
        """Adds the next slices, from the first on.

        Args:
            y_true: CT in HU, `(n, rows, columns)`, n >= 1.
            y_pred: Synthetic CT in HU, the same shape.
            mask: The same shape, bool or numbers; the body is where it is > 0.

        Raises:
            ValueError: If the shapes differ from each other or from the volume's, a value is NaN
                or infinite, or there are more slices than announced. Nothing is added then.
        """
        y_true, y_pred, inside = np.asarray(y_true), np.asarray(y_pred), np.asarray(mask) > 0
        self._check(y_true, y_pred, inside)
        for slices in zip(y_true, y_pred, inside, strict=True):
            self._add(*slices)

    def result(self) -> MaskScore:
        """Returns the volume's figures, all NaN if the mask is empty.

        Raises:
            ValueError: If slices are missing.
        """
        if self._num_slices < self._shape[0]:
            raise ValueError(
                "All slices of a volume must be added before it is scored. "
                f"Received: {self._num_slices} of {self._shape[0]}. "
                "Add the rest, or announce a volume of fewer."
            )
        return MaskScore(
            mae=self._absolute_error.value,
            psnr=_psnr(self._squared_error.value),
            ssim=self._ssim.value,
            ms_ssim=self._ms_ssim.result(),
        )

    def _check(self, y_true: np.ndarray, y_pred: np.ndarray, inside: np.ndarray) -> None:
        shapes = (y_true.shape, y_pred.shape, inside.shape)
        if len(set(shapes)) > 1 or shapes[0][1:] != self._shape[1:] or not len(y_true):
            raise ValueError(
                "Truth, prediction and mask must have one shape (n, rows, columns), n >= 1, of a "
                f"volume announced as {self._shape}. "
                f"Received: y_true {shapes[0]}, y_pred {shapes[1]}, mask {shapes[2]}. "
                "A single slice needs an axis of length one in front."
            )
        missing = self._shape[0] - self._num_slices
        if len(y_true) > missing:
            raise ValueError(
                f"A volume announced with {self._shape[0]} slices must not get more. "
                f"Received: {len(y_true)} where {missing} are missing. "
                "Announce the volume's own shape, and score each volume anew."
            )
        num_bad = y_true.size - np.count_nonzero(np.isfinite(y_true) & np.isfinite(y_pred))
        if num_bad:
            raise ValueError(
                "Truth and prediction must be finite. "
                f"Received: {num_bad} of {y_true.size} voxels where one is NaN or infinite."
            )

    def _add(self, y_true: np.ndarray, y_pred: np.ndarray, inside: np.ndarray) -> None:
        error = np.subtract(y_true[inside], y_pred[inside], dtype=np.float64)
        self._absolute_error.add(np.abs(error))
        y_true, y_pred = _clipped(y_true, inside), _clipped(y_pred, inside)
        self._squared_error.add(np.square(y_true[inside] - y_pred[inside]))
        before, after = self._padding[0]
        self._num_slices += 1
        repeats = 1
        if self._num_slices == 1:
            repeats += before
        if self._num_slices == self._shape[0]:
            repeats += after
        padded = [np.pad(each, self._padding[1:], mode="edge") for each in (y_true, y_pred, inside)]
        for _ in range(repeats):
            self._compare(*padded)

    def _compare(self, y_true: np.ndarray, y_pred: np.ndarray, inside: np.ndarray) -> None:
        finest = self._ms_ssim.push(y_true, y_pred, inside)
        if finest is None:
            return
        if self._ssim_slices.start <= self._num_maps < self._ssim_slices.stop:
            similarity, counted = (each[tuple(self._ssim_pixels)] for each in finest)
            self._ssim.add(similarity[counted])
        self._num_maps += 1


def mask_scores(y_true: np.ndarray, y_pred: np.ndarray, mask: np.ndarray) -> MaskScore:
    """Returns the figures of a prediction that fits into memory; see `MaskMetrics`.

    Args:
        y_true: One subject's CT in HU, `(slices, rows, columns)`.
        y_pred: Synthetic CT in HU, the same shape.
        mask: The same shape, bool or numbers; the body is where it is > 0.

    Raises:
        ValueError: If there are not three axes, the shapes differ, or a value is NaN or infinite.
    """
    metrics = MaskMetrics(np.shape(y_true))
    metrics.update(y_true, y_pred, mask)
    return metrics.result()


def _padding(size: int) -> tuple[int, int]:
    missing = max(0, MIN_SIZE - size)
    return missing // 2, missing - missing // 2


def _clipped(hu: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Returns HU above the lowest, float64, 0 outside the mask."""
    clipped = np.clip(np.asarray(hu, np.float64), LOWEST_HU, HIGHEST_HU)
    return np.where(inside, clipped - LOWEST_HU, 0.0)


def _psnr(squared_error: float) -> float:
    if squared_error == 0:
        return math.inf
    return 10 * math.log10(DATA_RANGE_HU**2 / squared_error)
