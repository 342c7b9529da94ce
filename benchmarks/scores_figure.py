"""The figure of how far a trial's score can be trusted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import scores_statistics as statistics
import scores_table as tables
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scores_kinds import AT_END, DEFAULT, Score, paired

from robmednas_tf.report.style import (
    BLUE,
    INK,
    ORANGE,
    VERMILION,
    legend_above,
    new_figure,
    plain_axes,
)

EPOCHS = (*tables.RUNGS, tables.EPOCHS)
CURVES: Mapping[str, tuple[Score, str]] = {
    "attacked Dice, average 0.96": (DEFAULT, BLUE),
    "attacked Dice, average 0.9": (dataclasses.replace(DEFAULT, averaging=0.9), ORANGE),
    "validation loss, average 0.9": (
        dataclasses.replace(DEFAULT, averaging=0.9, measure="val_loss"),
        VERMILION,
    ),
}


def figure(rows: Sequence[tables.Row]) -> Figure:
    """Draws how ranks at an epoch agree with ranks at the end, and the scores themselves."""
    drawn = new_figure(9.0, 4.0)
    left, right = drawn.subplots(1, 2)
    handles = [_curve(left, rows, score, colour) for score, colour in CURVES.values()]
    left.axhline(0, color=INK, linewidth=0.6)
    plain_axes(left, "epoch of the score", "rank correlation with the end")
    left.set_xticks(EPOCHS)
    _paths(right, rows)
    legend_above(drawn, handles, list(CURVES))
    return drawn


def _curve(axes: Axes, rows: Sequence[tables.Row], score: Score, colour: str):
    worth = AT_END.values(rows)
    found = [
        statistics.bootstrapped(
            statistics.spearman,
            *paired(dataclasses.replace(score, epochs=(epoch,)).values(rows), worth),
        )
        for epoch in EPOCHS
    ]
    axes.fill_between(
        EPOCHS,
        [each.low for each in found],
        [each.high for each in found],
        color=colour,
        alpha=0.15,
    )
    values = [each.value for each in found]
    return axes.plot(EPOCHS, values, color=colour, marker="o", markersize=3.5)[0]


def _paths(axes: Axes, rows: Sequence[tables.Row]) -> None:
    """Draws each network's attacked Dice over the epochs, darker the better it ends."""
    score = dataclasses.replace(DEFAULT, averaging=tables.AT_RUNGS)
    values = [dataclasses.replace(score, epochs=(epoch,)).values(rows) for epoch in EPOCHS]
    worth = AT_END.values(rows)
    common = sorted(set(worth).intersection(*values), key=worth.__getitem__)
    common = [key for key in common if key[1] == 0]
    for place, key in enumerate(common):
        share = (place + 1) / len(common)
        path = np.array([each[key] for each in values])
        axes.plot(EPOCHS, path, color=BLUE, alpha=0.1 + 0.8 * share**2, linewidth=0.9)
    plain_axes(axes, "epoch", "attacked Dice, average 0.9")
    # A network that has not begun to learn after an epoch would flatten all the others.
    axes.set_ylim(bottom=0.58)
    axes.set_xticks(EPOCHS)
    axes.annotate(
        f"{len(common)} networks; the darker, the better in the end",
        (0.02, 0.97),
        xycoords="axes fraction",
        va="top",
        color=INK,
        fontsize=8.5,
    )
