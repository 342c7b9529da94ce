"""Draws an MR, its synthetic CT, the CT it should be, and where an attack moves it, side by side.

Run from the repository's root: `python docs/make_tutorial_figure.py HEAD CT ROBUSTNESS PNG`, with a
folder that holds `mr.nii.gz` and `ct.nii.gz` and what `run_synthesize.py` made of that MR.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np

SLICES = (6, 12, 17)
CT_HU, MOVED_HU = (-1000, 1800), (0, 300)


def draw(volumes: dict[str, np.ndarray], path: Path) -> None:
    """Draws a row for each slice, a column for each volume, its name above it."""
    figure, axes = plt.subplots(
        len(SLICES), len(volumes), figsize=(7.6, 5.9), facecolor="black", squeeze=False
    )
    for row, number in enumerate(SLICES):
        for panel, (name, volume) in zip(axes[row], volumes.items(), strict=True):
            low, high = (0, 1000) if name == "MR" else MOVED_HU if "FGSM" in name else CT_HU
            colors = "inferno" if "FGSM" in name else "gray"
            panel.imshow(volume[:, :, number].T, cmap=colors, vmin=low, vmax=high, origin="lower")
            panel.axis("off")
            if row == 0:
                panel.set_title(name, color="w", fontsize=8)
    figure.subplots_adjust(0, 0, 1, 0.95, wspace=0.02, hspace=0.02)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("head", "synthetic_ct", "robustness", "png"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    files = {
        "MR": given.head / "mr.nii.gz",
        "synthetic CT": given.synthetic_ct,
        "CT": given.head / "ct.nii.gz",
        f"moved by FGSM 0.06, 0 to {MOVED_HU[1]} HU": given.robustness,
    }
    draw({name: nib.load(file).get_fdata() for name, file in files.items()}, given.png)
