"""Axial slices as tf.data, streamed from prepared subjects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from robmednas_tf.data.intensities import CT_MEAN_HU, CT_SCALE_HU
from robmednas_tf.data.prepared import PreparedSubject

_CYCLE_LENGTH = 8
_SHUFFLED_SLICES = 512
_SHUFFLED_BYTES = 128 * 2**20


@dataclass(frozen=True)
class ShuffledSlices:
    """Training slices in another order each epoch; the order follows from seed and epoch alone.

    Attributes:
        subjects: At least one.
        batch_size: Slices a batch; an epoch's last may hold fewer.
        seed: One seed, one sequence of epochs.
    """

    subjects: tuple[PreparedSubject, ...]
    batch_size: int
    seed: int

    @property
    def num_steps(self) -> int:
        """Batches an epoch."""
        return _num_batches(self.subjects, self.batch_size)

    def batches(self, first_epoch: int = 0) -> tf.data.Dataset:
        """Streams the epochs from `first_epoch` on, without end.

        Memory does not grow with the number of subjects: a few files are read at a time, and
        slices are shuffled within a window.

        Returns:
            Batches `(mr, ct)`, float32 `(batch, height, width, 1)`: z-scored MR, normalised CT.
        """
        size = self.subjects[0].image_size
        window = min(_SHUFFLED_SLICES, _SHUFFLED_BYTES // (8 * size * size))
        paths = [str(subject.path) for subject in self.subjects]
        # Hashed, or one seed's epochs would be the next one's, shifted by one.
        first_seed = int(np.random.SeedSequence(self.seed).generate_state(1, np.uint64)[0] >> 2)

        def epoch_slices(epoch: tf.Tensor) -> tf.data.Dataset:
            # The seed of this function's own graph: the program's would mix into the order.
            tf.random.set_seed(1)
            # An odd seed for the slices, an even one for the files.
            seed = first_seed + 2 * epoch
            return (
                tf.data.Dataset.from_tensor_slices(paths)
                .shuffle(len(paths), seed=seed, reshuffle_each_iteration=False)
                .interleave(tf.data.TFRecordDataset, cycle_length=_CYCLE_LENGTH, block_length=1)
                .shuffle(window, seed=seed + 1, reshuffle_each_iteration=False)
                .batch(self.batch_size)
            )

        epochs = tf.data.Dataset.counter(first_epoch).flat_map(epoch_slices)
        return epochs.map(_decoder(size, _normalized)).prefetch(2)


def ordered_batches(subjects: Sequence[PreparedSubject], batch_size: int) -> tf.data.Dataset:
    """Streams the subjects' slices once, in order, in `ShuffledSlices`' units."""
    return _batched(subjects, batch_size, _normalized)


def hu_batches(subject: PreparedSubject, batch_size: int) -> tf.data.Dataset:
    """Streams one subject's slices once, in order, the CT in exact HU rather than normalised."""
    return _batched([subject], batch_size, lambda mr, ct: (mr, ct))


def masked_batches(subject: PreparedSubject, batch_size: int) -> tf.data.Dataset:
    """Streams one subject's slices like `hu_batches`, each batch with its body mask besides.

    Returns:
        Batches `(mr, ct, mask)`; the mask is uint8, 1 inside the body.
    """
    size = subject.image_size

    def decode(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        mask = tf.io.decode_raw(tf.strings.substr(records, 8 * size * size, -1), tf.uint8)
        return (*_decode_pair(records, size), tf.reshape(mask, [-1, size, size, 1]))

    return _records([subject], batch_size).map(decode).prefetch(2)


def read_slices(subject: PreparedSubject) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields one subject's slices in order as arrays: z-scored MR and CT in HU."""
    for mr, ct in hu_batches(subject, 1).as_numpy_iterator():
        yield mr[0, ..., 0], ct[0, ..., 0]


def mean_normalized_ct(subjects: Iterable[PreparedSubject]) -> float:
    """Returns the mean of the subjects' normalised CT, over all their pixels."""
    counts = [(subject.num_slices, subject.mean_ct_hu) for subject in subjects]
    mean_hu = sum(count * mean for count, mean in counts) / sum(count for count, _ in counts)
    return (mean_hu - CT_MEAN_HU) / CT_SCALE_HU


def _batched(
    subjects: Sequence[PreparedSubject],
    batch_size: int,
    scale: Callable[[tf.Tensor, tf.Tensor], Any],
) -> tf.data.Dataset:
    records = _records(subjects, batch_size)
    return records.map(_decoder(subjects[0].image_size, scale)).prefetch(2)


def _records(subjects: Sequence[PreparedSubject], batch_size: int) -> tf.data.Dataset:
    records = tf.data.TFRecordDataset([str(subject.path) for subject in subjects])
    # The number of records is not known to tf.data, and Keras warns where an epoch's end is not.
    num_batches = _num_batches(subjects, batch_size)
    return records.batch(batch_size).apply(tf.data.experimental.assert_cardinality(num_batches))


def _num_batches(subjects: Sequence[PreparedSubject], batch_size: int) -> int:
    return -(-sum(subject.num_slices for subject in subjects) // batch_size)


def _decoder(size: int, scale: Callable[[tf.Tensor, tf.Tensor], Any]) -> Callable[[tf.Tensor], Any]:
    def decode(records: tf.Tensor) -> Any:
        return scale(*_decode_pair(records, size))

    return decode


def _decode_pair(records: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    # What follows MR and CT in a record is left where it is.
    values = tf.io.decode_raw(records, tf.float32, fixed_length=8 * size * size)
    values = tf.reshape(values, [-1, 2, size, size, 1])
    return values[:, 0], values[:, 1]


def _normalized(mr: tf.Tensor, ct: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return mr, (ct - CT_MEAN_HU) / CT_SCALE_HU
