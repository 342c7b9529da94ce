"""Draws `docs/phantom.png`: MR and CT of two subjects of the head phantom in three planes.

Run from the repository's root: `python docs/make_phantom_figure.py`.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from robmednas_tf.data.phantom import FIELD_OF_VIEW_MM, Phantom, make_head

SHAPE = (256, 256, 182)
SUBJECTS = (1, 3)
# Plane, the axis across it, its position, and the left and right edge of the picture, all in mm.
PLANES = (
    ("axial", 2, -28.0, (-95.0, 95.0)),
    ("coronal", 1, 42.0, (-95.0, 95.0)),
    ("sagittal", 0, 7.0, (-112.0, 124.0)),
)
WINDOWS = (("mr", 0, 1000), ("ct", -1000, 1800))


def cut(head: Phantom, volume: str, axis: int, position_mm: float) -> np.ndarray:
    """One plane of a volume, rows going up."""
    index = int((position_mm / FIELD_OF_VIEW_MM[axis] + 0.5) * SHAPE[axis])
    return np.take(getattr(head, volume), index, axis=axis).T


def extent_mm(axis: int) -> tuple[float, float, float, float]:
    """Left, right, lower and upper edge of a plane."""
    across, up = (0.5 * fov for i, fov in enumerate(FIELD_OF_VIEW_MM) if i != axis)
    return -across, across, -up, up


def draw(path: Path) -> None:
    widths = [right - left for *_, (left, right) in PLANES]
    figure, axes = plt.subplots(
        2 * len(SUBJECTS),
        len(PLANES),
        figsize=(7.6, 11.0),
        facecolor="black",
        gridspec_kw={"width_ratios": widths},
    )
    for number, subject in enumerate(SUBJECTS):
        head = make_head(SHAPE, subject=subject)
        for row, (volume, low, high) in enumerate(WINDOWS):
            for column, (plane, axis, position_mm, sides) in enumerate(PLANES):
                panel = axes[2 * number + row, column]
                picture = cut(head, volume, axis, position_mm)
                extent = extent_mm(axis)
                panel.imshow(
                    picture, cmap="gray", vmin=low, vmax=high, origin="lower", extent=extent
                )
                panel.set(xlim=sides, ylim=(-109, 124) if axis == 2 else (-109, 109))
                panel.axis("off")
                label = f"{volume.upper()}, subject {subject}, {plane}"
                panel.text(0.02, 0.96, label, color="w", fontsize=6, transform=panel.transAxes)
    figure.subplots_adjust(0, 0, 1, 1, wspace=0.01, hspace=0.01)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    Image.open(drawn).convert("L").save(path, optimize=True)


if __name__ == "__main__":
    draw(Path(__file__).with_name("phantom.png"))
