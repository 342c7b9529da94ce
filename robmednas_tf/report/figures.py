"""The figures of a search: its curve, clean against attacked, and score against size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory
from numpy.typing import ArrayLike

from robmednas_tf.report import wording
from robmednas_tf.report.contents import SearchReport, number_of, score_of
from robmednas_tf.report.points import (
    count_ticks,
    label_best,
    log_limits,
    scatter,
    scatter_by_depth,
    scatter_by_parameters,
)
from robmednas_tf.report.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    VERMILION,
    legend_above,
    new_figure,
    plain_axes,
    say_empty,
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
    for source in sorted({record.source for record in report.scored}, key=_place_of):
        shown = [record for record in report.scored if record.source == source]
        numbers, scores = [r.number for r in shown], [score_of(r) for r in shown]
        label, marker, colour = _SOURCES.get(source, (source, "^", MUTED))
        scatter(axes, numbers, scores, marker=marker, color=colour, label=label)
    _best_so_far(axes, report)
    _on_axis(axes, report.failed, "failed", "x", VERMILION)
    _on_axis(axes, report.stopped, "stopped early", "v", MUTED)
    last = max((record.number for record in report.records), default=0)
    axes.set_xlim(-0.6 - 0.01 * last, last + 0.6 + 0.01 * last)
    if report.best is not None:
        _label_best(axes, report, report.best.number, score_of(report.best), _side(report))
    else:
        say_empty(axes, "No trial was scored.")
    if report.scored or report.failed or report.stopped:
        _legend(figure, 5)
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
        say_empty(axes, "There is no trial to show.")
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
    scatter_by_parameters(axes, shown, clean, attacked)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    if report.best in shown:
        place = shown.index(report.best)
        _label_best(axes, report, clean[place], attacked[place])
    return figure


def score_vs_parameters(report: SearchReport) -> Figure:
    """Draws the score of each trial over its parameters, and what is best up to each size."""
    shown = [r for r in report.scored if number_of(r, "parameters") > 0]
    figure = new_figure(5.4, 4.5)
    axes = figure.add_subplot()
    plain_axes(axes, "trainable parameters", wording.metric_label(report.objective))
    if not shown:
        axes.set_xticks([])
        say_empty(axes, "There is no trial to show.")
        return figure
    parameters = np.array([number_of(record, "parameters") for record in shown])
    scores = np.array([score_of(record) for record in shown])
    axes.set_xscale("log")
    count_ticks(axes.xaxis)
    axes.set_xlim(*log_limits(parameters))
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
    scatter_by_depth(axes, shown, parameters, scores)
    if report.best in shown:
        best_parameters = number_of(report.best, "parameters")
        _label_best(axes, report, best_parameters, score_of(report.best), _side(report))
    _legend(figure, 3)
    return figure


def _label_best(axes: Axes, report: SearchReport, x: float, y: float, y_side: int = 1) -> None:
    if report.best is not None:
        label_best(axes, report.best, x, y, y_side, wording.best_word(report))


def _legend(figure: Figure, num_columns: int) -> None:
    legend_above(figure, *figure.axes[0].get_legend_handles_labels(), num_columns)


def _place_of(source: str) -> tuple[int, str]:
    return list(_SOURCES).index(source) if source in _SOURCES else len(_SOURCES), source


def _best_so_far(axes: Axes, report: SearchReport) -> None:
    shown = sorted(report.scored, key=lambda record: record.number)
    if len(shown) > 1:
        best = _running_best([score_of(record) for record in shown], report.direction)
        numbers = [record.number for record in shown]
        axes.step(numbers, best, where="post", color=INK, linewidth=1.3, label="best so far")


def _running_best(scores: ArrayLike, direction: str) -> np.ndarray:
    best = np.maximum if direction == "max" else np.minimum
    return best.accumulate(np.asarray(scores))


def _on_axis(
    axes: Axes, records: Sequence[TrialRecord], label: str, marker: str, colour: str
) -> None:
    if records:
        on_axis = blended_transform_factory(axes.transData, axes.transAxes)
        numbers = [record.number for record in records]
        axes.scatter(
            numbers,
            [0.0] * len(records),
            marker=marker,
            s=34,
            color=colour,
            linewidths=1.6,
            transform=on_axis,
            clip_on=False,
            zorder=4,
            label=label,
        )


def _side(report: SearchReport) -> int:
    return 1 if report.direction == "max" else -1


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = max(0.05 * (high - low), 0.01)
    return low - margin, high + margin
