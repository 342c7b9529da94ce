"""A study's plan for whoever decides whether to run it: steps, time and disk."""

from __future__ import annotations

from collections.abc import Mapping

from robmednas_tf.cli.progress import format_seconds
from robmednas_tf.study.cost import Rate, StudyCosts
from robmednas_tf.study.outlook import disk_bytes, seconds_left, seconds_together
from robmednas_tf.study.steps import Plan


def listing(
    plan: Plan,
    costs: StudyCosts,
    spent: Mapping[str, float],
    rate: Rate | None,
    wanted: set[str],
    jobs: int = 1,
) -> str:
    """Returns the plan as text: a line a step, then what is left of time, and the disk it needs.

    Args:
        plan: The steps.
        costs: Of them.
        spent: Seconds of each step that is done.
        rate: Of this machine; None where it is not known.
        wanted: Names of the steps that this call would do.
        jobs: How many at a time.
    """
    left = seconds_left(plan, costs, rate, spent) if rate is not None else {}
    width = max(len(step.name) for step in plan.steps)
    lines = []
    for step in plan.steps:
        if step.name not in wanted:
            continue
        state = "done" if step.name in spent else format_seconds(left.get(step.name, float("nan")))
        follows = _in_short(step.after)
        lines.append(f"{step.name:<{width}}  {state:>10}  {follows}".rstrip())
    seconds = seconds_together(plan, left, wanted, jobs)
    num_done = sum(name in spent for name in wanted)
    in_end, most = disk_bytes(plan, costs)
    machine = f" on {rate.host}, {rate.device}" if rate is not None else ""
    machine += f", {jobs} steps at a time" if jobs > 1 else ""
    lines += [
        f"{len(wanted)} steps, {num_done} done.",
        f"Time left: about {format_seconds(seconds)}{machine}; less where trainings stop early.",
        f"Disk: about {_size(in_end)} in the end, {_size(most)} at most on the way; prepared "
        f"slices, in the cache, {_size(costs.prepared_bytes())}.",
    ]
    return "\n".join(lines)


def _in_short(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"after {names[0]}{more}"


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"
