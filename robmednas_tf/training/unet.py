"""The training step: squared error per slice, of clean slices or of some that were attacked.

Source: paper sections 2.2 to 2.4; `robmednas_tf.adversarial.KINDS`.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from robmednas_tf.adversarial import TRADES, AdversarialConfig
from robmednas_tf.config import TrainingConfig
from robmednas_tf.training.attacked import attack_slices
from robmednas_tf.training.optimizer import FlatAdam


class TrainableUNet(keras.Model):
    """A U-Net with the method's training step.

    Its batches are `(mr, ct)`, float32 `(batch, height, width, 1)`, and in adversarial training
    `(mr, ct, replaced, noise)`: `replaced` a boolean for each slice, `noise` like `mr`, uniform in
    [-1, 1), for attacks that start at a random point. Each epoch logs `loss`, the mean over the
    slices that were trained on; adversarial training also logs `replaced`, the share of slices that
    were attacked, and `perturbation`, these slices' mean `|step| / epsilon`.
    Its weights are kept, or a `keras.Model` of its input and output is saved; not itself.

    Args:
        model: Made by `build_unet`; shares its layers.
        adversarial: How slices are attacked; None trains on clean slices.
    """

    def __init__(self, model: keras.Model, adversarial: AdversarialConfig | None = None):
        super().__init__(model.input, model.output, name=model.name)
        self.adversarial = adversarial
        self._loss = keras.metrics.Mean(name="loss")
        self._replaced = keras.metrics.Mean(name="replaced")
        self._perturbation = keras.metrics.Mean(name="perturbation")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What an epoch logs."""
        if self.adversarial is None:
            return [self._loss]
        return [self._loss, self._replaced, self._perturbation]

    def train_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, Any]:
        """Trains on one batch and returns the epoch's means so far."""
        (mr, ct, *others), counts = _never_empty(data)
        config, trained_on = self.adversarial, mr
        if config is not None:
            replaced, noise = others
            trained_on = self._with_attacked(mr, ct, replaced, noise, counts, config)
        with tf.GradientTape() as tape:
            if config is not None and config.kind == TRADES:
                errors = self._trades_errors(mr, ct, trained_on, config.beta)
            else:
                errors = slice_errors(ct, self(trained_on, training=True))
            loss = tf.reduce_sum(errors * counts) / _sum_everywhere(counts)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self._loss.update_state(errors, sample_weight=counts)
        return self.get_metrics_result()

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # All is built by now. On several devices Keras would take the first batch away to build
        # by, and average its parts, which fails where they are of unequal size.
        del iterator, data_batch

    def _trades_errors(
        self, mr: tf.Tensor, ct: tf.Tensor, attacked: tf.Tensor, beta: float
    ) -> tf.Tensor:
        synthetic_ct = self(mr, training=True)
        # Where a slice was not attacked, the second term is zero.
        away = slice_errors(tf.cast(synthetic_ct, tf.float32), self(attacked, training=True))
        return slice_errors(ct, synthetic_ct) + beta * away

    def _with_attacked(
        self,
        mr: tf.Tensor,
        ct: tf.Tensor,
        replaced: tf.Tensor,
        noise: tf.Tensor,
        counts: tf.Tensor,
        config: AdversarialConfig,
    ) -> tf.Tensor:
        if self.jit_compile:
            # XLA knows no shapes that depend on values.
            attacked, moved = attack_slices(self, mr, ct, noise, config)
            mixed = tf.where(replaced[:, None, None, None], attacked, mr)
        else:
            # oneDNN's convolutions do not take an empty batch.
            mixed, moved = tf.cond(
                tf.reduce_any(replaced),
                lambda: self._some_attacked(mr, ct, noise, tf.where(replaced), config),
                lambda: (mr, tf.zeros_like(counts)),
            )
        self._perturbation.update_state(moved, sample_weight=tf.cast(replaced, tf.float32))
        self._replaced.update_state(replaced, sample_weight=counts)
        return mixed

    def _some_attacked(
        self,
        mr: tf.Tensor,
        ct: tf.Tensor,
        noise: tf.Tensor,
        places: tf.Tensor,
        config: AdversarialConfig,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        some_mr, some_ct, some_noise = (tf.gather_nd(each, places) for each in (mr, ct, noise))
        attacked, moved = attack_slices(self, some_mr, some_ct, some_noise, config)
        everywhere = tf.scatter_nd(places, moved, tf.shape(mr, tf.int64)[:1])
        return tf.tensor_scatter_nd_update(mr, places, attacked), everywhere


def slice_errors(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    """Returns each slice's mean squared error.

    Args:
        y_true: float32 `(batch, height, width, 1)`, normalised CT.
        y_pred: Like `y_true`.

    Returns:
        float32 `(batch,)`.
    """
    return tf.reduce_mean(tf.square(y_true - tf.cast(y_pred, y_true.dtype)), axis=(1, 2, 3))


def compile_model(
    model: TrainableUNet, config: TrainingConfig, jit_compile: bool | None = None
) -> None:
    """Gives `model` the method's optimiser, Adam with AMSGrad.

    Args:
        model: To be trained.
        config: Step size, running average.
        jit_compile: Whether XLA compiles the step; None leaves it to Keras, which does on a GPU.
    """
    optimizer = FlatAdam(config.learning_rate, weight_averaging=config.weight_averaging)
    model.compile(optimizer=optimizer, jit_compile="auto" if jit_compile is None else jit_compile)
    optimizer.build(model.trainable_variables)


def _never_empty(data: tuple[tf.Tensor, ...]) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Returns a batch, and 1 for each slice of it.

    One of several devices may get no slice of a small batch, which no convolution takes: it gets
    an empty slice that counts 0.
    """
    num_slices = tf.shape(data[0])[0]
    counts = tf.ones([num_slices])
    if _replica() is None:
        return list(data), counts
    missing = tf.maximum(1 - num_slices, 0)

    def filled(part: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([[missing], tf.shape(part)[1:]], axis=0)
        whole = tf.concat([part, tf.zeros(shape, part.dtype)], axis=0)
        return tf.ensure_shape(whole, [None, *part.shape[1:]])

    return [filled(part) for part in data], filled(counts)


def _sum_everywhere(counts: tf.Tensor) -> tf.Tensor:
    # Devices may get unequal parts of a batch: a slice counts the same on each.
    total, replica = tf.reduce_sum(counts), _replica()
    return total if replica is None else replica.all_reduce(tf.distribute.ReduceOp.SUM, total)


def _replica() -> tf.distribute.ReplicaContext | None:
    """Returns the context of one among several devices; None on a single one."""
    replica = tf.distribute.get_replica_context()
    return None if replica is None or replica.num_replicas_in_sync == 1 else replica
