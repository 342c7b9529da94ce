"""Attacks by the names of the table: each on a network and its slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from robmednas_tf.attacks.apgd import AdaptiveSteps
from robmednas_tf.attacks.ascent import FixedSteps, Rule, Slope, ascend
from robmednas_tf.attacks.ball import Ball
from robmednas_tf.attacks.fgsm import SliceModel
from robmednas_tf.attacks.goal import Goal, goal_of
from robmednas_tf.attacks.kinds import ATTACK
from robmednas_tf.attacks.noise import seeds_of_slices
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.attacks.square import square
from robmednas_tf.attacks.victim import Victim

# PGD's steps lead farther than its ball is wide, that it may turn at the border.
_REACH = 2.5


@dataclass(frozen=True, eq=False)
class Slices:
    """What an attack is given.

    Attributes:
        mr: float32 `(batch, height, width, 1)`, z-scored.
        ct: Like `mr`, normalised.
        seeds: int32 `(batch, 2)`; see `noise.seeds_of_slices`.
        body: Like `mr`, 1 inside the body and 0 outside; None where it is not known.
    """

    mr: tf.Tensor
    ct: tf.Tensor
    seeds: tf.Tensor
    body: tf.Tensor | None = None

    @classmethod
    def of(
        cls,
        subject: str,
        first_slice: int,
        seed: int,
        mr: np.ndarray,
        ct: np.ndarray,
        body: np.ndarray | None = None,
    ) -> Slices:
        """Returns some of a subject's slices; their chance follows from subject, place and seed."""
        seeds = seeds_of_slices(subject, first_slice, len(mr), seed)
        return cls(
            tf.convert_to_tensor(mr),
            tf.convert_to_tensor(ct),
            tf.convert_to_tensor(seeds),
            None if body is None else tf.cast(body, tf.float32),
        )


def attacked(
    perturbation: Perturbation,
    victim: Victim,
    slices: Slices,
    known: tuple[tf.Tensor, tf.Tensor] | None = None,
) -> tf.Tensor:
    """Attacks slices.

    Args:
        perturbation: An attack on the network itself.
        victim: The network.
        slices: Clean.
        known: The clean prediction and the gradient there, as `Victim.explain` gives them, where
            they are known already.

    Returns:
        Tensor like the MR, inside the attack's ball around it and equal to it outside its mask.

    Raises:
        ValueError: If the attack is limited to a body that is not known, or of another shape.
    """
    ball = _ball_of(perturbation, slices)
    target = perturbation["target"]
    goal = goal_of(None if target is None else str(target), slices.ct)
    if perturbation.kind == "square":
        queries, share = int(_number(perturbation, "queries")), _number(perturbation, "share")
        return square(victim, slices.mr, goal, ball, slices.seeds, queries, share)
    first = goal.slope(*known) if known is not None and target is None else None
    if perturbation.kind == "fgsm":
        _, gradient = first or goal.slope_at(victim, slices.mr)
        return slices.mr + perturbation.size * ball.direction(ball.allowed(gradient))
    return _climbed(perturbation, victim, slices, goal, ball, first)


def attack(
    model: SliceModel,
    mr: np.ndarray,
    ct: np.ndarray,
    how: str,
    body: np.ndarray | None = None,
    seed: int = 0,
) -> tf.Tensor:
    """Attacks slices of one subject; for use from Python.

    Args:
        model: From MR slices to normalised CT slices, of known height and width.
        mr: float32 `(slices, height, width, 1)`, z-scored.
        ct: Like `mr`, normalised as the model's output is.
        how: The attack in short notation, such as `pgd:0.06:steps=20`.
        body: Like `mr`, 1 inside the body and 0 outside; for attacks with `mask=body`.
        seed: Of chance, where the attack draws lots.

    Returns:
        Tensor like `mr`, inside the attack's ball around it.

    Raises:
        ValueError: If `how` is malformed, or names what is no attack on the model itself.
    """
    perturbation = Perturbation.parse(how)
    if perturbation.table.made_by != ATTACK:
        raise ValueError(f"An attack on the model itself is wanted. Received: {how!r}.")
    slices = Slices.of("", 0, seed, np.asarray(mr), np.asarray(ct), body)
    return attacked(perturbation, Victim.traced(model), slices)


def _climbed(
    perturbation: Perturbation,
    victim: Victim,
    slices: Slices,
    goal: Goal,
    ball: Ball,
    first: Slope | None,
) -> tf.Tensor:
    """Returns the best of the restarts; the first starts at the clean MR, the others at random."""
    mr, num_restarts = slices.mr, 1
    if "restarts" in perturbation.table.options:
        num_restarts = int(_number(perturbation, "restarts"))

    def loss_at(point: tf.Tensor) -> tf.Tensor:
        return goal.losses(victim.predict(point))

    def slope_at(point: tf.Tensor) -> Slope:
        return goal.slope_at(victim, point)

    def from_start(start: tf.Tensor, known: Slope | None) -> tf.Tensor:
        rule, num_steps = _RULES[perturbation.kind](perturbation, ball)
        return ascend(slope_at, loss_at, mr, start, rule, num_steps, known)

    best = from_start(mr, first)
    for number in range(1, num_restarts):
        start = mr + ball.random(slices.seeds + 2 * number, mr.shape[1:])
        again = from_start(start, None)
        if number == 1:
            best_loss = loss_at(best)
        loss = loss_at(again)
        best = tf.where((loss > best_loss)[:, None, None, None], again, best)
        best_loss = tf.maximum(loss, best_loss)
    return best


def _ball_of(perturbation: Perturbation, slices: Slices) -> Ball:
    epsilon, norm = perturbation.ball
    if perturbation["mask"] is None:
        return Ball(epsilon, norm)
    if slices.body is None:
        raise ValueError(
            f"{perturbation} must know the body mask. Received: slices without one. "
            "Leave mask=body out."
        )
    ball = Ball(epsilon, norm, slices.body)
    ball.require_shape(slices.mr)
    return ball


def _pgd(perturbation: Perturbation, ball: Ball) -> tuple[Rule, int]:
    num_steps = int(_number(perturbation, "steps"))
    reach = perturbation.size * min(1.0, _REACH / num_steps)
    return FixedSteps(ball, float(perturbation["step_size"] or reach)), num_steps


def _mifgsm(perturbation: Perturbation, ball: Ball) -> tuple[Rule, int]:
    num_steps = int(_number(perturbation, "steps"))
    step_size = float(perturbation["step_size"] or perturbation.size / num_steps)
    return FixedSteps(ball, step_size, _number(perturbation, "decay")), num_steps


def _apgd(perturbation: Perturbation, ball: Ball) -> tuple[Rule, int]:
    num_steps = int(_number(perturbation, "steps"))
    return AdaptiveSteps(ball, num_steps), num_steps


def _number(perturbation: Perturbation, option: str) -> float:
    value: Any = perturbation[option]
    return float(value)


_RULES: Mapping[str, Callable[[Perturbation, Ball], tuple[Rule, int]]] = {
    "pgd": _pgd,
    "mifgsm": _mifgsm,
    "apgd": _apgd,
}
