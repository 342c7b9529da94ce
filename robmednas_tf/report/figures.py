"""The figures of a search: its curve, clean against attacked, and score against size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import blended_transform_factory
from numpy.typing import ArrayLike

from robmednas_tf.report import wording
from robmednas_tf.report.contents import SearchReport, number_of, score_of
from robmednas_tf.report.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    VERMILION,
    new_figure,
    plain_axes,
)
from robmednas_tf.search.trials import TrialRecord

# source of a trial -> label, marker, colour
_SOURCES = {
    "startup": ("start-up (random)", "o", ORANGE),
    "model": ("proposed by the model", "D", BLUE),
    "random": ("random", "s", GREEN),
}
_FONT_SIZE = 8.5


def search_curve(report: SearchReport) -> Figure:
    """Draws the score of each trial by its number, and the best so far."""
    figure = new_figure(9.6, 3.5)
    axes = figure.add_subplot()
    plain_axes(axes, "trial", wording.metric_label(report.objective))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for source, (label, marker, colour) in _SOURCES.items():
        shown = [record for record in report.scored if record.source == source]
        if shown:
            numbers, scores = [r.number for r in shown], [score_of(r) for r in shown]
            _scatter(axes, numbers, scores, marker=marker, color=colour, label=label)
    _best_so_far(axes, report)
    _failures_on_axis(axes, report.failed)
    if report.best is not None:
        y_side = 1 if report.direction == "max" else -1
        _label_best(axes, report.best, report.best.number, score_of(report.best), y_side)
    else:
        _say_empty(axes)
    last = max((record.number for record in report.records), default=0)
    axes.set_xlim(-0.6 - 0.01 * last, last + 0.6 + 0.01 * last)
    if report.records:
        figure.legend(
            loc="outside upper left",
            ncols=5,
            frameon=False,
            fontsize=_FONT_SIZE,
            labelcolor=INK,
            handletextpad=0.4,
            columnspacing=1.4,
        )
    return figure


def clean_vs_adversarial(report: SearchReport) -> Figure:
    """Draws attacked against clean Dice of each trial, coloured by its parameters.

    The Dice is that of the objective's region, the mean of the four where it names none.
    """
    region = f"_{report.region}" if report.region else ""
    names = [f"{condition}_dice{region}" for condition in ("clean", "adversarial")]
    shown = [
        record
        for record in report.scored
        if not any(math.isnan(record.metrics.get(name, math.nan)) for name in names)
    ]
    figure = new_figure(5.4, 4.5)
    axes = figure.add_subplot()
    plain_axes(axes, *(wording.metric_label(name) for name in names))
    if not shown:
        axes.set_xticks([])
        _say_empty(axes)
        return figure
    clean, attacked = (np.array([r.metrics[name] for r in shown]) for name in names)
    low, high = _limits(np.concatenate([clean, attacked]))
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.text(
        low + 0.06 * (high - low),
        low + 0.075 * (high - low),
        "attack costs nothing",
        rotation=45,
        rotation_mode="anchor",
        color=MUTED,
        fontsize=_FONT_SIZE,
    )
    _scatter_by_parameters(axes, shown, clean, attacked)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    if report.best in shown:
        place = shown.index(report.best)
        _label_best(axes, report.best, clean[place], attacked[place])
    return figure


def score_vs_parameters(report: SearchReport) -> Figure:
    """Draws the score of each trial over its parameters, and what is best up to each size."""
    shown = [r for r in report.scored if number_of(r, "parameters") > 0]
    figure = new_figure(5.4, 4.5)
    axes = figure.add_subplot()
    plain_axes(axes, "trainable parameters", wording.metric_label(report.objective))
    if not shown:
        axes.set_xticks([])
        _say_empty(axes)
        return figure
    parameters = np.array([number_of(record, "parameters") for record in shown])
    scores = np.array([score_of(record) for record in shown])
    axes.set_xscale("log")
    _count_ticks(axes.xaxis)
    axes.set_xlim(*_log_limits(parameters))
    order = np.lexsort((scores if report.direction == "min" else -scores, parameters))
    frontier = _running_best(scores[order], report.direction)
    axes.step(
        [*parameters[order], axes.get_xlim()[1]],
        [*frontier, frontier[-1]],
        where="post",
        color=MUTED,
        linewidth=1.2,
        zorder=1,
        label="best up to this size",
    )
    _scatter_by_depth(axes, shown, parameters, scores)
    if report.best in shown:
        best_parameters = number_of(report.best, "parameters")
        y_side = 1 if report.direction == "max" else -1
        _label_best(axes, report.best, best_parameters, score_of(report.best), y_side)
    figure.legend(
        loc="outside upper left",
        ncols=3,
        frameon=False,
        fontsize=_FONT_SIZE,
        labelcolor=INK,
        handletextpad=0.4,
        columnspacing=1.2,
    )
    return figure


def _scatter(axes: Axes, x: ArrayLike, y: ArrayLike, **style: Any) -> PathCollection:
    # A rim in the paper's colour keeps points apart where they lie on one another.
    defaults = {"s": 30, "edgecolors": PAPER, "linewidths": 0.6, "zorder": 3}
    return axes.scatter(x, y, **{**defaults, **style})


def _scatter_by_depth(
    axes: Axes, records: Sequence[TrialRecord], x: np.ndarray, y: np.ndarray
) -> None:
    depths = np.array([number_of(record, "depth") for record in records])
    for depth in sorted(set(depths[~np.isnan(depths)])):
        here = depths == depth
        colour = mpl.colormaps["viridis"](min(1.0, (depth - 1) / 4.4))
        _scatter(axes, x[here], y[here], color=colour, label=f"depth {depth:.0f}")
    unknown = np.isnan(depths)
    if unknown.any():
        _scatter(axes, x[unknown], y[unknown], color=MUTED, label="depth unknown")


def _best_so_far(axes: Axes, report: SearchReport) -> None:
    shown = sorted(report.scored, key=lambda record: record.number)
    if len(shown) > 1:
        best = _running_best([score_of(record) for record in shown], report.direction)
        numbers = [record.number for record in shown]
        axes.step(numbers, best, where="post", color=INK, linewidth=1.3, label="best so far")


def _running_best(scores: ArrayLike, direction: str) -> np.ndarray:
    best = np.maximum if direction == "max" else np.minimum
    return best.accumulate(np.asarray(scores))


def _failures_on_axis(axes: Axes, failed: Sequence[TrialRecord]) -> None:
    if failed:
        on_axis = blended_transform_factory(axes.transData, axes.transAxes)
        numbers = [record.number for record in failed]
        axes.scatter(
            numbers,
            [0.0] * len(failed),
            marker="x",
            s=34,
            color=VERMILION,
            linewidths=1.6,
            transform=on_axis,
            clip_on=False,
            zorder=4,
            label="failed",
        )


def _label_best(axes: Axes, best: TrialRecord, x: float, y: float, y_side: int = 1) -> None:
    axes.scatter([x], [y], s=130, facecolors="none", edgecolors=INK, linewidths=1.3, zorder=5)
    # Beyond the best score no point can lie under the label.
    axes.margins(y=0.14)
    axes.autoscale_view()
    across = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[0]
    axes.annotate(
        f"best: trial {best.trial_id}",
        (x, y),
        (0, 10 * y_side),
        textcoords="offset points",
        color=INK,
        fontsize=_FONT_SIZE,
        fontweight="bold",
        ha="left" if across < 0.2 else "right" if across > 0.8 else "center",
        va="bottom" if y_side > 0 else "top",
        zorder=6,
    )


def _scatter_by_parameters(
    axes: Axes, records: Sequence[TrialRecord], x: np.ndarray, y: np.ndarray
) -> None:
    parameters = np.array([number_of(record, "parameters") for record in records])
    known = parameters > 0
    _scatter(axes, x[~known], y[~known], color=MUTED)
    if not known.any():
        return
    norm = LogNorm(*_log_limits(parameters[known]))
    points = _scatter(axes, x[known], y[known], c=parameters[known], cmap="viridis", norm=norm)
    bar = axes.figure.colorbar(points, ax=axes, shrink=0.8, aspect=28, pad=0.02)
    _count_ticks(bar.ax.yaxis)
    bar.set_label("trainable parameters", color=INK, fontsize=_FONT_SIZE)
    bar.ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=_FONT_SIZE, length=3)
    bar.outline.set_visible(False)


def _count_ticks(axis: Axis) -> None:
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: wording.count(value)))
    axis.set_minor_locator(NullLocator())


def _log_limits(values: np.ndarray) -> tuple[float, float]:
    # Wide enough for a tick, even around a single value.
    return float(values.min()) / 2, float(values.max()) * 2


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = max(0.05 * (high - low), 0.01)
    return low - margin, high + margin


def _say_empty(axes: Axes) -> None:
    axes.set_yticks([])
    axes.text(
        0.5,
        0.5,
        "No trial was scored.",
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=MUTED,
        fontsize=11,
    )
