"""One network on whole volumes, a batch of slices at a time, as many as memory holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from robmednas_tf.attacks.label_free import fgsm_from_own_prediction
from robmednas_tf.attacks.noise import noise_of_slices
from robmednas_tf.data.intensities import CT_SCALE_HU, denormalize_ct
from robmednas_tf.evaluation.models import TrainedModel, load_model
from robmednas_tf.machine import available_memory_gb

# More at a time is no faster.
_MOST_SLICES = 16
# Of a SavedModel, whose layers are not to be seen.
_SLICES_WHERE_UNKNOWN = 4


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
        self.says_preprocessing = model.says_preprocessing
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
    batch_size = batch_size or batch_size_for(model, int(available_memory_gb() * 1e9 / 4))
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
