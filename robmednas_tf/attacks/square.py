"""The Square attack: random squares, kept where they raise the loss; no gradient is asked for.

Source: Andriushchenko et al. 2020, Square Attack, algorithms 1 and 2 (L-infinity), with the
regression's loss.
"""

from __future__ import annotations

import tensorflow as tf

from robmednas_tf.attacks.ball import Ball
from robmednas_tf.attacks.goal import Goal
from robmednas_tf.attacks.victim import Victim

# The squares' area halves after each of these shares of the queries.
_HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


def square(
    victim: Victim,
    mr: tf.Tensor,
    goal: Goal,
    ball: Ball,
    seeds: tf.Tensor,
    num_queries: int = 600,
    share: float = 0.1,
) -> tf.Tensor:
    """Perturbs MR slices by a random search over squares of `epsilon` or `-epsilon`.

    Args:
        victim: Only its predictions are asked for.
        mr: float32 `(batch, height, width, 1)`, z-scored.
        goal: What is made to rise.
        ball: L-infinity, with its mask.
        seeds: int32 `(batch, 2)`: each slice's own chance, whatever the batch.
        num_queries: Predictions of each slice, >= 1.
        share: Of a slice's area that the first squares cover, in (0, 1].

    Returns:
        Tensor like `mr`: of all that was tried, what raised the loss most.
    """
    height, width = mr.shape[1], mr.shape[2]
    sizes = tf.constant(_square_sizes(height, width, num_queries, share))
    stripes, draws = _draw(seeds, width, num_queries)
    rows, columns = tf.range(height)[None, :], tf.range(width)[None, :]
    # Stripes are where networks are the most sensitive, as the source found.
    change = ball.epsilon * tf.broadcast_to(stripes[:, None, :, None], tf.shape(mr))

    def tried(change: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        change = ball.allowed(change)
        return change, goal.losses(victim.predict(mr + change))

    def query(
        number: tf.Tensor, best: tf.Tensor, best_loss: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        size, draw = sizes[number], draws[:, number]
        first_row, first_column = (
            _places(draw[:, 0], height - size),
            _places(draw[:, 1], width - size),
        )
        in_rows = (rows >= first_row) & (rows < first_row + size)
        in_columns = (columns >= first_column) & (columns < first_column + size)
        inside = (in_rows[:, :, None] & in_columns[:, None, :])[..., None]
        sign = _new_sign(best, inside, draw[:, 2])
        change, loss = tried(tf.where(inside, ball.epsilon * sign, best))
        is_better = loss > best_loss
        return (
            number + 1,
            tf.where(is_better[:, None, None, None], change, best),
            tf.maximum(loss, best_loss),
        )

    _, change, _ = tf.while_loop(
        lambda number, *_: number < num_queries, query, (tf.constant(1), *tried(change))
    )
    return mr + change


def _square_sizes(height: int, width: int, num_queries: int, share: float) -> list[int]:
    """Returns the side of each query's square, in pixels."""
    sizes = []
    for number in range(num_queries):
        halvings = sum(number > limit * num_queries for limit in _HALVINGS)
        side = round((share / 2**halvings * height * width) ** 0.5)
        sizes.append(min(max(side, 1), height, width))
    return sizes


def _draw(seeds: tf.Tensor, width: int, num_queries: int) -> tuple[tf.Tensor, tf.Tensor]:
    def draw(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        stripes = tf.random.stateless_uniform([width], seed)
        return tf.where(stripes < 0.5, -1.0, 1.0), tf.random.stateless_uniform(
            [num_queries, 3], seed + 1
        )

    return tf.map_fn(draw, seeds, fn_output_signature=(tf.float32, tf.float32))


def _places(uniform: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    """Returns whole numbers from 0 to `last`, `(batch, 1)`."""
    return tf.cast(uniform * tf.cast(last + 1, tf.float32), tf.int32)[:, None]


def _new_sign(change: tf.Tensor, inside: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Returns the sign of each slice's square: a random one, or the other where nothing changed."""
    sign = tf.where(uniform < 0.5, -1.0, 1.0)[:, None, None, None]
    has_changed = tf.reduce_any(inside & (change * sign <= 0), axis=(1, 2, 3), keepdims=True)
    return tf.where(has_changed, sign, -sign)
