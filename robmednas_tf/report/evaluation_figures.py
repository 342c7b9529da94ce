"""How models hold out: scores by strength of the perturbation, and robustness by accuracy.

Source: paper Figure 7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robmednas_tf.attacks.kinds import KINDS
from robmednas_tf.attacks.notation import CLEAN, Perturbation
from robmednas_tf.evaluation.statistics import summarize_values
from robmednas_tf.report.conditions import condition_label, size_label
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE, EvaluationReport
from robmednas_tf.report.series import MARKERS, Series, series
from robmednas_tf.report.style import (
    INK,
    MUTED,
    legend_above,
    new_figure,
    plain_axes,
    say_empty,
)

_LABELS = {"mae": "MAE (HU), mean of four regions", "dice": "Dice, mean of four regions"}
_FONT_SIZE = 8.5
# Of the distance between two levels: error bars of one level must not hide one another.
_SPREAD = 0.25
_REFERENCE: dict[str, Any] = {"color": MUTED, "linewidth": 1.1, "linestyle": (0, (1, 2))}


def levels(report: EvaluationReport) -> Mapping[str, Sequence[Perturbation]]:
    """Returns the curves' levels by kind, the weakest first; only kinds that are there."""
    found = {Perturbation.parse(outcome.condition) for outcome in report.curves}
    # Level 0 is `clean`, with which every curve begins.
    by_kind = {
        kind: sorted((p for p in found if p.kind == kind and p.size), key=lambda p: p.size)
        for kind in KINDS
    }
    return {kind: each for kind, each in by_kind.items() if each}


def draw_curves(report: EvaluationReport) -> Figure:
    """Draws MAE and Dice of each model by the strength of each kind of perturbation.

    Args:
        report: With curves. Error bars are standard deviations over subjects.
    """
    kinds, looks = levels(report), series(report)
    figure = new_figure(9.6, 0.6 + 3.1 * len(kinds))
    grid = figure.subplots(len(kinds), 2, squeeze=False)
    for row, (kind, steps) in zip(grid, kinds.items(), strict=True):
        for axes, metric in zip(row, _LABELS, strict=True):
            plain_axes(axes, size_label(kind), _LABELS[metric])
            _curves(axes, report, steps, metric)
            if report.has_lookup_table:
                mean = summarize_values(report.means(LOOKUP_TABLE, CLEAN, metric)).mean
                axes.axhline(mean, zorder=1, **_REFERENCE)
    handles, labels = [look.handle() for look in looks.values()], list(looks)
    if report.has_lookup_table:
        handles.append(Line2D([], [], **_REFERENCE))
        labels.append(f"{LOOKUP_TABLE}, clean")
    legend_above(figure, handles, labels)
    return figure


def _curves(
    axes: Axes, report: EvaluationReport, steps: Sequence[Perturbation], metric: str
) -> None:
    sizes = np.array([0.0, *(step.size for step in steps)])
    looks = series(report)
    spread = _SPREAD * float(np.diff(sizes).min()) if len(looks) > 1 else 0.0
    offsets = np.linspace(-spread / 2, spread / 2, len(looks))
    for (name, look), offset in zip(looks.items(), offsets, strict=True):
        found = [
            summarize_values(report.means(name, condition, metric))
            for condition in (CLEAN, *map(str, steps))
        ]
        means, sds = [each.mean for each in found], [each.sd for each in found]
        look.draw(axes, sizes + offset, means, yerr=sds)
    margin = spread + 0.02 * sizes[-1]
    axes.set_xlim(-margin, sizes[-1] + margin)


def draw_accuracy_vs_robustness(report: EvaluationReport) -> Figure:
    """Draws attacked against clean Dice of each model, a marker shape an attack.

    Args:
        report: With an attack. Error bars are standard deviations over subjects.
    """
    figure = new_figure(6.4, 5.0)
    axes = figure.add_subplot()
    plain_axes(axes, *(f"Dice {where}, mean of four regions" for where in ("clean", "attacked")))
    looks = series(report)
    shapes = {each: MARKERS[n % len(MARKERS)] for n, each in enumerate(report.attacks)}
    labels = [f"{number} {name}" for number, name in enumerate(looks, start=1)]
    seen = [_points(axes, report, name, shapes) for name in looks]
    if not any(seen):
        axes.set_xticks([])
        say_empty(axes, "There is no Dice to show.")
        return figure
    _diagonal(axes)
    handles = [Series(look.colour, "o", "none").handle() for look in looks.values()]
    handles += [Series(MUTED, shape, "none").handle() for shape in shapes.values()]
    legend_above(figure, handles, [*labels, *map(condition_label, shapes)])
    return figure


def _points(axes: Axes, report: EvaluationReport, name: str, shapes: Mapping[str, str]) -> bool:
    """Draws a model's points, one above the other; tells whether there is one to see."""
    colour = series(report)[name].colour
    clean = summarize_values(report.means(name, CLEAN, "dice"))
    lowest = math.inf
    for condition, shape in shapes.items():
        attacked = summarize_values(report.means(name, condition, "dice"))
        if not (math.isnan(clean.mean) or math.isnan(attacked.mean)):
            look = Series(colour, shape, "none")
            look.draw(axes, [clean.mean], [attacked.mean], xerr=[clean.sd], yerr=[attacked.sd])
            lowest = min(lowest, attacked.mean)
    if math.isinf(lowest):
        return False
    axes.annotate(
        str(report.model_names.index(name) + 1),
        (clean.mean, lowest),
        (5, -4),
        textcoords="offset points",
        va="top",
        color=INK,
        fontsize=_FONT_SIZE,
        fontweight="bold",
        zorder=5,
    )
    return True


def _diagonal(axes: Axes) -> None:
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    low, high = min(low, left), max(high, right)
    high += 0.06 * (high - low)
    axes.set(xlim=(left, right), ylim=(low, high))
    axes.plot(
        [left, right], [left, right], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1
    )
    axes.text(
        right,
        right + 0.015 * (high - low),
        "attack costs nothing",
        rotation=45,
        rotation_mode="anchor",
        transform_rotates_text=True,
        ha="right",
        color=MUTED,
        fontsize=_FONT_SIZE,
    )
