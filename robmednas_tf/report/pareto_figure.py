"""The Pareto front drawn: the first objective over each of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from robmednas_tf.objectives import COSTS
from robmednas_tf.report import wording
from robmednas_tf.report.contents import SearchReport
from robmednas_tf.report.page import Drawn
from robmednas_tf.report.points import count_ticks, label_best, log_limits, scatter
from robmednas_tf.report.style import BLUE, INK, MUTED, legend_above, new_figure, plain_axes
from robmednas_tf.search.front import Front, values_of

_MAX_PANELS = 3


def drawn_front(report: SearchReport, front: Front) -> Drawn:
    """Draws all scored trials, those of the front filled, and the winner's name.

    Args:
        report: The search's.
        front: Its front, with a member at least.
    """
    first, *others = front.directions
    others = others[:_MAX_PANELS]
    figure = new_figure(9.6, 4.2)
    panels = figure.subplots(1, len(others), sharey=True, squeeze=False)[0]
    for axes, other in zip(panels, others, strict=True):
        plain_axes(axes, _axis_label(front, other), "")
        _draw(axes, report, front, (first, other))
    plain_axes(panels[0], _axis_label(front, others[0]), _axis_label(front, first))
    legend_above(figure, *panels[0].get_legend_handles_labels())
    return Drawn("pareto_front", figure, _alt(report, front, others), _caption(others))


def _axis_label(front: Front, name: str) -> str:
    way = "more" if front.directions[name] == "max" else "less"
    return f"{wording.metric_label(name)} ({way} is better)"


def _draw(axes: Axes, report: SearchReport, front: Front, names: tuple[str, str]) -> None:
    y, x = np.array([values_of(record, names) for record in report.scored]).T
    is_member = np.array([record in front.members for record in report.scored])
    if names[1] in COSTS:
        axes.set_xscale("log")
        axes.set_xlim(*log_limits(x))
        count_ticks(axes.xaxis)
    scatter(axes, x[~is_member], y[~is_member], color=MUTED, s=18, label="off the front")
    scatter(axes, x[is_member], y[is_member], color=BLUE, s=44, label="on the front")
    y_way, x_way = (front.directions[name] for name in names)
    _staircase(axes, x, y, x_way, y_way)
    if report.best is not None:
        best_y, best_x = values_of(report.best, names)
        side = 1 if y_way == "max" else -1
        label_best(axes, report.best, best_x, best_y, side, wording.best_word(report))


def _staircase(axes: Axes, x: np.ndarray, y: np.ndarray, x_way: str, y_way: str) -> None:
    # From the best x on: the best y that is reached with an x at least as good.
    order = np.lexsort((-y if y_way == "max" else y, -x if x_way == "max" else x))
    best = (np.maximum if y_way == "max" else np.minimum).accumulate(y[order])
    axes.step(
        x[order],
        best,
        where="post",
        color=INK,
        linewidth=1.2,
        zorder=1,
        label="front of the two objectives shown",
    )


def _caption(others: Sequence[str]) -> str:
    text = "Each point is a trial: one training with one seed."
    if len(others) == 1:
        return text
    return f"{text} What lies on the front, but off a panel's line, is there by other objectives."


def _alt(report: SearchReport, front: Front, others: Sequence[str]) -> str:
    over = wording.listed([wording.metric_label(name) for name in others])
    text = (
        f"Scatter plot: {wording.metric_label(report.objective)} over {over} of "
        f"{wording.plural(len(report.scored), 'scored trial')}, {len(front.members)} of them on "
        "the Pareto front."
    )
    if report.best is None:
        return text
    return f"{text} The {wording.best_word(report)} is trial {report.best.trial_id}."
