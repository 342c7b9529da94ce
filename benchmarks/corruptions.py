"""Measures MR corruptions: whether they change an MR by as much as is asked for, and how.

    python benchmarks/corruptions.py [--data=FOLDER] [--figure=FILE]

On the phantom, or on the cohort in FOLDER, prints for each corruption and severity the range over
subjects of the root mean squared change, which is to be within 15 % of what is asked for, and of
the strength that it takes; and what one strength for all subjects would do instead. --figure draws
a slice of the phantom, clean and under each.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from matplotlib.axes import Axes

from robmednas_tf.attacks.kinds import KINDS
from robmednas_tf.attacks.notation import CORRUPTION_CURVES
from robmednas_tf.corruptions.volume import CorruptedVolume
from robmednas_tf.data.cohort import open_folder, open_phantom
from robmednas_tf.data.prepared import PreparedSubject, SliceCache
from robmednas_tf.data.slices import masked_batches
from robmednas_tf.report.style import new_figure

NUM_PHANTOMS, TOLERANCE = 6, 0.15
_SHOWN = (0, 2, 4)
# Strengths between weak and strong, the same for every subject.
_ONE_STRENGTH = {
    "rician": 0.13,
    "bias_field": 0.31,
    "motion": 2.0,
    "ghosting": 0.6,
    "spike": 0.23,
    "gibbs": 0.58,
}


def subjects(data: str | None, cache: Path, size: int) -> list[PreparedSubject]:
    """Returns the cohort's subjects, prepared."""
    if data is None:
        cohort = list(open_phantom(NUM_PHANTOMS, (size, size, 24), seed=0))
        return [SliceCache(cache, size).prepare(each) for each in cohort]
    folder = open_folder(data)
    prepared = SliceCache(cache, 96, 24)
    return [prepared.prepare(folder[name]) for name in folder.names]


def table(found: Sequence[PreparedSubject]) -> list[str]:
    """Returns a Markdown table: a row a corruption and severity."""
    lines = ["| corruption | asked for | RMS change | strength | within 15 % |", "|---" * 5 + "|"]
    for kind, levels in CORRUPTION_CURVES.items():
        for level in levels:
            made = [CorruptedVolume(each, 0).corruption(level) for each in found]
            changes = np.array([each.rescaling.rms for each in made])
            strengths = np.array([each.strength for each in made])
            within = np.sum(np.abs(changes - level.size) <= TOLERANCE * level.size)
            lines.append(
                f"| {KINDS[kind].label} | {level.size:g} | {changes.min():.3f} to "
                f"{changes.max():.3f} | {strengths.min():.3g} to {strengths.max():.3g} | "
                f"{within} of {len(made)} |"
            )
    return lines


def at_one_strength(found: Sequence[PreparedSubject]) -> list[str]:
    """Returns a Markdown table: what the same strength does to different subjects."""
    lines = ["| corruption | strength | RMS change | largest / smallest |", "|---" * 4 + "|"]
    volumes = [CorruptedVolume(each, 0) for each in found]
    for kind, strength in _ONE_STRENGTH.items():
        changes = [each.rescaling(kind, strength, each.batches()).rms for each in volumes]
        least, most = min(changes), max(changes)
        lines.append(
            f"| {KINDS[kind].label} | {strength:g} | {least:.3f} to {most:.3f} "
            f"| {most / least:.1f} |"
        )
    return lines


def draw(subject: PreparedSubject, path: Path) -> None:
    """Draws a slice of a subject clean and under each corruption, weak, middling and strong."""
    mr = next(masked_batches(subject, 1000).as_numpy_iterator())[0]
    place, volume = subject.num_slices // 2, CorruptedVolume(subject, 0)
    clean = mr[place, ..., 0]
    figure = new_figure(2.0 * (1 + len(CORRUPTION_CURVES)), 2.2 * len(_SHOWN))
    grid = figure.subplots(len(_SHOWN), 1 + len(CORRUPTION_CURVES))
    for row, number in enumerate(_SHOWN):
        _show(grid[row, 0], clean, clean, "Clean")
        for column, (kind, levels) in enumerate(CORRUPTION_CURVES.items(), 1):
            level = levels[number]
            image = volume.corrupted(level, place, mr[place : place + 1])[0, ..., 0]
            _show(grid[row, column], image, clean, f"{KINDS[kind].label} {level.size:g}")
    figure.savefig(path, dpi=110)


def _show(axes: Axes, image: np.ndarray, clean: np.ndarray, title: str) -> None:
    # All in the clean slice's window: what brightens or darkens a slice is to be seen.
    low, high = np.percentile(clean, [1, 99.5])
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def main() -> None:
    """Prints the tables; draws the figure where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        if given.figure:
            draw(subjects(None, Path(cache), 128)[0], given.figure)
            return
        found = subjects(given.data, Path(cache), 64)
        print("\n".join([*table(found), "", *at_one_strength(found)]))


if __name__ == "__main__":
    main()
