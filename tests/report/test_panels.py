from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robmednas_tf.report.panels import CT_WINDOW_HU, draw_panels, mean_dice, panel_image

from .conftest import EPSILON, make_panel


@pytest.mark.parametrize("size", [16, 64])
def test_strip_has_six_tiles(size):
    image = panel_image(make_panel(size))
    assert image.shape == (size, 6 * size, 3)
    assert image.dtype == np.uint8


def test_strip_shows_ct_and_error_in_their_windows():
    flat = np.zeros((4, 4), np.float32)
    panel = dataclasses.replace(
        make_panel(16),
        mr=np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4),
        attacked_mr=flat + 9,
        ct=flat + CT_WINDOW_HU[0],
        synthetic_ct=flat + CT_WINDOW_HU[1],
        attacked_synthetic_ct=flat + 250 + CT_WINDOW_HU[0],
    )
    tiles = np.split(panel_image(panel)[..., 0], 6, axis=1)
    assert tiles[0].min() == 0
    assert tiles[0].max() == 255
    # MR 9 lies beyond the window that attacked and clean MR share; the error is half of 500 HU.
    flat_values = [int(tile[0, 0]) for tile in tiles[1:] if np.ptp(tile) == 0]
    assert flat_values == [255, 255, round(255 * 250 / 2500), 0, round(255 / 2)]


def test_constant_mr_is_no_error():
    panel = make_panel(16)
    panel = dataclasses.replace(panel, mr=np.zeros_like(panel.mr))
    assert panel_image(panel).shape == (16, 96, 3)


def test_mean_dice_of_a_slice_by_hand():
    ct = np.array([[-1000, -1000, 0, 1000]], np.float32)
    predicted = np.array([[-1000, 0, 0, 0]], np.float32)
    # Head 2·2/(2+3), air 2·1/(2+1), bone 0, soft tissue 2·1/(1+3).
    assert mean_dice(ct, predicted) == pytest.approx((4 / 5 + 2 / 3 + 0 + 1 / 2) / 4)
    assert mean_dice(ct[:, :3], ct[:, :3]) == 1.0


def test_figure_shows_eight_tiles_of_each_slice_in_order():
    panels = [make_panel(32), make_panel(32, "other", 14)]
    axes = draw_panels(panels, EPSILON).axes
    tiles = [one.images[0].get_array() for one in axes[:16]]
    for place, panel in enumerate(panels):
        shown = tiles[8 * place : 8 * place + 8]
        expected = [
            panel.mr,
            panel.attacked_mr,
            panel.attacked_mr - panel.mr,
            panel.ct,
            panel.synthetic_ct,
            panel.attacked_synthetic_ct,
            np.abs(panel.synthetic_ct - panel.ct),
            np.abs(panel.attacked_synthetic_ct - panel.ct),
        ]
        for one, other in zip(shown, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    dice = mean_dice(panels[0].ct, panels[0].attacked_synthetic_ct)
    assert axes[5].get_title(loc="left") == f"synthetic CT attacked, Dice {dice:.3f}"
    assert [one.get_xlabel() for one in axes[16:]] == [
        "MR, z-score",
        "perturbation, z-score",
        "CT and synthetic CT, HU",
        "absolute error of synthetic CT, HU",
    ]


def test_unattacked_slices_can_be_drawn():
    panel = make_panel(16)
    draw_panels([dataclasses.replace(panel, attacked_mr=panel.mr)], 0.0)
