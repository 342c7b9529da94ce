"""The figures of what a search has learnt: importance, scores by level, robustness against size."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robmednas_tf.report import analysis_wording, wording
from robmednas_tf.report.points import count_ticks, log_limits, scatter_by_depth
from robmednas_tf.report.style import (
    BLUE,
    INK,
    MUTED,
    PAPER,
    VERMILION,
    legend_above,
    new_figure,
    plain_axes,
    say_empty,
)
from robmednas_tf.search.analysis import Analysis, Level
from robmednas_tf.search.bootstrap import Estimate

_WIDTH, _ROW = 9.6, 0.26
_FONT_SIZE = 8.5


def importance(analysis: Analysis) -> Figure:
    """Draws what each factor explains, with its interval, and what chance does."""
    explained, chance = analysis.importances.explained, analysis.importances.chance
    figure = new_figure(_WIDTH, 1.0 + 1.2 * _ROW * max(len(explained), 2))
    axes = figure.add_subplot()
    plain_axes(axes, "explained variance of being among the best quarter (%)", "")
    if not explained:
        axes.set_xticks([])
        say_empty(axes, "No factor varies.")
        return figure
    rows = [(analysis_wording.factor(name), False) for name in explained]
    _name_rows(axes, rows)
    for row, (name, estimate) in enumerate(explained.items()):
        is_above = name in analysis.importances.above_chance
        share = Estimate(100 * estimate.value, 100 * estimate.low, 100 * estimate.high)
        _estimate(axes, row, share, "o", BLUE if is_above else MUTED)
    largest = max(*(each.high for each in explained.values()), chance)
    axes.set_xlim(-2 * largest, 104 * largest)
    axes.axvline(100 * chance, color=VERMILION, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        "chance",
        (100 * chance, 1),
        (0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=VERMILION,
        fontsize=_FONT_SIZE,
    )
    return figure


def scores_by_level(analysis: Analysis) -> Figure:
    """Draws mean attacked and clean scores, level by level of each factor."""
    rows: list[tuple[str, Level | None]] = []
    for factor, levels in itertools.groupby(analysis.levels, lambda level: level.factor):
        rows.append((analysis_wording.factor(factor), None))
        rows += [(_level_name(level), level) for level in levels]
    figure = new_figure(_WIDTH, 0.9 + 0.88 * _ROW * max(len(rows), 2))
    attacked, clean = figure.subplots(1, 2, sharey=True)
    plain_axes(attacked, wording.metric_label(analysis.attacked_metric), "")
    plain_axes(clean, wording.metric_label(analysis.clean_metric), "")
    _name_rows(attacked, [(name, level is None) for name, level in rows])
    clean.tick_params(left=False)
    clean.grid(False, axis="y")
    for axes, metric in ((attacked, analysis.attacked_metric), (clean, analysis.clean_metric)):
        mean = analysis.values_of(metric).mean()
        axes.axvline(mean, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    for row, (_, level) in enumerate(rows):
        if level is not None:
            _estimate(attacked, row, level.attacked, "s", VERMILION)
            _estimate(clean, row, level.clean, "o", BLUE)
    return figure


def robustness_vs_size(analysis: Analysis) -> Figure:
    """Draws each trial's attacked score over its parameters and over its FLOPs."""
    figure = new_figure(_WIDTH, 4.0)
    both = figure.subplots(1, 2, sharey=True)
    for axes, association in zip(both, analysis.associations, strict=False):
        plain_axes(axes, wording.metric_label(association.x), "")
        axes.set_title(
            analysis_wording.rho(association), loc="left", color=INK, fontsize=_FONT_SIZE
        )
        x, y = (analysis.values_of(name) for name in (association.x, association.y))
        known = x > 0
        if not known.any():
            axes.set_xticks([])
            say_empty(axes, "There is no trial to show.")
            continue
        axes.set_xscale("log")
        axes.set_xlim(*log_limits(x[known]))
        count_ticks(axes.xaxis)
        shown = [
            record for record, is_known in zip(analysis.trials, known, strict=True) if is_known
        ]
        scatter_by_depth(axes, shown, x[known], y[known])
    label = wording.metric_label(analysis.attacked_metric)
    both[0].set_ylabel(label, color=INK, fontsize=_FONT_SIZE)
    legend_above(figure, *both[0].get_legend_handles_labels())
    return figure


def _level_name(level: Level) -> str:
    return f"{level.name}, {wording.plural(level.num_trials, 'trial')}"


def _name_rows(axes: Axes, rows: Sequence[tuple[str, bool]]) -> None:
    axes.set_yticks(np.arange(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    for label, (_, is_head) in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if is_head else "normal")


def _estimate(axes: Axes, row: int, estimate: Estimate, marker: str, colour: str) -> None:
    axes.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=1.6, zorder=2)
    axes.plot(
        [estimate.value],
        [row],
        marker,
        color=colour,
        markersize=6.5,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        zorder=3,
    )
