"""What a study has still to do: seconds by step, and bytes on disk."""

from __future__ import annotations

import heapq
import math
from collections.abc import Container, Iterable, Mapping

from robmednas_tf.study.cost import Rate, StudyCosts
from robmednas_tf.study.steps import Plan, Step


def disk_bytes(plan: Plan, costs: StudyCosts) -> tuple[float, float]:
    """Returns what a study leaves in its folder in the end, and the most that it holds at a time.

    Args:
        plan: The steps, done in their order.
        costs: Of them.
    """
    held: dict[str, float] = {}
    left = most = 0.0
    for place, step in enumerate(plan.steps):
        left += costs.left_bytes(step)
        held[step.name] = costs.weights_bytes(step)
        most = max(most, left + sum(held.values()))
        done = {each.name for each in plan.steps[: place + 1]}
        held = {
            name: size
            for name, size in held.items()
            if plan[name].command == "pick" or not _all_in(plan.readers_of(name), done)
        }
    return left + sum(held.values()), most


def seconds_left(
    plan: Plan, costs: StudyCosts, rate: Rate, spent: Mapping[str, float]
) -> dict[str, float]:
    """Returns how long each step that is not done will take.

    Args:
        plan: The steps.
        costs: Of them.
        rate: Of this machine.
        spent: Seconds of each step that was done on it. Where some of a kind are, the others of
            that kind are taken to be off by the same factor: trainings that stop early, say.
    """
    factors = {}
    for kind in {step.command for step in plan.steps}:
        done = [step for step in plan.steps if step.command == kind and step.name in spent]
        expected = math.fsum(costs.seconds(step, rate) for step in done)
        found = math.fsum(spent[step.name] for step in done)
        factors[kind] = found / expected if expected and found else 1.0
    return {
        step.name: factors[step.command] * costs.seconds(step, rate)
        for step in plan.steps
        if step.name not in spent
    }


def seconds_together(
    plan: Plan, seconds: Mapping[str, float], wanted: Container[str], jobs: int
) -> float:
    """Returns how long steps take that are done several at a time, each as soon as it can be.

    Args:
        plan: The steps.
        seconds: How long each of those takes that are not done, by name.
        wanted: Names of those that are to be done.
        jobs: How many at a time.
    """
    waiting = [step for step in plan.steps if step.name in seconds and step.name in wanted]
    running: list[tuple[float, str]] = []
    now = 0.0
    while waiting or running:
        open_names = {step.name for step in waiting} | {name for _, name in running}
        ready = [step for step in waiting if not open_names & {*step.after}]
        for step in ready[: jobs - len(running)]:
            waiting.remove(step)
            heapq.heappush(running, (now + seconds[step.name], step.name))
        now, _ = heapq.heappop(running)
    return now


def _all_in(steps: Iterable[Step], done: Container[str]) -> bool:
    return all(step.name in done for step in steps)
