"""Dice and MAE per region over a whole volume, without ever holding the volume."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from robmednas_tf.evaluation.regions import REGIONS


@dataclass(frozen=True)
class RegionScore:
    """How well a prediction does in one region of one subject.

    Attributes:
        dice: Overlap of the region in truth and prediction, 0..1; NaN where both are empty.
        mae: Mean absolute error in HU over the truth's region; NaN where that is empty.
    """

    dice: float
    mae: float


# A voxel's regions as one number: bit i for the i-th region.
_NUM_CODES = 2 ** len(REGIONS)
_HAS_REGION = (np.arange(_NUM_CODES) >> np.arange(len(REGIONS))[:, np.newaxis] & 1).astype(bool)


@dataclass(frozen=True, eq=False)
class CodedCT:
    """A CT with each voxel's regions, worked out once however often it is compared with.

    Attributes:
        hu: CT in HU, any shape.
        codes: uint8 like `hu`: the regions that a voxel lies in.
    """

    hu: np.ndarray
    codes: np.ndarray

    @classmethod
    def of(cls, hu: np.ndarray) -> CodedCT:
        """Works out the regions of a CT in HU."""
        hu = np.asarray(hu)
        codes = np.zeros(hu.shape, np.uint8)
        for place, region in enumerate(REGIONS.values()):
            codes |= region.contains(hu).view(np.uint8) << np.uint8(place)
        return cls(hu, codes)


class VolumeMetrics:
    """Accumulates one subject's slices; the result is that of the whole 3-D volume.

    Source: paper section 2.5.
    """

    def __init__(self) -> None:
        # How often each code in truth meets each in the prediction, and truth's codes' errors.
        self._meetings = np.zeros((_NUM_CODES, _NUM_CODES), np.int64)
        self._absolute_error = np.zeros(_NUM_CODES)

    def update(self, y_true: np.ndarray | CodedCT, y_pred: np.ndarray) -> None:
        """Adds a slice, or any number of them.

        Args:
            y_true: CT in HU, any shape.
            y_pred: Synthetic CT in HU, the same shape.

        Raises:
            ValueError: If the shapes differ or a value is NaN or infinite.
        """
        truth = y_true if isinstance(y_true, CodedCT) else CodedCT.of(y_true)
        y_pred = np.asarray(y_pred)
        if truth.hu.shape != y_pred.shape:
            raise ValueError(
                "Truth and prediction must have one shape. "
                f"Received: y_true {truth.hu.shape}, y_pred {y_pred.shape}."
            )
        # In float64, so that a volume scores the same slice by slice as at once.
        error = np.abs(np.subtract(truth.hu, y_pred, dtype=np.float64))
        num_bad = error.size - np.count_nonzero(np.isfinite(error))
        if num_bad:
            raise ValueError(
                "Truth and prediction must be finite. "
                f"Received: {num_bad} of {error.size} pixels where one is NaN or infinite."
            )
        pairs = truth.codes.astype(np.intp) * _NUM_CODES + CodedCT.of(y_pred).codes
        counts = np.bincount(pairs.ravel(), minlength=_NUM_CODES**2)
        self._meetings += counts.reshape(_NUM_CODES, _NUM_CODES)
        self._absolute_error += np.bincount(
            truth.codes.ravel(), weights=error.ravel(), minlength=_NUM_CODES
        )

    def result(self) -> dict[str, RegionScore]:
        """Returns the scores of everything added so far, per region in `REGIONS`' order."""
        return {
            name: self._score(inside) for name, inside in zip(REGIONS, _HAS_REGION, strict=True)
        }

    def _score(self, inside: np.ndarray) -> RegionScore:
        in_true, in_pred = self._meetings[inside], self._meetings[:, inside]
        num_true, num_both = int(in_true.sum()), int(in_true[:, inside].sum())
        num_either = num_true + int(in_pred.sum())
        error = float(self._absolute_error[inside].sum())
        return RegionScore(
            dice=2 * num_both / num_either if num_either else math.nan,
            mae=error / num_true if num_true else math.nan,
        )


def volume_scores(y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, RegionScore]:
    """Returns the scores per region of a prediction that fits into memory.

    Args:
        y_true: One subject's CT in HU, any shape.
        y_pred: Synthetic CT in HU, the same shape.

    Raises:
        ValueError: If the shapes differ or a value is NaN or infinite.
    """
    metrics = VolumeMetrics()
    metrics.update(y_true, y_pred)
    return metrics.result()


def mean_over_regions(scores: Mapping[str, RegionScore]) -> tuple[float, float]:
    """Returns the mean Dice and the mean MAE in HU over regions, those undefined (NaN) left out.

    Either is NaN where it is undefined in every region.
    """
    return (
        _mean(score.dice for score in scores.values()),
        _mean(score.mae for score in scores.values()),
    )


def _mean(values: Iterable[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan
