"""The trials that `scores.py` made, as `strategies.py` learns from them. No TensorFlow here."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robmednas_tf.models.architecture import Architecture

# Which rows of the table are trials as a search has them, and what it scores them by.
TRIALS = {"cohort": "phantom", "variant": "default", "epoch": "12", "averaging": "0.96"} | {
    "subjects": "scoring"
}
SCORE = "dice_fgsm:0.2_1"
# Of fewer architectures a model says nothing of those that it has not seen.
MIN_ARCHITECTURES = 20


@dataclass(frozen=True)
class Table:
    """Trials of random architectures.

    Attributes:
        architectures: Each once.
        scores: Of each architecture, one a seed.
    """

    architectures: Sequence[Architecture]
    scores: Sequence[Sequence[float]]

    @property
    def means(self) -> np.ndarray:
        """Mean over seeds of each architecture."""
        return np.array([np.mean(each) for each in self.scores])

    @property
    def noise_variance(self) -> float:
        """Variance between seeds of one architecture, pooled over those with more than one."""
        repeated = [each for each in self.scores if len(each) > 1]
        squares = math.fsum(float(np.var(each)) * len(each) for each in repeated)
        return squares / sum(len(each) - 1 for each in repeated)

    @property
    def largest_r2(self) -> float:
        """What a model that knew each architecture's value would explain of the means."""
        noise = np.mean([self.noise_variance / len(each) for each in self.scores])
        return 1.0 - float(noise / self.means.var(ddof=1))


def read_table(
    folder: Path,
    architecture: Callable[[Mapping[str, Any]], Architecture],
    name: str = "scores.csv",
) -> Table:
    """Reads the trials that `scores.py` or `scores_accelerated.py` made.

    Args:
        folder: Of the table and of `architectures.csv`.
        architecture: Returns the architecture of a search's values.
        name: The table's file.

    Raises:
        ValueError: If there is no table, it is too small, or no architecture has several seeds.
    """
    if not (folder / name).is_file():
        raise ValueError(
            f"A fitted landscape needs the table of trials. Received: {str(folder)!r}, which has "
            f"no {name}. Make it with benchmarks/scores.py, or give "
            "--landscapes=interacting."
        )
    with (folder / name).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.items() >= TRIALS.items()]
    with (folder / "architectures.csv").open(newline="", encoding="utf-8") as file:
        values = {row["architecture"]: json.loads(row["values"]) for row in csv.DictReader(file)}
    scores: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda row: (int(row["architecture"]), int(row["seed"]))):
        scores.setdefault(row["architecture"], []).append(float(row[SCORE]))
    if len(scores) < MIN_ARCHITECTURES or all(len(each) < 2 for each in scores.values()):
        raise ValueError(
            f"A fitted landscape needs trials of at least {MIN_ARCHITECTURES} architectures, some "
            f"with several seeds. Received: {len(scores)} architectures, {len(rows)} trials in "
            f"{str(folder)!r}. Go on with benchmarks/scores.py, or give --landscapes=interacting."
        )
    return Table([architecture(values[number]) for number in scores], list(scores.values()))
