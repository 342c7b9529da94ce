"""How a training went, epoch by epoch: its loss, and the Dice of the validation subjects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from robmednas_tf.report.series import Series
from robmednas_tf.report.style import (
    BLUE,
    INK,
    MUTED,
    VERMILION,
    legend_above,
    new_figure,
    plain_axes,
    say_empty,
)
from robmednas_tf.report.training_contents import DICE, LOSSES, TrainingReport

_LOOKS = (Series(BLUE, "o", "-"), Series(VERMILION, "s", "-"))
_FONT_SIZE = 8.5
# Markers of more epochs than this would run together.
_MOST_MARKERS = 40


def draw_learning_curve(report: TrainingReport) -> Figure:
    """Draws training's and validation's loss by epoch, logarithmically, the best epoch marked."""
    figure, axes = _curves(report, LOSSES, "loss (mean squared error)")
    values = np.array([v for name in LOSSES for v in report.history.get(name, ())], np.float64)
    if (values > 0).any():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    return figure


def draw_validation_dice(report: TrainingReport) -> Figure:
    """Draws the validation subjects' Dice by epoch, clean and attacked, the best epoch marked."""
    return _curves(report, DICE, "Dice of validation, mean of four regions")[0]


def _curves(report: TrainingReport, names: Mapping[str, str], y_label: str) -> tuple[Figure, Axes]:
    figure = new_figure(5.4, 3.9)
    axes = figure.add_subplot()
    plain_axes(axes, "epoch", y_label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    handles, labels = [], []
    for look, (name, label) in zip(_LOOKS, names.items(), strict=True):
        values = np.array(report.history.get(name, ()), np.float64)
        if np.isfinite(values).any():
            shown = look if len(values) <= _MOST_MARKERS else Series(look.colour, "", look.dashes)
            shown.draw(axes, np.arange(1, len(values) + 1), values)
            handles.append(shown.handle())
            labels.append(label)
    if handles:
        legend_above(figure, handles, labels)
        _mark_best(axes, report)
    else:
        say_empty(axes, "Nothing was measured.")
    axes.set_xlim(0.5, report.num_epochs + 0.5)
    return figure, axes


def _mark_best(axes: Axes, report: TrainingReport) -> None:
    best = report.best_epoch + 1
    axes.axvline(best, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    across = best / (report.num_epochs + 1)
    # Above the axes, where no curve is.
    axes.annotate(
        f"best: epoch {best}",
        (best, 1.0),
        (0, 3),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        ha="left" if across < 0.2 else "right" if across > 0.8 else "center",
        va="bottom",
        color=INK,
        fontsize=_FONT_SIZE,
        fontweight="bold",
    )
