"""The figures of a study: how repeats, seeds and folds scatter, and how fast searches found what.

Source: paper Figures 5 and 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.evaluation.statistics import summarize_values
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import condition_label
from robmednas_tf.report.repeats_figures import LEAST_BOXED, draw_box, draw_steps
from robmednas_tf.report.study_contents import ARM, FOLDS, StudyResults
from robmednas_tf.report.style import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    VERMILION,
    legend_above,
    new_figure,
    plain_axes,
    say_empty,
)
from robmednas_tf.study.arms import (
    ADVERSARIAL,
    ARMS,
    BASELINE,
    ORACLES,
    RANDOM,
    ROBMEDNAS_R,
    ROBMEDNAS_T,
)

_METRICS = {"dice": "Dice", "mae": "MAE (HU)"}
_WIDTH, _OFFSET = 0.3, 0.2
# The paper's colours of the two lines.
_LINES = {BASELINE: VERMILION, ADVERSARIAL: BLUE}
_LINE: dict[str, Any] = {"linewidth": 1.3, "linestyle": (0, (4, 2)), "zorder": 1}


def draw_repeats(results: StudyResults) -> Figure:
    """Draws Dice and MAE by region of each searched arm's repeats, clean and attacked.

    Lines are the baselines' means under attack. Boxes as in the report of repeated searches.
    """
    attack = results.info.attack
    looks = {CLEAN: (BLUE, -_OFFSET), attack: (ORANGE, _OFFSET)}
    figure = new_figure(9.6, 5.6)
    grid = figure.subplots(len(_METRICS), len(REGIONS))
    arms = (RANDOM, ROBMEDNAS_R, ROBMEDNAS_T)
    for row, (metric, label) in zip(grid, _METRICS.items(), strict=True):
        for axes, (region, each) in zip(row, REGIONS.items(), strict=True):
            plain_axes(axes, "", f"{label}, {each.label.lower()}")
            axes.grid(False, axis="x")
            for place, arm in enumerate(arms):
                for condition, (colour, offset) in looks.items():
                    values = results.values(ARM, arm, condition, metric, region)
                    _scattered(axes, values, place + offset, colour)
            for arm, colour in _LINES.items():
                mean = summarize_values(results.values(ARM, arm, attack, metric, region)).mean
                if not math.isnan(mean):
                    axes.axhline(mean, color=colour, **_LINE)
            _name_places(axes, [ARMS[arm] for arm in arms])
    labels = ["clean", condition_label(attack)]
    handles: list[Any] = [Patch(color=BLUE), Patch(color=ORANGE)]
    for arm, colour in _LINES.items():
        handles.append(Line2D([], [], color=colour, **_LINE))
        labels.append(f"{ARMS[arm]}, {condition_label(attack)}")
    legend_above(figure, handles, labels)
    return figure


def draw_studied(results: StudyResults, part: str) -> Figure:
    """Draws robustness by region of both architectures over seeds, or over folds.

    Args:
        results: All that was found.
        part: `SEEDS` or `FOLDS`; lines join the networks of one fold.
    """
    figure = new_figure(9.6, 3.8)
    panels = figure.subplots(1, len(_METRICS))
    colours = {BASELINE: INK, ROBMEDNAS_T: VERMILION}
    for axes, (metric, label) in zip(panels, _METRICS.items(), strict=True):
        plain_axes(axes, "", f"{label} under {condition_label(results.info.attack)}")
        axes.grid(False, axis="x")
        for place, region in enumerate(REGIONS):
            sides = [
                results.values(part, arm, results.info.attack, metric, region) for arm in colours
            ]
            for (_, colour), offset, values in zip(
                colours.items(), (-_OFFSET, _OFFSET), sides, strict=True
            ):
                _scattered(axes, values, place + offset, colour)
            if part == FOLDS and len(sides[0]) == len(sides[1]):
                _join(axes, place, sides)
        _name_places(axes, [region.label for region in REGIONS.values()])
    legend_above(
        figure,
        [Patch(color=colour) for colour in colours.values()],
        [ARMS[arm] for arm in colours],
    )
    return figure


def draw_searches(results: StudyResults) -> Figure:
    """Draws the best first score so far by trial: each search, and the median of a rule's."""
    figure = new_figure(9.6, 3.4)
    axes = figure.add_subplot()
    plain_axes(axes, "trials that count", wording.metric_label(results.info.settings["objective"]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    colours = {ROBMEDNAS_R: BLUE, ROBMEDNAS_T: VERMILION}
    best = np.fmin if results.info.is_error else np.fmax
    handles = []
    for arm in ORACLES:
        curves = [
            best.accumulate(np.array(search.scores))
            for search in results.searches
            if search.arm == arm and search.scores
        ]
        for curve in curves:
            draw_steps(axes, curve[None], color=colours[arm], linewidth=0.7, alpha=0.55)
        if curves:
            length = min(map(len, curves))
            median = np.nanmedian([curve[:length] for curve in curves], axis=0)
            draw_steps(axes, median[None], color=colours[arm], linewidth=2.2)
        handles.append(Line2D([], [], color=colours[arm], linewidth=2.2))
    if not results.searches:
        say_empty(axes, "There is no search to show.")
    legend_above(figure, handles, [f"{ARMS[arm]} (thick: median)" for arm in ORACLES])
    return figure


def _scattered(axes: Axes, values: Sequence[float], middle: float, colour: str) -> None:
    defined = [value for value in values if not math.isnan(value)]
    if len(defined) >= LEAST_BOXED:
        draw_box(axes, defined, middle, colour)
    spread = np.linspace(-0.35, 0.35, len(defined)) * _WIDTH if len(defined) > 1 else np.zeros(1)
    if defined:
        style: dict[str, Any] = {"s": 16, "color": colour, "edgecolors": PAPER, "linewidths": 0.5}
        axes.scatter(middle + spread, defined, zorder=3, **style)


def _join(axes: Axes, place: int, sides: Sequence[Sequence[float]]) -> None:
    for number, pair in enumerate(zip(*sides, strict=True)):
        count = len(sides[0])
        across = (np.linspace(-0.35, 0.35, count)[number] if count > 1 else 0.0) * _WIDTH
        x = [place - _OFFSET + across, place + _OFFSET + across]
        axes.plot(x, pair, color=MUTED, linewidth=0.6, zorder=2)


def _name_places(axes: Axes, names: Sequence[str]) -> None:
    shown = [name.replace("RobMedNAS-", "").replace(" ", "\n", 1) for name in names]
    axes.set_xticks(range(len(shown)), shown)
    axes.set_xlim(-0.6, len(shown) - 0.4)
