"""Says whether stronger attacks rank networks as FGSM does, from `tables/attacks.csv`.

    python benchmarks/attacks_analysis.py

Prints a Markdown table. Brackets hold 95 % intervals over architectures.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import scores_statistics as statistics
import scores_table as tables

FGSM, STRONGER = "fgsm:0.2", ("pgd5:0.2", "pgd20:0.2")
# What is better when it is larger, as all are taken here.
SIGNS = {"dice": 1, "bone": 1, "mae": -1, "mse": -1}
EPOCHS, AVERAGING = ("12", "end"), "0.9"

# Measure, condition and epoch; then architecture and seed.
Values = Mapping[tuple[str, str, str], Mapping[tuple[int, int], float]]


def read_values(rows: Iterable[Mapping[str, str]], averaging: str = AVERAGING) -> Values:
    """Returns each measure in each condition by training, signed so that larger is better."""
    found: dict[tuple[str, str, str], dict[tuple[int, int], float]] = defaultdict(dict)
    for row in rows:
        if (row["variant"], row["averaging"]) != ("default", averaging):
            continue
        key = int(row["architecture"]), int(row["seed"])
        for measure, sign in SIGNS.items():
            place = measure, row["condition"], row["epoch"]
            found[place][key] = sign * float(row[measure])
    return found


def matrix(values: Mapping[tuple[int, int], float]) -> np.ndarray:
    """Returns values as `(architectures, seeds)`."""
    numbers, seeds = (sorted(set(each)) for each in zip(*values, strict=True))
    return np.array([[values[number, seed] for seed in seeds] for number in numbers])


def agreement(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns Spearman's rho over architectures, mean over seeds; the last two axes are theirs."""
    seeds = range(x.shape[-1])
    return np.mean([statistics.spearman(x[..., seed], y[..., seed]) for seed in seeds], axis=0)


def across_seeds(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the same between one seed's `x` and another's `y`, mean over all such pairs."""
    count = x.shape[-1]
    pairs = [(one, other) for one in range(count) for other in range(count) if one != other]
    found = [statistics.spearman(x[..., one], y[..., other]) for one, other in pairs]
    return np.mean(found, axis=0)


def lines(values: Values, measure: str) -> list[list[str]]:
    """Returns a measure's part of the table."""
    found = []
    for epoch in EPOCHS:
        fgsm = matrix(values[measure, FGSM, epoch])
        for condition in ("clean", FGSM, *STRONGER):
            other = matrix(values[measure, condition, epoch])
            digits = {"mae": 0, "mse": 4}.get(measure, 3)
            cells = [measure, epoch, condition, f"{abs(other.mean()):.{digits}f}"]
            for figure in (agreement, across_seeds):
                cells.append(statistics.text(statistics.bootstrapped(figure, other, fgsm), 3))
            cells.append(statistics.text(statistics.icc(other)))
            found.append(cells)
    return found


def top_kept(values: Values, measure: str, epoch: str, condition: str, count: int) -> str:
    """Returns how many of the best by FGSM are among as many best by another, mean over seeds."""
    x, y = (matrix(values[measure, each, epoch]) for each in (FGSM, condition))
    shared = [
        len({*np.argsort(-x[:, seed])[:count]} & {*np.argsort(-y[:, seed])[:count]})
        for seed in range(x.shape[1])
    ]
    return f"{np.mean(shared):.1f} of {count}"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, default=tables.FOLDER, help="Folder of the table.")
    given = parser.parse_args()
    with (given.tables / "attacks.csv").open(newline="", encoding="utf-8") as file:
        values = read_values(csv.DictReader(file))
    shape = matrix(values["dice", FGSM, EPOCHS[0]]).shape
    print(f"{shape[0]} architectures of {shape[1]} seeds, average {AVERAGING}, one subject.\n")
    print("| measure | epoch | attack | mean | rho with FGSM | with another seed's FGSM | ICC |")
    print("|---|---|---|---|---|---|---|")
    for measure in SIGNS:
        for line in lines(values, measure):
            print(f"| {' | '.join(line)} |")
    print("\n| of the ten best by FGSM's Dice, among the ten best by | epoch 12 | the end |")
    print("|---|---|---|")
    for condition in ("clean", *STRONGER):
        kept = [top_kept(values, "dice", epoch, condition, 10) for epoch in EPOCHS]
        print(f"| {condition} | {' | '.join(kept)} |")


if __name__ == "__main__":
    main()
