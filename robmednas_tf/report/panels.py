"""Slices side by side: what went in, what the attack changed, what came out and how wrong it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from robmednas_tf.evaluation.inference import Panel
from robmednas_tf.evaluation.metrics import VolumeMetrics, mean_over_regions
from robmednas_tf.report import wording
from robmednas_tf.report.style import INK, new_figure
from robmednas_tf.report.tiles import (
    CT_WINDOW_HU,
    Scale,
    Tile,
    ct_scale,
    draw_bar,
    draw_tile,
    mr_scale,
    mr_window,
    perturbation_scale,
)

ERROR_MAX_HU = 500.0

_TILE, _TITLE, _HEAD, _FOOT, _COLUMNS = 2.3, 0.26, 0.42, 0.62, 4
_BLOCK = _HEAD + 2 * (_TITLE + _TILE)


def panel_image(panel: Panel) -> np.ndarray:
    """Lays a panel out as one strip in grey, for TensorBoard.

    Args:
        panel: One slice.

    Returns:
        uint8 `(height, 6 * width, 3)`: MR, attacked MR (both from the MR's 1st to 99th
        percentile), synthetic CT clean and attacked, CT (all in `CT_WINDOW_HU`), and the attacked
        prediction's absolute error (0 to `ERROR_MAX_HU`).
    """
    window = mr_window([panel.mr])
    error = np.abs(panel.attacked_synthetic_ct - panel.ct)
    tiles = [
        _grey(panel.mr, *window),
        _grey(panel.attacked_mr, *window),
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
            draw_tile(figure, tile, column * _TILE, bottom, _TILE)
    for column, scale in enumerate(scales):
        draw_bar(figure, scale, column * _TILE, _TILE)
    return figure


def _scales(panels: Sequence[Panel], epsilon: float) -> tuple[Scale, Scale, Scale, Scale]:
    return (
        mr_scale(panel.mr for panel in panels),
        perturbation_scale(epsilon),
        ct_scale(),
        Scale("absolute error of synthetic CT, HU", "inferno", 0.0, ERROR_MAX_HU, (0, 250, 500)),
    )


def _tiles(panel: Panel, scales: Sequence[Scale]) -> Iterator[Tile]:
    mr, perturbation, ct, error = scales
    yield Tile("MR", panel.mr, mr)
    yield Tile("MR attacked", panel.attacked_mr, mr)
    yield Tile("perturbation", panel.attacked_mr - panel.mr, perturbation)
    yield Tile("CT", panel.ct, ct)
    predictions = {"clean": panel.synthetic_ct, "attacked": panel.attacked_synthetic_ct}
    for condition, predicted in predictions.items():
        dice = wording.number(mean_dice(panel.ct, predicted), 3)
        yield Tile(f"synthetic CT {condition}, Dice {dice}", predicted, ct)
    for condition, predicted in predictions.items():
        yield Tile(f"error {condition}", np.abs(predicted - panel.ct), error)


def _grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled = (np.asarray(values, np.float64) - low) / max(high - low, 1e-12)
    return np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
