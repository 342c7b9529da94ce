"""How a model is told from the others in figures: by colour and marker, the same in all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from robmednas_tf.report.evaluation_contents import EvaluationReport
from robmednas_tf.report.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    PURPLE,
    SKY,
    VERMILION,
)

# The baseline is drawn in ink: what the others are held against.
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, MUTED)
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p")
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))

# A rim in the paper's colour keeps markers apart where they lie on one another.
_POINTS: dict[str, Any] = {"markersize": 6.5, "markeredgecolor": PAPER, "markeredgewidth": 0.6}
_BARS: dict[str, Any] = {"elinewidth": 0.9, "capsize": 2.0, "capthick": 0.9}


@dataclass(frozen=True)
class Series:
    """The look of one model.

    Attributes:
        colour: Of its lines and points.
        marker: Of its points.
        dashes: Of its lines; unbroken until colours run out, "none" for points alone.
    """

    colour: str
    marker: str
    dashes: str | tuple[int, tuple[float, float]]

    def draw(self, axes: Axes, x: ArrayLike, y: ArrayLike, **errors: Any) -> None:
        """Draws points, joined where there are dashes, with error bars `xerr` and `yerr`."""
        # Faint, so that points and lines stand out where many bars cross.
        bars = {"ecolor": (self.colour, 0.6), **_BARS}
        axes.errorbar(x, y, zorder=3, **errors, **self._style, **_POINTS, **bars)

    def handle(self) -> Line2D:
        """Returns what stands for the model in a legend."""
        return Line2D([], [], **self._style, **_POINTS)

    @property
    def _style(self) -> dict[str, Any]:
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.dashes,
            "linewidth": 1.3,
        }


def series(report: EvaluationReport) -> Mapping[str, Series]:
    """Returns every model's look, by name."""
    others = [name for name in report.model_names if name != report.baseline]
    looks = {report.baseline: Series(INK, MARKERS[0], _DASHES[0])}
    for place, name in enumerate(others):
        rounds = place // len(_COLOURS)
        looks[name] = Series(
            _COLOURS[place % len(_COLOURS)],
            MARKERS[(place + 1) % len(MARKERS)],
            _DASHES[rounds % len(_DASHES)],
        )
    return {name: looks[name] for name in report.model_names}
