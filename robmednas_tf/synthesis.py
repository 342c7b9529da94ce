"""Synthetic CT of whole MR volumes, on the MR's own grid, by one network or several."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from robmednas_tf.attacks.label_free import fgsm_from_own_prediction
from robmednas_tf.attacks.perturbations import noise_of_slices
from robmednas_tf.data.intensities import AIR_HU, CT_SCALE_HU, denormalize_ct
from robmednas_tf.data.slice_view import MRVolume, SliceView
from robmednas_tf.evaluation.models import TrainedModel, load_model

# More at a time is no faster.
_MOST_SLICES = 16
# Of a SavedModel, whose layers are not to be seen.
_SLICES_WHERE_UNKNOWN = 4


@dataclass(frozen=True, eq=False)
class SyntheticCT:
    """What networks make of an MR; arrays float32 on the MR's grid, in HU.

    Attributes:
        ct_hu: The synthetic CT: the mean over the models.
        uncertainty_hu: Standard deviation over models and left-right flips; None where not asked.
        robustness_hu: How far the attack moves each voxel, the mean over the models; None where
            not asked.
        cropped: Share of the MR's voxels that lie outside a model's slices; they are air.
    """

    ct_hu: np.ndarray
    uncertainty_hu: np.ndarray | None
    robustness_hu: np.ndarray | None
    cropped: float


class VolumeModel:
    """One network on whole volumes, in float32, in graphs traced once, here.

    Args:
        model: From z-scored MR slices to normalised CT slices.
        batch_size: Slices at a time; halved where memory runs out.
        epsilon: L-infinity size of the attack of `movements`, in z-score units.
    """

    def __init__(
        self,
        model: TrainedModel,
        batch_size: int = 6,
        epsilon: float = 0.0,
    ):
        self.preprocessing, self.image_size = model.preprocessing, model.image_size
        self.digest, self.batch_size = model.digest, batch_size
        self._epsilon = epsilon
        # The graphs do not keep the model's weights alive.
        self._model = model
        spec = tf.TensorSpec(model.input_shape)

        def predict(mr: tf.Tensor) -> tf.Tensor:
            return model(mr, training=False)

        def move(mr: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
            synthetic_ct = model(mr, training=False)
            attacked = fgsm_from_own_prediction(model, mr, synthetic_ct, noise, epsilon)
            return tf.abs(model(attacked, training=False) - synthetic_ct)

        self._predict = tf.function(predict).get_concrete_function(spec)
        self._move = tf.function(move).get_concrete_function(spec, spec) if epsilon else None

    def predictions(self, slices: np.ndarray) -> Iterator[np.ndarray]:
        """Predicts slices, a batch at a time.

        Args:
            slices: float32 `(slices, height, width)`, z-scored.

        Yields:
            Synthetic CT in HU, float32 `(batch, height, width)`.
        """

        def predict(batch: slice) -> np.ndarray:
            mr = tf.convert_to_tensor(slices[batch, ..., np.newaxis])
            return denormalize_ct(self._predict(mr))[..., 0]

        return self._in_batches(predict, len(slices))

    def movements(self, slices: np.ndarray, subject: str) -> Iterator[np.ndarray]:
        """Attacks slices, a batch at a time.

        Args:
            slices: float32 `(slices, height, width)`, z-scored.
            subject: Whose they are: one subject, one random start.

        Yields:
            How far the prediction moves in HU, float32 `(batch, height, width)`.

        Raises:
            ValueError: If this model was made without an epsilon.
        """
        if self._move is None:
            raise ValueError("An attack needs epsilon > 0. Received: none.")
        attack = self._move

        def move(batch: slice) -> np.ndarray:
            mr = slices[batch, ..., np.newaxis]
            noise = noise_of_slices(subject, batch.start, mr.shape, seed=0)
            moved = attack(tf.convert_to_tensor(mr), tf.convert_to_tensor(noise))
            return np.asarray(moved)[..., 0] * CT_SCALE_HU

        return self._in_batches(move, len(slices))

    def _in_batches(
        self, compute: Callable[[slice], np.ndarray], num_slices: int
    ) -> Iterator[np.ndarray]:
        start = 0
        while start < num_slices:
            stop = min(start + self.batch_size, num_slices)
            try:
                result = compute(slice(start, stop))
            except tf.errors.ResourceExhaustedError:
                if self.batch_size == 1:
                    raise
                self.batch_size = max(1, self.batch_size // 2)
                continue
            yield result
            start = stop


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
        cropped = 0.0
        for model in self.models:
            view = SliceView.of(volume, model.preprocessing, model.image_size)
            cropped = max(cropped, view.cropped)
            ct_hu = _volume(view, model.predictions(view.slices), AIR_HU, on_slices)
            mean.add(ct_hu)
            if self._uncertainty:
                flipped = model.predictions(view.slices[:, :, ::-1])
                turned_back = (batch[:, :, ::-1] for batch in flipped)
                members.add(ct_hu)
                members.add(_volume(view, turned_back, AIR_HU, on_slices))
            if self._robustness:
                batches = model.movements(view.slices, volume.subject)
                moved.add(_volume(view, batches, 0.0, on_slices))
        _require_finite(mean.mean, volume.subject)
        return SyntheticCT(
            mean.mean,
            members.deviation if self._uncertainty else None,
            moved.mean if self._robustness else None,
            cropped,
        )


class _Moments:
    """Mean and standard deviation of volumes that come one after the other (Welford)."""

    def __init__(self) -> None:
        self._count = 0
        self.mean: np.ndarray = np.zeros((), np.float32)
        self._squares: np.ndarray = np.zeros((), np.float32)

    def add(self, volume: np.ndarray) -> None:
        self._count += 1
        delta = volume - self.mean
        self.mean = self.mean + delta / np.float32(self._count)
        self._squares = self._squares + delta * (volume - self.mean)

    @property
    def deviation(self) -> np.ndarray:
        return np.sqrt(self._squares / np.float32(self._count))


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


def load_volume_model(path: Path, batch_size: int = 0, epsilon: float = 0.0) -> VolumeModel:
    """Loads a network for whole volumes.

    Args:
        path: A `.keras` file or a SavedModel's folder.
        batch_size: Slices at a time; 0 for as many as a quarter of the free memory holds.
        epsilon: L-infinity size of the attack, in z-score units; 0 for none.

    Raises:
        ValueError: If it cannot be loaded.
    """
    model = load_model(path)
    batch_size = batch_size or batch_size_for(model, free_bytes() // 4)
    return VolumeModel(model, batch_size, epsilon)


def batch_size_for(model: TrainedModel, num_bytes: int) -> int:
    """Returns how many slices at a time fit into memory, at most `_MOST_SLICES`.

    Args:
        model: The network.
        num_bytes: The memory.
    """
    if model.activations is None:
        return _SLICES_WHERE_UNKNOWN
    # As if every layer's output were kept, as for a gradient, and copied once.
    return int(np.clip(num_bytes // (8 * model.activations), 1, _MOST_SLICES))


def free_bytes() -> int:
    """Returns the machine's free main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
