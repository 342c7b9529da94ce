"""Slices side by side: what went in, what the attack changed, what came out and how wrong it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from robmednas_tf.evaluation.inference import Panel
from robmednas_tf.evaluation.metrics import VolumeMetrics, mean_over_regions
from robmednas_tf.report import wording
from robmednas_tf.report.style import INK, MUTED, new_figure

# Air to dense bone, so that no region of the metrics lies outside.
CT_WINDOW_HU = (-1000.0, 1500.0)
ERROR_MAX_HU = 500.0
MR_PERCENTILES = (1.0, 99.0)

_TILE, _TITLE, _HEAD, _FOOT, _COLUMNS = 2.3, 0.26, 0.42, 0.62, 4
_BLOCK = _HEAD + 2 * (_TITLE + _TILE)
_FONT_SIZE = 9.0


@dataclass(frozen=True, eq=False)
class _Scale:
    label: str
    colours: str
    low: float
    high: float
    ticks: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _Tile:
    title: str
    values: np.ndarray
    scale: _Scale


def panel_image(panel: Panel) -> np.ndarray:
    """Lays a panel out as one strip in grey, for TensorBoard.

    Args:
        panel: One slice.

    Returns:
        uint8 `(height, 6 * width, 3)`: MR, attacked MR (both from the MR's 1st to 99th
        percentile), synthetic CT clean and attacked, CT (all in `CT_WINDOW_HU`), and the attacked
        prediction's absolute error (0 to `ERROR_MAX_HU`).
    """
    mr_window = _mr_window([panel])
    error = np.abs(panel.attacked_synthetic_ct - panel.ct)
    tiles = [
        _grey(panel.mr, *mr_window),
        _grey(panel.attacked_mr, *mr_window),
        _grey(panel.synthetic_ct, *CT_WINDOW_HU),
        _grey(panel.attacked_synthetic_ct, *CT_WINDOW_HU),
        _grey(panel.ct, *CT_WINDOW_HU),
        _grey(error, 0.0, ERROR_MAX_HU),
    ]
    return np.repeat(np.concatenate(tiles, axis=1)[..., np.newaxis], 3, axis=2)


def mean_dice(ct: np.ndarray, synthetic_ct: np.ndarray) -> float:
    """Returns the mean Dice over the four regions of one slice, in HU; NaN leaves a region out."""
    metrics = VolumeMetrics()
    metrics.update(ct, synthetic_ct)
    return mean_over_regions(metrics.result())[0]


def draw_panels(panels: Sequence[Panel], epsilon: float) -> Figure:
    """Draws slices, two rows each: the inputs and the CT, then the predictions and their errors.

    Args:
        panels: At least one.
        epsilon: Size of the attack in z-score units; the perturbation's colours span it.
    """
    width, height = _COLUMNS * _TILE, len(panels) * _BLOCK + _FOOT
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    scales = _scales(panels, epsilon)
    for number, panel in enumerate(panels):
        top = height - number * _BLOCK - _HEAD
        name = f"{panel.subject}, slice {panel.slice_index}"
        style = {"color": INK, "size": 11, "weight": "bold", "parse_math": False}
        figure.text(0.006, (top + 0.06) / height, name, style)
        for place, tile in enumerate(_tiles(panel, scales)):
            row, column = divmod(place, _COLUMNS)
            bottom = top - (row + 1) * (_TILE + _TITLE)
            _draw_tile(figure, tile, column * _TILE, bottom)
    for column, scale in enumerate(scales):
        _draw_bar(figure, scale, column * _TILE)
    return figure


def _scales(panels: Sequence[Panel], epsilon: float) -> tuple[_Scale, _Scale, _Scale, _Scale]:
    # Where there was no attack, any span shows that.
    size, mr_window = epsilon or 0.01, _mr_window(panels)
    return (
        _Scale("MR, z-score", "gray", *mr_window, ticks=mr_window),
        # Wider than the attack, whose two ends would both be nearly black.
        _Scale("perturbation, z-score", "PuOr", -1.6 * size, 1.6 * size, (-size, 0, size)),
        _Scale("CT and synthetic CT, HU", "gray", *CT_WINDOW_HU, (-1000, 0, 1500)),
        _Scale("absolute error of synthetic CT, HU", "inferno", 0.0, ERROR_MAX_HU, (0, 250, 500)),
    )


def _tiles(panel: Panel, scales: Sequence[_Scale]) -> Iterator[_Tile]:
    mr, perturbation, ct, error = scales
    yield _Tile("MR", panel.mr, mr)
    yield _Tile("MR attacked", panel.attacked_mr, mr)
    yield _Tile("perturbation", panel.attacked_mr - panel.mr, perturbation)
    yield _Tile("CT", panel.ct, ct)
    predictions = {"clean": panel.synthetic_ct, "attacked": panel.attacked_synthetic_ct}
    for condition, predicted in predictions.items():
        dice = wording.number(mean_dice(panel.ct, predicted), 3)
        yield _Tile(f"synthetic CT {condition}, Dice {dice}", predicted, ct)
    for condition, predicted in predictions.items():
        yield _Tile(f"error {condition}", np.abs(predicted - panel.ct), error)


def _draw_tile(figure: Figure, tile: _Tile, left: float, bottom: float) -> None:
    width, height = figure.get_size_inches()
    gap = 0.03
    axes = figure.add_axes(
        ((left + gap) / width, bottom / height, (_TILE - 2 * gap) / width, _TILE / height)
    )
    scale = tile.scale
    # Without interpolation a pixel stays a pixel, and is stored once in SVG.
    axes.imshow(
        tile.values, cmap=scale.colours, vmin=scale.low, vmax=scale.high, interpolation="none"
    )
    axes.axis("off")
    axes.set_title(tile.title, color=INK, fontsize=_FONT_SIZE, pad=3, loc="left")


def _draw_bar(figure: Figure, scale: _Scale, left: float) -> None:
    width, height = figure.get_size_inches()
    axes = figure.add_axes(
        ((left + 0.3) / width, 0.42 / height, (_TILE - 0.6) / width, 0.1 / height)
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


def _mr_window(panels: Sequence[Panel]) -> tuple[float, float]:
    low, high = np.percentile(
        np.concatenate([panel.mr.ravel() for panel in panels]), MR_PERCENTILES
    )
    return float(low), float(high)


def _grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled = (np.asarray(values, np.float64) - low) / max(high - low, 1e-12)
    return np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
