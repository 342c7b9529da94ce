"""Corrupting a subject's slices by as much as is asked for.

How much is said as the root mean squared change of the z-scored MR: an MR that is corrupted by 0.1
is as far from the clean one as one attacked by FGSM of epsilon 0.1. For that each volume's own
strength is sought, by bisection on some of its slices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import tensorflow as tf

from robmednas_tf.attacks.noise import seeds_of_slices
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.corruptions.rescaling import Rescaling, Sums
from robmednas_tf.corruptions.transforms import STRONGEST, TRANSFORMS, Where
from robmednas_tf.data.grid import pad_or_crop
from robmednas_tf.data.prepared import PreparedSubject, evenly_spread
from robmednas_tf.data.slices import masked_batches

# Slices that the strength is sought on, and those that the window's upper end is read from.
_NUM_SOUGHT, _NUM_WINDOW = 8, 32
_WINDOW_PERCENTILE = 99.5
_NUM_HALVINGS, _NUM_CORRECTIONS, _TOLERANCE = 10, 2, 0.05
_BATCH_SIZE = 6


@dataclass(frozen=True)
class Corruption:
    """What one corruption does to one volume.

    Attributes:
        strength: Of the transform, in its own units.
        rescaling: What z-scoring again does.
    """

    strength: float
    rescaling: Rescaling


@dataclass(frozen=True, eq=False)
class _Batch:
    first_slice: int
    mr: np.ndarray
    counts: np.ndarray


class CorruptedVolume:
    """A subject's slices under corruptions.

    Args:
        subject: Whose slices.
        seed: Of chance, >= 0.
    """

    def __init__(self, subject: PreparedSubject, seed: int):
        self.subject, self._seed = subject, seed
        self._low, self._high = _window(subject)

    def corruption(self, perturbation: Perturbation) -> Corruption:
        """Returns what a corruption does to the volume: sought once a process, and then known.

        Where even the strongest does less than is asked for, it is the strongest.
        """
        return _sought(self.subject, self._seed, perturbation)

    def corrupted(self, perturbation: Perturbation, first_slice: int, mr: np.ndarray) -> np.ndarray:
        """Returns slices corrupted and z-scored again.

        Args:
            perturbation: Of a kind in `TRANSFORMS`.
            first_slice: Place of the first slice among the subject's.
            mr: float32 `(batch, height, width, 1)`, z-scored.

        Returns:
            float32 like `mr`. What pads the volume to the network's grid is the lowest value of
            the corrupted volume, as it is of a clean one.
        """
        if perturbation.size == 0:
            return mr
        found = self.corruption(perturbation)
        values = self.transformed(perturbation.kind, found.strength, first_slice, mr)
        again = (found.rescaling.factor * values + found.rescaling.shift).astype(np.float32)
        height, width = mr.shape[1:3]
        return pad_or_crop(again[..., 0], height, width, found.rescaling.lowest)[..., None]

    def transformed(
        self, kind: str, strength: float, first_slice: int, mr: np.ndarray
    ) -> np.ndarray:
        """Returns slices in z-score units before they are z-scored again, without padding."""
        own, scale = _own_plane(self.subject, mr), self._high - self._low
        if kind == "rician":
            # Noise is measured in standard deviations of the MR, whatever its window.
            strength /= scale
        image = np.maximum((own - self._low) / scale, 0)
        where = self._where(first_slice, len(mr))
        corrupted = _graph(kind, *image.shape[1:3])(image, np.float32(strength), *where)
        return self._low + scale * np.asarray(corrupted)

    def batches(self) -> Iterator[_Batch]:
        """Yields the volume's slices, with the voxels that z-scoring counts, without padding."""
        first_slice = 0
        for mr, _, body in masked_batches(self.subject, _BATCH_SIZE).as_numpy_iterator():
            inside = _own_plane(self.subject, body) > 0
            counts = inside if self.subject.zscore == "mask" else np.ones_like(inside)
            yield _Batch(first_slice, mr, counts)
            first_slice += len(mr)

    def rescaling(self, kind: str, strength: float, batches: Iterable[_Batch]) -> Rescaling:
        """Returns what z-scoring again does to slices under a transform."""
        sums = Sums()
        for batch in batches:
            values = self.transformed(kind, strength, batch.first_slice, batch.mr)
            sums.add(_own_plane(self.subject, batch.mr), values, batch.counts)
        return sums.rescaling()

    def _where(self, first_slice: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        places = np.arange(first_slice, first_slice + count)
        heights = 2 * places / max(1, self.subject.num_slices - 1) - 1
        seeds = seeds_of_slices(self.subject.name, first_slice, count, self._seed)
        own = seeds_of_slices(self.subject.name, 0, 1, self._seed)[0]
        return seeds, heights.astype(np.float32), own


@lru_cache(maxsize=4096)
def _sought(subject: PreparedSubject, seed: int, perturbation: Perturbation) -> Corruption:
    volume, kind = CorruptedVolume(subject, seed), perturbation.kind
    wanted = set(evenly_spread(subject.num_slices, _NUM_SOUGHT).tolist())
    some = [one for batch in volume.batches() for one in _single(batch, wanted)]
    weakest, strongest = 0.0, STRONGEST[kind]
    for _ in range(_NUM_HALVINGS):
        middle = (weakest + strongest) / 2
        if volume.rescaling(kind, middle, some).rms < perturbation.size:
            weakest = middle
        else:
            strongest = middle
    found = volume.rescaling(kind, strongest, volume.batches())
    for _ in range(_NUM_CORRECTIONS):
        # The whole volume is not just as its samples; the change grows nearly as the strength.
        if abs(found.rms - perturbation.size) <= _TOLERANCE * perturbation.size:
            break
        ratio = perturbation.size / max(found.rms, 1e-6)
        strongest = min(strongest * ratio, STRONGEST[kind])
        found = volume.rescaling(kind, strongest, volume.batches())
    return Corruption(strongest, found)


def _single(batch: _Batch, wanted: set[int]) -> Iterator[_Batch]:
    for number in range(len(batch.mr)):
        if batch.first_slice + number in wanted:
            one = slice(number, number + 1)
            yield _Batch(batch.first_slice + number, batch.mr[one], batch.counts[one])


@lru_cache(maxsize=512)
def _window(subject: PreparedSubject) -> tuple[float, float]:
    """Returns the background and the 99.5th percentile of a subject's z-scored MR.

    The background of a magnitude image is its lowest value: where nothing is, it is zero. It is
    sought in every slice, so that no voxel of the clean MR lies below zero; the percentile, which
    single voxels do not move, in slices spread evenly through the volume.
    """
    wanted = set(evenly_spread(subject.num_slices, _NUM_WINDOW).tolist())
    low, values = math.inf, []
    for place, (mr, _, _) in enumerate(masked_batches(subject, 1).as_numpy_iterator()):
        own = _own_plane(subject, mr)
        low = min(low, float(own.min()))
        if place in wanted:
            values.append(own)
    return low, max(float(np.percentile(values, _WINDOW_PERCENTILE)), low + 1e-3)


def _own_plane(subject: PreparedSubject, slices: np.ndarray) -> np.ndarray:
    """Returns slices without what pads the volume to the network's grid."""
    rows, columns = (min(size, subject.image_size) for size in subject.plane)
    return pad_or_crop(slices[..., 0], rows, columns, 0)[..., None]


@cache
def _graph(kind: str, height: int, width: int) -> Callable[..., tf.Tensor]:
    """Returns a transform as one graph for every number of slices."""
    transform = TRANSFORMS[kind]

    def corrupt(
        image: tf.Tensor,
        strength: tf.Tensor,
        seeds: tf.Tensor,
        heights: tf.Tensor,
        volume_seed: tf.Tensor,
    ) -> tf.Tensor:
        return transform(image, strength, Where(seeds, heights, volume_seed))

    signature = [
        tf.TensorSpec([None, height, width, 1]),
        tf.TensorSpec([]),
        tf.TensorSpec([None, 2], tf.int32),
        tf.TensorSpec([None]),
        tf.TensorSpec([2], tf.int32),
    ]
    return tf.function(corrupt, input_signature=signature)
