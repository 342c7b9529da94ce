"""The loop of the gradient family: gradient, direction, step, projection.

FGSM is this loop with one step from the clean MR (where it needs no projection, which would only
round); PGD takes several, MI-FGSM gives them momentum (`FixedSteps`), and APGD chooses their size
as it goes (`AdaptiveSteps`).

Source: Goodfellow et al. 2015; Madry et al. 2018; Dong et al. 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import tensorflow as tf

from robmednas_tf.attacks.ball import Ball

# Each slice's loss, `(batch,)`, and its gradient by the MR; the attack makes the loss rise.
Slope = tuple[tf.Tensor, tf.Tensor]

_LEAST = 1e-12


class Rule(Protocol):
    """How an ascent steps."""

    def begin(self, mr: tf.Tensor, start: tf.Tensor) -> Any:
        """Returns the state before the first step: a structure of tensors."""

    def step(
        self, number: tf.Tensor, mr: tf.Tensor, point: tf.Tensor, slope: Slope, state: Any
    ) -> tuple[tf.Tensor, Any]:
        """Returns the next point and the state there, from a point and the loss's slope there."""

    def end(
        self, point: tf.Tensor, state: Any, loss_at: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.Tensor:
        """Returns what the ascent came to, from the last point and the state there."""


def ascend(
    slope_at: Callable[[tf.Tensor], Slope],
    loss_at: Callable[[tf.Tensor], tf.Tensor],
    mr: tf.Tensor,
    start: tf.Tensor,
    rule: Rule,
    num_steps: int,
    first: Slope | None = None,
) -> tf.Tensor:
    """Climbs a loss from `start`, a gradient a step.

    Args:
        slope_at: From MR slices to their losses and gradients.
        loss_at: From MR slices to their losses.
        mr: The clean slices, float32 `(batch, height, width, 1)`.
        start: Like `mr`.
        rule: How it steps.
        num_steps: Steps, >= 1.
        first: The slope at `start` where it is known already.

    Returns:
        What the rule takes for the end, like `mr`.
    """

    def body(number: tf.Tensor, point: tf.Tensor, state: Any) -> tuple[tf.Tensor, tf.Tensor, Any]:
        return number + 1, *rule.step(number, mr, point, slope_at(point), state)

    number, point, state = tf.constant(0), start, rule.begin(mr, start)
    if first is not None:
        point, state = rule.step(number, mr, point, first, state)
        number += 1
    _, point, state = tf.while_loop(
        lambda number, *_: number < num_steps, body, (number, point, state)
    )
    return rule.end(point, state, loss_at)


@dataclass(frozen=True, eq=False)
class FixedSteps:
    """Steps of one size, along the gradient or along a running sum of gradients.

    Attributes:
        ball: Where the points stay.
        step_size: In the ball's units, > 0.
        decay: What a step keeps of the sum before it, each gradient in it scaled to a mean absolute
            value of 1; None for the gradient alone.
    """

    ball: Ball
    step_size: float
    decay: float | None = None

    def begin(self, mr: tf.Tensor, start: tf.Tensor) -> Any:
        """See `Rule`."""
        return () if self.decay is None else tf.zeros_like(start)

    def step(
        self, number: tf.Tensor, mr: tf.Tensor, point: tf.Tensor, slope: Slope, state: Any
    ) -> tuple[tf.Tensor, Any]:
        """See `Rule`."""
        gradient = self.ball.allowed(slope[1])
        if self.decay is not None:
            scale = tf.reduce_mean(tf.abs(gradient), axis=(1, 2, 3), keepdims=True)
            gradient = state = self.decay * state + gradient / tf.maximum(scale, _LEAST)
        ahead = point + self.step_size * self.ball.direction(gradient)
        return mr + self.ball.project(ahead - mr), state

    def end(
        self, point: tf.Tensor, state: Any, loss_at: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.Tensor:
        """See `Rule`: the last point."""
        return point
