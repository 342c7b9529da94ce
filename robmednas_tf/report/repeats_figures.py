"""The figures of repeated searches: how fast they found what, and what their winners became.

Source: paper Figure 5.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.report import wording
from robmednas_tf.report.repeats_contents import RepeatsReport
from robmednas_tf.report.style import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    legend_above,
    new_figure,
    plain_axes,
    say_empty,
)
from robmednas_tf.search.repeated import best_so_far

# Of fewer values than it has lines, a box says less than the values themselves.
LEAST_BOXED = 5

_CONDITIONS = {"clean": ("clean", BLUE, -0.2), "adversarial": ("attacked", ORANGE, 0.2)}
_METRICS = {"dice": "Dice", "mae": "MAE (HU)"}
_BOX_WIDTH = 0.3


def draw_best_so_far(report: RepeatsReport) -> Figure:
    """Draws the best score so far of each repeat by trial, their median and quartiles."""
    figure = new_figure(9.6, 3.7)
    axes = figure.add_subplot()
    plain_axes(axes, "trials that count", wording.metric_label(report.objective))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if not report.ended:
        say_empty(axes, "No repeat has ended.")
        return figure
    curves = best_so_far(report.outcomes, report.direction)
    best = report.ended.index(report.ranked[0])
    handles: dict[str, Any] = {"a repeat": draw_steps(axes, curves, color=MUTED, linewidth=0.8)}
    if len(curves) > 1:
        low, median, high = np.nanquantile(curves, (0.25, 0.5, 0.75), axis=0)
        low, high = _held(np.stack([low, high]))
        handles["quartiles"] = axes.fill_between(
            _edges(curves), low, high, step="post", color=BLUE, alpha=0.18, linewidth=0
        )
        handles["median"] = draw_steps(axes, median[np.newaxis], color=BLUE, linewidth=2.2)
    dashed = (0, (4, 2))
    handles[_best(report)] = draw_steps(
        axes, curves[best : best + 1], color=INK, linewidth=1.4, linestyle=dashed
    )
    axes.set_xlim(0.4, curves.shape[1] + 0.6)
    legend_above(figure, list(handles.values()), list(handles))
    return figure


def draw_steps(axes: Axes, curves: np.ndarray, **style: Any) -> Line2D:
    """Draws curves `(curves, trials)` as steps, one of its own for each trial."""
    return axes.plot(_edges(curves), _held(curves).T, drawstyle="steps-post", **style)[0]


def _edges(curves: np.ndarray) -> np.ndarray:
    # Each trial has a step of its own, about its number.
    return np.arange(curves.shape[1] + 1) + 0.5


def _held(curves: np.ndarray) -> np.ndarray:
    return np.pad(curves, ((0, 0), (0, 1)), "edge")


def _best(report: RepeatsReport) -> str:
    return f"best: repeat {report.ranked[0].number}"


def draw_winners(report: RepeatsReport) -> Figure:
    """Draws Dice and MAE of the final models on held-out subjects, a point a repeat.

    Boxes from `LEAST_BOXED` repeats on: quartiles and median, whiskers to the last value within
    1.5 times their distance.
    """
    figure = new_figure(9.6, 4.0)
    panels = figure.subplots(1, len(_METRICS))
    for axes, (metric, label) in zip(panels, _METRICS.items(), strict=True):
        plain_axes(axes, "", label)
        axes.grid(False, axis="x")
        drawn = [
            _draw_group(axes, report, condition, metric, place, region)
            for condition in _CONDITIONS
            for place, region in enumerate(("", *REGIONS))
        ]
        if not any(drawn):
            say_empty(axes, "There is no final model to show.")
        names = ["Mean of four", *(region.label for region in REGIONS.values())]
        axes.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names])
        axes.set_xlim(-0.6, len(names) - 0.4)
    handles: list[Any] = [Patch(color=colour) for _, colour, _ in _CONDITIONS.values()]
    labels = [label for label, _, _ in _CONDITIONS.values()]
    if report.ended:
        handles.append(_ring([], []))
        labels.append(_best(report))
    legend_above(figure, handles, labels)
    return figure


def _draw_group(
    axes: Axes, report: RepeatsReport, condition: str, metric: str, place: int, region: str
) -> bool:
    name = f"{condition}_{metric}" + (f"_{region}" if region else "")
    values = report.values("held_out", name)
    numbers = [repeat.number for repeat in report.ended]
    shown = [(n, value) for n, value in zip(numbers, values, strict=True) if not math.isnan(value)]
    if not shown:
        return False
    _, colour, offset = _CONDITIONS[condition]
    middle, defined = place + offset, [value for _, value in shown]
    if len(defined) >= LEAST_BOXED:
        draw_box(axes, defined, middle, colour)
    # In the order of the repeats from left to right, so that points do not hide one another.
    spread = np.linspace(-0.3, 0.3, len(defined)) * _BOX_WIDTH if len(defined) > 1 else [0.0]
    axes.scatter(
        middle + np.asarray(spread),
        defined,
        s=20,
        color=colour,
        edgecolors=PAPER,
        linewidths=0.6,
        zorder=3,
    )
    for (number, value), across in zip(shown, spread, strict=True):
        if number == report.ranked[0].number:
            axes.add_line(_ring([middle + across], [value]))
    return True


def draw_box(axes: Axes, values: list[float], middle: float, colour: str) -> None:
    """Draws a box: quartiles and median, whiskers to the last value within 1.5 box lengths."""
    line = {"color": colour, "linewidth": 1.2}
    axes.boxplot(
        [values],
        positions=[middle],
        widths=_BOX_WIDTH,
        manage_ticks=False,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": (colour, 0.18), "edgecolor": colour, "linewidth": 1.2},
        medianprops={**line, "linewidth": 2.2},
        whiskerprops=line,
        capprops=line,
        zorder=2,
    )


def _ring(x: list[float], y: list[float]) -> Line2D:
    return Line2D(
        x,
        y,
        linestyle="none",
        marker="o",
        markersize=8,
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.2,
        zorder=4,
    )
