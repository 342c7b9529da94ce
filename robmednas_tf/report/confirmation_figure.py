"""Confirmed candidates drawn: the first score beside the new ones, their mean and its interval."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes

from robmednas_tf.report import wording
from robmednas_tf.report.contents import SearchReport
from robmednas_tf.report.page import Drawn
from robmednas_tf.report.style import (
    BLUE,
    MUTED,
    ORANGE,
    legend_above,
    new_figure,
    plain_axes,
)
from robmednas_tf.search.confirmation import Candidate, Confirmation


def drawn_confirmation(report: SearchReport, confirmation: Confirmation) -> Drawn:
    """Draws a line per candidate, the winner on top."""
    ranked = confirmation.ranked
    figure = new_figure(9.6, 1.3 + 0.42 * len(ranked))
    axes = figure.add_subplot()
    plain_axes(axes, wording.metric_label(report.objective), "")
    for place, candidate in enumerate(ranked):
        _draw(axes, candidate, len(ranked) - 1 - place)
    axes.set_yticks(range(len(ranked)), [f"trial {one.trial.trial_id}" for one in ranked[::-1]])
    axes.set_ylim(-0.6, len(ranked) - 0.4)
    handles, labels = axes.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    legend_above(figure, list(by_label.values()), list(by_label))
    return Drawn("confirmation", figure, _alt(report, confirmation))


def _draw(axes: Axes, candidate: Candidate, y: int) -> None:
    low, high = candidate.interval
    if not math.isnan(low):
        axes.plot([low, high], [y, y], color=BLUE, linewidth=1.6, zorder=2, label="95 % interval")
    points: dict[str, Any] = {"linestyle": "none", "markeredgewidth": 1.3}
    scores = candidate.scores
    if scores:
        axes.plot(
            scores, [y] * len(scores), "o", color=MUTED, markersize=4, zorder=3, label="new score"
        )
        axes.plot(
            [candidate.mean], [y], "D", color=BLUE, markersize=7, zorder=4, label="mean", **points
        )
    axes.plot(
        [candidate.first_score],
        [y],
        "o",
        markersize=9,
        markerfacecolor="none",
        markeredgecolor=ORANGE,
        zorder=5,
        label="first score",
        **points,
    )


def _alt(report: SearchReport, confirmation: Confirmation) -> str:
    candidates = [
        f"trial {each.trial.trial_id} {wording.metric(report.objective, each.first_score)} at "
        f"first and {wording.metric(report.objective, each.mean)} on average"
        for each in confirmation.ranked
    ]
    label = wording.metric_label(report.objective)
    return f"Dot plot: {label} of the confirmed candidates. {'; '.join(candidates)}."
