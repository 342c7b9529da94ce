"""Candidates that were stopped at rungs: what it saved, and the scores on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from robmednas_tf.report import wording
from robmednas_tf.report.contents import SearchReport, epochs_of, score_of
from robmednas_tf.report.page import Drawn
from robmednas_tf.report.points import label_best
from robmednas_tf.report.style import (
    BLUE,
    MUTED,
    VERMILION,
    legend_above,
    new_figure,
    plain_axes,
)
from robmednas_tf.search.pruning import rungs_in, stopped_at
from robmednas_tf.search.trials import COMPLETED, TrialRecord


@dataclass(frozen=True)
class PruningSection:
    """The section's words.

    Attributes:
        text: Who was stopped where, and what it saved.
        caution: What must not be read into it.
    """

    text: str
    caution: str


def pruning_section(report: SearchReport) -> PruningSection | None:
    """Returns what the page says of rungs; None where no trial came to one."""
    if not _at_rungs(report):
        return None
    return PruningSection(
        f"{_who_was_stopped(report)} {_what_it_saved(report)}",
        "A score at a rung is that of a short training: a candidate that learns slowly may be "
        "stopped although it would have ended well. Stopped candidates take no part in any other "
        "figure or choice; the search itself goes by them after those that came to their end.",
    )


def drawn_rungs(report: SearchReport) -> Drawn | None:
    """Draws each trial's score at its rungs and at its end; None where no trial came to a rung."""
    shown = _at_rungs(report)
    if not shown:
        return None
    figure = new_figure(9.6, 3.8)
    axes = figure.add_subplot()
    plain_axes(axes, "epoch", wording.metric_label(report.objective))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for record in shown:
        _draw(axes, record)
    if report.best in shown and report.best is not None:
        x, y = epochs_of(report.best), score_of(report.best)
        side = 1 if report.direction == "max" else -1
        label_best(axes, report.best, x, y, side, wording.best_word(report))
    handles, labels = axes.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    legend_above(figure, list(by_label.values()), list(by_label))
    label = wording.metric_label(report.objective)
    return Drawn("rungs", figure, f"Line plot: {label} by epoch. {_who_was_stopped(report)}")


def _at_rungs(report: SearchReport) -> list[TrialRecord]:
    return [record for record in (*report.scored, *report.stopped) if rungs_in(record)]


def _who_was_stopped(report: SearchReport) -> str:
    num_trials = len(report.scored) + len(report.stopped)
    rungs = [stopped_at(record) for record in report.stopped]
    places = sorted(Counter(rung.epoch for rung in rungs if rung is not None).items())
    where = " and ".join(f"{count} after epoch {epoch}" for epoch, count in places)
    return (
        f"Of {num_trials} trials {len(report.stopped)} were stopped{f': {where}' if where else ''}."
    )


def _what_it_saved(report: SearchReport) -> str:
    trials = (*report.scored, *report.stopped)
    spent = sum(map(epochs_of, trials))
    whole = max(map(epochs_of, trials)) * len(trials)
    if not report.scored:
        return f"They took {spent} epochs."
    return (
        f"All took {spent} epochs together; trained to the end they would have taken {whole}, so "
        f"that {wording.number(100 * (1 - spent / whole), 0)} % were saved."
    )


def _draw(axes: Axes, record: TrialRecord) -> None:
    points = {rung.epoch: rung.score for rung in rungs_in(record)}
    if record.status == COMPLETED:
        points[epochs_of(record)] = score_of(record)
        colour, place, label = BLUE, 3, "trained to the end"
    else:
        colour, place, label = MUTED, 2, "until then"
    epochs, scores = list(points), list(points.values())
    line: dict[str, Any] = {"marker": "o", "markersize": 3.5, "linewidth": 1.1, "alpha": 0.75}
    axes.plot(epochs, scores, color=colour, zorder=place, label=label, **line)
    if record.status != COMPLETED:
        axes.plot(
            epochs[-1], scores[-1], "x", color=VERMILION, markersize=6, zorder=4, label="stopped"
        )
