"""Points of scatter plots: one a trial, coloured by what matters, the best one named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike

from robmednas_tf.report import wording
from robmednas_tf.report.contents import number_of
from robmednas_tf.report.style import INK, MUTED, PAPER
from robmednas_tf.search.trials import TrialRecord

# Viridis begins nearly black: on a dark page its points need a rim to be seen.
_RIM = {"edgecolors": MUTED, "linewidths": 0.7}
_FONT_SIZE = 8.5


def scatter(axes: Axes, x: ArrayLike, y: ArrayLike, **style: Any) -> PathCollection:
    """Draws points; further keywords go to matplotlib's scatter."""
    # A rim in the paper's colour keeps points apart where they lie on one another.
    defaults = {"s": 30, "edgecolors": PAPER, "linewidths": 0.6, "zorder": 3}
    return axes.scatter(x, y, **{**defaults, **style})


def scatter_by_depth(
    axes: Axes, records: Sequence[TrialRecord], x: np.ndarray, y: np.ndarray
) -> None:
    """Draws a point per trial, coloured and named by depth."""
    depths = np.array([number_of(record, "depth") for record in records])
    for depth in sorted(set(depths[~np.isnan(depths)])):
        here = depths == depth
        colour = mpl.colormaps["viridis"](min(1.0, (depth - 1) / 4.4))
        scatter(axes, x[here], y[here], c=[colour], label=f"depth {depth:.0f}", **_RIM)
    unknown = np.isnan(depths)
    if unknown.any():
        scatter(axes, x[unknown], y[unknown], color=MUTED, label="depth unknown")


def scatter_by_parameters(
    axes: Axes, records: Sequence[TrialRecord], x: np.ndarray, y: np.ndarray
) -> None:
    """Draws a point per trial, coloured by parameters, with the colour bar."""
    parameters = np.array([number_of(record, "parameters") for record in records])
    known = parameters > 0
    scatter(axes, x[~known], y[~known], color=MUTED)
    if not known.any():
        return
    norm = LogNorm(*log_limits(parameters[known]))
    points = scatter(
        axes, x[known], y[known], c=parameters[known], cmap="viridis", norm=norm, **_RIM
    )
    bar = axes.figure.colorbar(points, ax=axes, shrink=0.8, aspect=28, pad=0.02)
    count_ticks(bar.ax.yaxis)
    bar.set_label("trainable parameters", color=INK, fontsize=_FONT_SIZE)
    bar.ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=_FONT_SIZE, length=3)
    bar.outline.set_visible(False)


def label_best(
    axes: Axes, best: TrialRecord, x: float, y: float, y_side: int = 1, word: str = "best"
) -> None:
    """Rings the best trial and writes its name above (`y_side` 1) or below (-1) it.

    Args:
        axes: Where the point is drawn.
        best: The trial.
        x: Its place.
        y: Its place.
        y_side: On which side its name stands.
        word: What stands before the name.
    """
    axes.scatter([x], [y], s=130, facecolors="none", edgecolors=INK, linewidths=1.3, zorder=5)
    # Beyond the best score no point can lie under the label.
    axes.margins(y=0.14)
    axes.autoscale_view()
    across = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[0]
    axes.annotate(
        f"{word}: trial {best.trial_id}",
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


def count_ticks(axis: Axis) -> None:
    """Gives a logarithmic axis of counts ticks such as 300 k and 1 M."""
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: wording.count(value)))
    axis.set_minor_locator(NullLocator())


def log_limits(values: np.ndarray) -> tuple[float, float]:
    """Returns limits for positive values, wide enough for a tick even around a single one."""
    return float(values.min()) / 2, float(values.max()) * 2
