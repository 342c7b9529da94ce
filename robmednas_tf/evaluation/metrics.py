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


@dataclass
class _RegionSums:
    num_true: int = 0
    num_pred: int = 0
    num_both: int = 0
    absolute_error: float = 0.0

    def add(self, in_true: np.ndarray, in_pred: np.ndarray, error: np.ndarray) -> None:
        self.num_true += int(np.count_nonzero(in_true))
        self.num_pred += int(np.count_nonzero(in_pred))
        self.num_both += int(np.count_nonzero(in_true & in_pred))
        self.absolute_error += float(error[in_true].sum())

    def score(self) -> RegionScore:
        num_either = self.num_true + self.num_pred
        return RegionScore(
            dice=2 * self.num_both / num_either if num_either else math.nan,
            mae=self.absolute_error / self.num_true if self.num_true else math.nan,
        )


class VolumeMetrics:
    """Accumulates one subject's slices; the result is that of the whole 3-D volume.

    Source: paper section 2.5.
    """

    def __init__(self) -> None:
        self._sums = {name: _RegionSums() for name in REGIONS}

    def update(self, y_true: np.ndarray, y_pred: np.ndarray) -> None:
        """Adds a slice, or any number of them.

        Args:
            y_true: CT in HU, any shape.
            y_pred: Synthetic CT in HU, the same shape.

        Raises:
            ValueError: If the shapes differ or a value is NaN or infinite.
        """
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        if y_true.shape != y_pred.shape:
            raise ValueError(
                "Truth and prediction must have one shape. "
                f"Received: y_true {y_true.shape}, y_pred {y_pred.shape}."
            )
        # In float64, so that a volume scores the same slice by slice as at once.
        error = np.abs(np.subtract(y_true, y_pred, dtype=np.float64))
        num_bad = error.size - np.count_nonzero(np.isfinite(error))
        if num_bad:
            raise ValueError(
                "Truth and prediction must be finite. "
                f"Received: {num_bad} of {error.size} pixels where one is NaN or infinite."
            )
        for name, region in REGIONS.items():
            self._sums[name].add(region.contains(y_true), region.contains(y_pred), error)

    def result(self) -> dict[str, RegionScore]:
        """Returns the scores of everything added so far, per region in `REGIONS`' order."""
        return {name: sums.score() for name, sums in self._sums.items()}


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
