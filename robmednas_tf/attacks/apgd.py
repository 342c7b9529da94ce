"""APGD's steps: they begin as wide as the ball and halve where they no longer pay.

Source: Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of
diverse parameter-free attacks, section 3 and algorithm 1. The loss is the regression's own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from robmednas_tf.attacks.ascent import Slope
from robmednas_tf.attacks.ball import Ball
from robmednas_tf.attacks.kinds import APGD_LEAST_STEPS

# Share of steps that must raise the loss, and weight of the new step against the last one.
_RISING, _MOMENTUM = 0.75, 0.75


class State(NamedTuple):
    """What APGD remembers of each slice, `(batch,)` or like the MR.

    Attributes:
        last: The point before.
        last_loss: The loss there.
        step_size: The step of the moment.
        rises: Steps since the last checkpoint that raised the loss.
        best: The point of the highest loss so far.
        best_loss: The loss there.
        best_gradient: The gradient there.
        checked_loss: The highest loss at the last checkpoint.
        was_halved: Whether the step was halved there.
    """

    last: tf.Tensor
    last_loss: tf.Tensor
    step_size: tf.Tensor
    rises: tf.Tensor
    best: tf.Tensor
    best_loss: tf.Tensor
    best_gradient: tf.Tensor
    checked_loss: tf.Tensor
    was_halved: tf.Tensor


@dataclass(frozen=True, eq=False)
class AdaptiveSteps:
    """Steps that halve, from the best point so far, where the loss rises too seldom.

    Attributes:
        ball: Where the points stay.
        num_steps: All steps that there will be.

    Raises:
        ValueError: If there are too few steps for the checkpoints.
    """

    ball: Ball
    num_steps: int

    def __post_init__(self) -> None:
        if self.num_steps < APGD_LEAST_STEPS:
            raise ValueError(
                f"APGD must have at least {APGD_LEAST_STEPS} steps: its checkpoints lie 0.06 of "
                f"them apart. Received: {self.num_steps}. Take PGD for fewer."
            )

    def begin(self, mr: tf.Tensor, start: tf.Tensor) -> State:
        """See `Rule`."""
        zeros = tf.zeros_like(start[:, 0, 0, 0])
        return State(
            last=start,
            last_loss=zeros + math.inf,
            step_size=zeros + 2 * self.ball.epsilon,
            rises=zeros,
            best=start,
            best_loss=zeros - math.inf,
            best_gradient=tf.zeros_like(start),
            checked_loss=zeros - math.inf,
            was_halved=tf.zeros_like(zeros, tf.bool),
        )

    def step(
        self, number: tf.Tensor, mr: tf.Tensor, point: tf.Tensor, slope: Slope, state: State
    ) -> tuple[tf.Tensor, Any]:
        """See `Rule`."""
        loss, gradient = slope
        is_best = loss > state.best_loss
        state = state._replace(
            rises=state.rises + tf.cast(loss > state.last_loss, tf.float32),
            best=tf.where(_wide(is_best), point, state.best),
            best_loss=tf.where(is_best, loss, state.best_loss),
            best_gradient=tf.where(_wide(is_best), gradient, state.best_gradient),
        )
        halved, state = self._checked(number, state)
        point = tf.where(_wide(halved), state.best, point)
        gradient = tf.where(_wide(halved), state.best_gradient, gradient)
        # From where it began anew there is no step before.
        last = tf.where(_wide(halved), point, state.last)
        move = _wide(state.step_size) * self.ball.direction(self.ball.allowed(gradient))
        ahead = self._inside(mr, point + move)
        weight = tf.where(number == 0, 1.0, _MOMENTUM)
        turned = point + weight * (ahead - point) + (1 - weight) * (point - last)
        return self._inside(mr, turned), state._replace(last=point, last_loss=loss)

    def end(
        self, point: tf.Tensor, state: State, loss_at: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.Tensor:
        """See `Rule`: the best point of all."""
        return tf.where(_wide(loss_at(point) > state.best_loss), point, state.best)

    def _inside(self, mr: tf.Tensor, point: tf.Tensor) -> tf.Tensor:
        return mr + self.ball.project(point - mr)

    def _checked(self, number: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Returns where the step is halved now, and the state after."""
        spans = tf.constant(self._spans())
        span = tf.reduce_sum(tf.where(spans[:, 0] == number, spans[:, 1], 0))
        is_checkpoint = span > 0
        seldom = state.rises < _RISING * tf.cast(span, tf.float32)
        stuck = ~state.was_halved & (state.checked_loss >= state.best_loss)
        halved = is_checkpoint & (seldom | stuck)
        return halved, state._replace(
            step_size=tf.where(halved, state.step_size / 2, state.step_size),
            rises=tf.where(is_checkpoint, 0.0, state.rises),
            checked_loss=tf.where(is_checkpoint, state.best_loss, state.checked_loss),
            was_halved=tf.where(is_checkpoint, halved, state.was_halved),
        )

    def _spans(self) -> list[tuple[int, int]]:
        """Returns the checkpoints, each with the steps since the one before it."""
        shares = [0.0, 0.22]
        while shares[-1] <= 1:
            shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
        places = [math.ceil(share * self.num_steps) for share in shares]
        return [
            (place, place - before)
            for before, place in itertools.pairwise(places)
            if place > before
        ]


def _wide(values: tf.Tensor) -> tf.Tensor:
    return values[:, None, None, None]
