"""Images as tiles of a figure, side by side in shared scales, and the bars that name the scales."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from robmednas_tf.report.style import INK, MUTED

# Air to dense bone, so that no region of the metrics lies outside.
CT_WINDOW_HU = (-1000.0, 1500.0)
MR_PERCENTILES = (1.0, 99.0)

_FONT_SIZE = 9.0
_GAP = 0.03


@dataclass(frozen=True, eq=False)
class Scale:
    """How values become colours.

    Attributes:
        label: The quantity and its unit.
        colours: Name of a matplotlib colour map.
        low: Value of the first colour.
        high: Value of the last colour.
        ticks: Values named on the bar.
    """

    label: str
    colours: str
    low: float
    high: float
    ticks: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Tile:
    """An image `(height, width)`, its scale and the line above it."""

    title: str
    values: np.ndarray
    scale: Scale


def mr_scale(images: Iterable[np.ndarray]) -> Scale:
    """Returns the grey scale that MR images share, from their 1st to their 99th percentile."""
    low, high = mr_window(images)
    return Scale("MR, z-score", "gray", low, high, (low, high))


def ct_scale() -> Scale:
    """Returns the grey scale of CT and synthetic CT."""
    return Scale("CT and synthetic CT, HU", "gray", *CT_WINDOW_HU, ticks=(-1000, 0, 1500))


def perturbation_scale(size: float, largest: float = 0.0) -> Scale:
    """Returns the scale of a perturbation, zero in its middle.

    Args:
        size: What the perturbation is named by, in z-score units, >= 0; ticks mark it.
        largest: Magnitude that must still lie within the scale.
    """
    # Where nothing was perturbed, any span shows that.
    size = size or 0.01
    # Wider than the attack, whose two ends would both be nearly black.
    span = max(1.6 * size, largest)
    return Scale("perturbation, z-score", "PuOr", -span, span, (-size, 0, size))


def mr_window(images: Iterable[np.ndarray]) -> tuple[float, float]:
    """Returns the 1st and the 99th percentile of images together."""
    pixels = np.concatenate([image.ravel() for image in images])
    low, high = np.percentile(pixels, MR_PERCENTILES)
    return float(low), float(high)


def draw_tile(figure: Figure, tile: Tile, left: float, bottom: float, size: float) -> None:
    """Draws an image with its title above; places and size of its square in inches."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes(
        ((left + _GAP) / width, bottom / height, (size - 2 * _GAP) / width, size / height)
    )
    scale = tile.scale
    # Without interpolation a pixel stays a pixel, and is stored once in SVG.
    axes.imshow(
        tile.values, cmap=scale.colours, vmin=scale.low, vmax=scale.high, interpolation="none"
    )
    axes.axis("off")
    axes.set_title(tile.title, color=INK, fontsize=_FONT_SIZE, pad=3, loc="left", parse_math=False)


def draw_bar(figure: Figure, scale: Scale, left: float, size: float) -> None:
    """Draws a scale's bar below tiles of `size` inches that begin at `left`."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes(
        ((left + 0.3) / width, 0.42 / height, (size - 0.6) / width, 0.1 / height)
    )
    norm = Normalize(scale.low, scale.high)
    bar = figure.colorbar(ScalarMappable(norm, scale.colours), cax=axes, orientation="horizontal")
    bar.set_ticks(scale.ticks)
    bar.ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=_FONT_SIZE - 1, length=2, pad=2)
    bar.ax.xaxis.set_major_formatter(FuncFormatter(_tick))
    bar.set_label(scale.label, color=INK, fontsize=_FONT_SIZE - 0.5, labelpad=1)
    bar.outline.set_visible(False)


def _tick(value: float, _: int | None = None) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"
