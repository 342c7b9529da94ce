"""Adam with AMSGrad on all weights as one vector.

Keras's optimizer adds some twenty operations for each variable to the training step's graph; on a
U-Net of a hundred variables, tracing and optimising them takes five times as long as the rest of
the graph, at the start of every trial. One flat vector needs those operations once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf


class FlatAdam(keras.optimizers.Optimizer):
    """Adam with AMSGrad, and a running average of the weights, on one flat vector.

    The updates are those of `keras.optimizers.Adam(learning_rate, amsgrad=True)`.

    Args:
        learning_rate: Step size, > 0.
        beta_1: Decay of the mean of the gradients.
        beta_2: Decay of the mean of their squares.
        epsilon: Keeps the denominator from zero.
        weight_averaging: Decay of the running average of the weights, in [0, 1); 0 keeps none.

    Source: Kingma and Ba 2015; Reddi et al. 2018 (AMSGrad).
    """

    def __init__(
        self,
        learning_rate: float = 1e-4,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_averaging: float = 0.0,
        name: str = "flat_adam",
        **kwargs: Any,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        if not 0 <= weight_averaging < 1:
            raise ValueError(f"weight_averaging must be in [0, 1). Received: {weight_averaging}.")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.weight_averaging = weight_averaging

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the moments, each one vector as long as all `variables` together."""
        if self.built:
            return
        super().build(variables)
        length = (sum(math.prod(variable.shape) for variable in variables),)
        self._mean = self.add_variable(length, name="mean")
        self._square = self.add_variable(length, name="square")
        self._largest_square = self.add_variable(length, name="largest_square")
        if self.weight_averaging:
            self._average = self.add_variable(length, name="average")

    def apply(
        self,
        grads: Sequence[tf.Tensor],
        trainable_variables: Sequence[keras.Variable] | None = None,
    ) -> None:
        """Updates every trainable variable from its gradient."""
        if trainable_variables is not None:
            self.build(list(trainable_variables))
        gradient, rate = _flat(grads), tf.cast(self.learning_rate, tf.float32)
        state = [variable.value for variable in (*self._state, *self._trainable_variables)]
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            self._update(state[0], gradient, rate, *state[1:])
        else:
            replica.merge_call(self._update_replicas, args=(gradient, rate, *state))

    def _update_replicas(
        self,
        strategy: tf.distribute.Strategy,
        gradient: tf.Tensor,
        rate: tf.Tensor,
        *state: tf.Variable,
    ) -> None:
        # The gradient is added up once; every device then updates its own copy.
        whole = strategy.extended.reduce_to(tf.distribute.ReduceOp.SUM, gradient, state[0])
        strategy.extended.update(state[0], self._update, args=(whole, rate, *state[1:]))

    def _update(
        self,
        iterations: tf.Variable,
        gradient: tf.Tensor,
        rate: tf.Tensor,
        mean: tf.Variable,
        square: tf.Variable,
        largest: tf.Variable,
        *others: tf.Variable,
    ) -> None:
        average, weights = (others[0], others[1:]) if self.weight_averaging else (None, others)
        step = tf.cast(iterations + 1, tf.float32)
        new_mean = mean + (gradient - mean) * (1 - self.beta_1)
        new_square = square + (gradient**2 - square) * (1 - self.beta_2)
        new_largest = tf.maximum(largest, new_square)
        scale = tf.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        flat = _flat(weights) - rate * scale * new_mean / (tf.sqrt(new_largest) + self.epsilon)
        mean.assign(new_mean)
        square.assign(new_square)
        largest.assign(new_largest)
        _assign(weights, flat)
        if average is not None:
            # As in Keras, the average begins as the weights after the first step.
            share = tf.where(step > 1, 1 - self.weight_averaging, 1.0)
            average.assign(average + (flat - average) * share)
        iterations.assign_add(1)

    @property
    def _state(self) -> list[keras.Variable]:
        moments = [self._mean, self._square, self._largest_square]
        average = [self._average] if self.weight_averaging else []
        return [self.iterations, *moments, *average]

    def swap_average(self) -> None:
        """Exchanges the weights and their running average; twice is the identity."""
        if not self.weight_averaging:
            return
        weights = _flat(self._trainable_variables)
        _assign(self._trainable_variables, self._average.value)
        self._average.assign(weights)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that build this optimizer again."""
        return super().get_config() | {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "weight_averaging": self.weight_averaging,
        }


def _assign(variables: Sequence[Any], flat: tf.Tensor) -> None:
    parts = tf.split(flat, [math.prod(variable.shape) for variable in variables])
    for variable, part in zip(variables, parts, strict=True):
        variable.assign(tf.reshape(part, variable.shape))


def _flat(tensors: Iterable[Any]) -> tf.Tensor:
    return tf.concat([tf.reshape(tf.convert_to_tensor(tensor), [-1]) for tensor in tensors], axis=0)
