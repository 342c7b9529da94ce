"""The ball that a perturbation stays in: its directions, its border, and chance inside it."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from robmednas_tf.attacks.kinds import INFINITY, TWO

# Below it a norm is taken for zero: there is no direction then.
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Ball:
    """All changes of a slice up to a size, where a mask allows them.

    Attributes:
        epsilon: Size, in z-score units, >= 0.
        norm: `INFINITY`: the largest change of a pixel; `TWO`: the root of the sum of squares over
            the slice.
        mask: float32, 1 where the MR may change and 0 elsewhere, broadcast over a batch; None for
            everywhere.

    Raises:
        ValueError: If `epsilon` is negative or the norm is unknown.
    """

    epsilon: float
    norm: str = INFINITY
    mask: tf.Tensor | None = None

    def __post_init__(self) -> None:
        if self.epsilon < 0:
            raise ValueError(f"epsilon must be >= 0. Received: {self.epsilon}.")
        if self.norm not in (INFINITY, TWO):
            raise ValueError(f"norm must be inf or 2. Received: {self.norm!r}.")

    def require_shape(self, mr: tf.Tensor) -> None:
        """Refuses a mask that does not fit the slices.

        Raises:
            ValueError: If a mask's height, width or number of slices is another.
        """
        if self.mask is None:
            return
        shape, expected = tuple(self.mask.shape), tuple(mr.shape)
        if len(shape) != 4 or shape[0] not in (1, expected[0]) or shape[1:] != expected[1:]:
            raise ValueError(
                f"A mask must have the shape of the MR slices, {expected}, or be one for all of "
                f"them. Received: {shape}."
            )

    def allowed(self, change: tf.Tensor) -> tf.Tensor:
        """Returns a change, or a gradient, with what the mask forbids taken out."""
        return change if self.mask is None else change * self.mask

    def direction(self, gradient: tf.Tensor) -> tf.Tensor:
        """Returns the step of size 1 along which a loss rises most; 0 where there is none."""
        if self.norm == INFINITY:
            return tf.sign(gradient)
        return gradient / tf.maximum(_norms(gradient), _LEAST)

    def project(self, change: tf.Tensor) -> tf.Tensor:
        """Returns the nearest change inside the ball."""
        if self.norm == INFINITY:
            return tf.clip_by_value(change, -self.epsilon, self.epsilon)
        return change * tf.minimum(1.0, self.epsilon / tf.maximum(_norms(change), _LEAST))

    def random(self, seeds: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
        """Draws changes from inside the ball, uniformly; each slice's from its own seed.

        Args:
            seeds: int32 `(batch, 2)`.
            shape: Of one slice, `(height, width, 1)`.
        """

        def draw(seed: tf.Tensor) -> tf.Tensor:
            if self.norm == INFINITY:
                return tf.random.stateless_uniform(shape, seed, -self.epsilon, self.epsilon)
            away = tf.random.stateless_normal(shape, seed)
            # A ball's volume grows with the radius to the power of its dimensions.
            share = tf.random.stateless_uniform([], seed + 1) ** (1 / shape.num_elements())
            return self.epsilon * share * away / tf.maximum(tf.norm(away), _LEAST)

        return self.allowed(tf.map_fn(draw, seeds, fn_output_signature=tf.float32))


def _norms(change: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(tf.square(change), axis=(1, 2, 3), keepdims=True))
