"""Synthetic CT of whole MR volumes, on the MR's own grid, by one network or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from robmednas_tf.data.intensities import AIR_HU
from robmednas_tf.data.slice_view import MRVolume, SliceView
from robmednas_tf.volume_model import VolumeModel


@dataclass(frozen=True, eq=False)
class SyntheticCT:
    """What networks make of an MR; arrays float32 on the MR's grid, in HU.

    Attributes:
        ct_hu: The synthetic CT: the mean over the models in whose slices a voxel lies; air where
            it lies in none.
        uncertainty_hu: Standard deviation over models and left-right flips; None where not asked.
        robustness_hu: How far the attack moves each voxel, the mean over the models; None where
            not asked.
        unseen: Share of the MR's voxels that lie in no model's slices.
    """

    ct_hu: np.ndarray
    uncertainty_hu: np.ndarray | None
    robustness_hu: np.ndarray | None
    unseen: float


class Synthesizer:
    """Networks that together make a synthetic CT.

    Args:
        models: At least one.
        uncertainty: Whether to give the standard deviation over models and flips.
        robustness: Whether to attack.
    """

    def __init__(self, models: Sequence[VolumeModel], uncertainty: bool, robustness: bool):
        self.models, self._uncertainty, self._robustness = tuple(models), uncertainty, robustness

    @property
    def num_passes(self) -> int:
        """How often each volume's slices are gone through."""
        return len(self.models) * (1 + self._uncertainty + self._robustness)

    def __call__(
        self, volume: MRVolume, on_slices: Callable[[int], None] = lambda _: None
    ) -> SyntheticCT:
        """Synthesises the CT of one volume.

        Args:
            volume: The MR.
            on_slices: Called with the number of slices of each batch that is done.

        Raises:
            ValueError: If the MR is constant, lacks a mask that a model needs, or a prediction
                is not finite.
        """
        mean, members, moved = _Moments(), _Moments(), _Moments()
        for model in self.models:
            view = SliceView.of(volume, model.preprocessing, model.image_size)
            seen = view.seen()
            ct_hu = _volume(view, model.predictions(view.slices), AIR_HU, on_slices)
            _require_finite(ct_hu, volume.subject)
            mean.add(ct_hu, seen)
            if self._uncertainty:
                flipped = model.predictions(view.slices[:, :, ::-1])
                turned_back = (batch[:, :, ::-1] for batch in flipped)
                members.add(ct_hu, seen)
                members.add(_volume(view, turned_back, AIR_HU, on_slices), seen)
            if self._robustness:
                batches = model.movements(view.slices, volume.subject)
                moved.add(_volume(view, batches, 0.0, on_slices), seen)
        maps = (
            members.deviation if self._uncertainty else None,
            moved.mean(0.0) if self._robustness else None,
        )
        for each in maps:
            if each is not None:
                _require_finite(each, volume.subject)
        return SyntheticCT(mean.mean(AIR_HU), *maps, mean.unseen)


class _Moments:
    """Mean and standard deviation of volumes that come one after the other (Welford).

    Each voxel is averaged over the volumes in which it was seen.
    """

    def __init__(self) -> None:
        self._count: np.ndarray = np.zeros((), np.float32)
        self._mean: np.ndarray = np.zeros((), np.float32)
        self._squares: np.ndarray = np.zeros((), np.float32)

    def add(self, volume: np.ndarray, seen: np.ndarray | None) -> None:
        weight = np.float32(1) if seen is None else seen.astype(np.float32)
        self._count = self._count + weight
        delta = volume - self._mean
        self._mean = self._mean + delta * weight / np.maximum(self._count, 1)
        self._squares = self._squares + weight * delta * (volume - self._mean)

    def mean(self, unseen: float) -> np.ndarray:
        """Returns the mean, and `unseen` where no volume was seen."""
        return np.where(self._count > 0, self._mean, np.float32(unseen))

    @property
    def deviation(self) -> np.ndarray:
        return np.sqrt(self._squares / np.maximum(self._count, 1))

    @property
    def unseen(self) -> float:
        """Share of the voxels that no volume has shown."""
        return float(1 - np.mean(self._count > 0))


def _volume(
    view: SliceView,
    batches: Iterable[np.ndarray],
    fill: float,
    on_slices: Callable[[int], None],
) -> np.ndarray:
    slices, done = np.empty_like(view.slices), 0
    for batch in batches:
        slices[done : done + len(batch)] = batch
        done += len(batch)
        on_slices(len(batch))
    return view.to_volume(slices, fill)


def _require_finite(ct_hu: np.ndarray, subject: str) -> None:
    if not np.isfinite(ct_hu).all():
        raise ValueError(
            f"The network's prediction of {subject!r} is not finite: its weights or the MR are "
            "broken. Train it anew, or give another --model."
        )
