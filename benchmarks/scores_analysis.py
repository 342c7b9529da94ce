"""Says how far a trial's score can be trusted, from the table that `scores.py` makes.

    python benchmarks/scores_analysis.py
    python benchmarks/scores_analysis.py --figure=docs/scores.svg

Prints Markdown tables. Brackets hold 95 % intervals.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scores_statistics as statistics
import scores_table as tables

from robmednas_tf.search.bootstrap import Estimate

# Architecture and seed.
Training = tuple[int, int]

RULES = ((1,), (2,), (3,), (4,), (6,), (8,), (1, 4), (2, 6), (3, 8), (4, 8))
NUM_CANDIDATES = 27
AGREEMENT = (statistics.spearman, statistics.kendall)


@dataclass(frozen=True)
class Score:
    """What of a training is called its score: a mean over all that is named.

    Attributes:
        epochs: When it is taken.
        averaging: Decay of the running average of the weights.
        conditions: Of the input.
        places: Of the subjects, from 1.
        parts: `scoring`, `apart` or `validation` subjects.
        measure: `dice`, the mean over the regions, or `bone`.
        cohort: `phantom` or `sts`.
        variant: Key of `scores_training.VARIANTS`.
    """

    epochs: tuple[int | str, ...] = (tables.EPOCHS,)
    averaging: float = tables.AVERAGING
    conditions: tuple[str, ...] = ("fgsm:0.2",)
    places: tuple[int, ...] = (1,)
    parts: tuple[str, ...] = ("scoring",)
    measure: str = "dice"
    cohort: str = "phantom"
    variant: str = "default"

    def values(self, rows: Iterable[tables.Row]) -> dict[Training, float]:
        """Returns the score of each training that has all of it."""
        wanted = set(itertools.product(map(str, self.epochs), self.parts))
        found: dict[Training, list[float]] = defaultdict(list)
        for row in rows:
            if (row["cohort"], row["variant"]) != (self.cohort, self.variant):
                continue
            if float(row["averaging"]) != self.averaging:
                continue
            if (row["epoch"], row["subjects"]) in wanted:
                places = self.places if row["subjects"] != "validation" else (1,)
                found[int(row["architecture"]), int(row["seed"])] += [
                    float(row[f"{self.measure}_{condition}_{place}"] or "nan")
                    for place, condition in itertools.product(places, self.conditions)
                ]
        places = (len(self.places) if part != "validation" else 1 for part in self.parts)
        count = len(self.epochs) * len(self.conditions) * sum(places)
        means = {key: float(np.mean(each)) for key, each in found.items() if len(each) == count}
        return {key: mean for key, mean in means.items() if not np.isnan(mean)}


DEFAULT = Score()
ALL_PLACES = tuple(range(1, tables.NUM_SUBJECTS + 1))
AT_EPOCH_12 = Score(places=ALL_PLACES)
AT_END = Score(epochs=(tables.END,), places=ALL_PLACES, parts=("apart",))

# What might make a score more trustworthy, each against the default.
SCORES: Mapping[str, Score] = {
    "default": DEFAULT,
    "no average": Score(averaging=0.0),
    "average 0.9": Score(averaging=0.9),
    "average 0.98": Score(averaging=0.98),
    "2 subjects": Score(places=(1, 2)),
    "4 subjects": Score(places=ALL_PLACES),
    "1 subject and the validation subject": Score(parts=("scoring", "validation")),
    "epsilon 0.06": Score(conditions=("fgsm:0.06",)),
    "epsilon 0.06 and 0.2": Score(conditions=("fgsm:0.06", "fgsm:0.2")),
    "clean": Score(conditions=("clean",)),
    "bone": Score(measure="bone"),
    "bone, epsilon 0.06": Score(measure="bone", conditions=("fgsm:0.06",)),
    "epoch 4": Score(epochs=(4,)),
    "epoch 6": Score(epochs=(6,)),
    "epoch 8": Score(epochs=(8,)),
    "epoch 10": Score(epochs=(10,)),
    "mean of epochs 8, 10, 12": Score(epochs=(8, 10, 12)),
    "average 0.9, epsilon 0.06": Score(averaging=0.9, conditions=("fgsm:0.06",)),
    "average 0.9, 2 subjects": Score(averaging=0.9, places=(1, 2)),
    "average 0.9, 2 subjects, epsilon 0.06 and 0.2": Score(
        averaging=0.9, places=(1, 2), conditions=("fgsm:0.06", "fgsm:0.2")
    ),
    "average 0.9, 2 subjects, epsilon 0.06": Score(
        averaging=0.9, places=(1, 2), conditions=("fgsm:0.06",)
    ),
    "average 0.9, mean of epochs 8, 10, 12": Score(averaging=0.9, epochs=(8, 10, 12)),
}
VARIANTS = {
    "default": "default",
    "Keras's start (Glorot, last layer at random)": "keras_start",
    "one order of slices for all": "one_order",
}


def by_seed(values: Mapping[Training, float], num_seeds: int) -> dict[int, np.ndarray]:
    """Returns the scores of each architecture that has those of the first `num_seeds` seeds."""
    numbers = sorted({number for number, _ in values})
    seeds = range(num_seeds)
    return {
        number: np.array([values[number, seed] for seed in seeds])
        for number in numbers
        if all((number, seed) in values for seed in seeds)
    }


def paired(
    first: Mapping[Training, float], second: Mapping[Training, float], seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Returns two scores of the architectures that have both; the second one's seed is 0."""
    numbers = [n for n, own in sorted(first) if own == seed and (n, 0) in second]
    return (
        np.array([first[number, seed] for number in numbers]),
        np.array([second[number, 0] for number in numbers]),
    )


def rung_table(rows: Sequence[tables.Row], averaging: float) -> list[list[str]]:
    """Returns the agreement of each rung's score with the scores at epoch 12 and at the end."""
    lines = []
    for rung in (*tables.RUNGS, tables.EPOCHS):
        line = [str(rung)]
        at_rung = Score(epochs=(rung,), averaging=averaging).values(rows)
        for target in (Score(places=ALL_PLACES[1:]), AT_END):
            x, y = paired(at_rung, target.values(rows))
            line += [_text(statistics.bootstrapped(each, x, y)) for each in AGREEMENT]
            for part in (3, 9):
                found = statistics.halving([x], [rung], x, y, NUM_CANDIDATES, tables.EPOCHS, part)
                line.append(_text(found.kept))
        lines.append([*line, str(len(x))])
    return lines


def halving_table(rows: Sequence[tables.Row], averaging: float) -> list[list[str]]:
    """Returns what rules of halving lose and save."""
    worth = AT_END.values(rows)
    scores = {
        rung: Score(epochs=(rung,), averaging=averaging).values(rows)
        for rung in (*tables.RUNGS, tables.EPOCHS)
    }
    common = sorted(set(worth).intersection(*scores.values()))
    values = {rung: np.array([each[key] for key in common]) for rung, each in scores.items()}
    lines = []
    for rule in RULES:
        found = statistics.halving(
            [values[rung] for rung in rule],
            rule,
            values[tables.EPOCHS],
            np.array([worth[key] for key in common]),
            NUM_CANDIDATES,
            tables.EPOCHS,
        )
        cells = [_text(found.kept), _text(found.loss, 4), f"{found.epochs:.2f}"]
        lines.append([", ".join(map(str, rule)), *cells])
    return lines


def icc_table(
    rows: Sequence[tables.Row], scores: Mapping[str, Score], num_seeds: int
) -> list[list[str]]:
    """Returns how much of each score is the architecture's; the first is the reference."""
    end, lines = AT_END.values(rows), []
    reference = by_seed(next(iter(scores.values())).values(rows), num_seeds)
    for name, score in scores.items():
        values = score.values(rows)
        own = by_seed(values, num_seeds)
        numbers = sorted(own.keys() & reference.keys())
        if len(numbers) < 3:
            continue
        mine, other = (np.array([each[n] for n in numbers]) for each in (own, reference))
        line = [name, str(len(numbers)), f"{mine.mean():.3f}", f"{statistics.seed_sd(mine):.4f}"]
        line += [_text(statistics.icc(mine)), _text(statistics.icc_difference(mine, other))]
        line += [_text(statistics.between_seeds(mine)), _text(_with_end(values, end, num_seeds))]
        lines.append(line)
    return lines


def _with_end(
    values: Mapping[Training, float], end: Mapping[Training, float], num_seeds: int
) -> Estimate:
    """Returns the rank correlation with the end of another seed's training, mean over seeds."""
    own = by_seed(values, num_seeds)
    numbers = [number for number in own if (number, 0) in end]
    if len(numbers) < 3:
        return Estimate(float("nan"))
    worth = np.array([end[number, 0] for number in numbers])
    return statistics.with_worth(np.array([own[number][1:] for number in numbers]), worth)


def print_table(title: str, head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for line in lines:
        print(f"| {' | '.join(line)} |")


def _text(estimate: Estimate, digits: int = 2) -> str:
    value, low, high = (f"{each:.{digits}f}" for each in dataclasses.astuple(estimate))
    return value if low == "nan" else f"{value} [{low}, {high}]"


def print_rungs(rows: Sequence[tables.Row]) -> None:
    targets = (f"epoch {tables.EPOCHS}, other subjects", "the end")
    measures = ("Spearman", "Kendall", "best in best third", "best in best ninth")
    head = ["epoch", *(f"{measure}, {target}" for target in targets for measure in measures), "n"]
    for averaging in (tables.AVERAGING, tables.AT_RUNGS):
        print_table(f"Rungs, average {averaging:g}", head, rung_table(rows, averaging))
        head_of_rules = ["rungs", "the best gets to the end", "loss of Dice", "share of epochs"]
        title = f"Halving by 3 among {NUM_CANDIDATES}, average {averaging:g}"
        print_table(title, head_of_rules, halving_table(rows, averaging))


def print_icc(rows: Sequence[tables.Row]) -> None:
    head = ["score", "n", "mean", "sd of seeds", "ICC", "ICC less the first's"]
    head += ["Spearman between seeds", "Spearman with another seed's end"]
    print_table("Scores of one training, 3 seeds", head, icc_table(rows, SCORES, 3))
    for title, changed in {
        "Variants, 2 seeds": {"averaging": tables.AVERAGING},
        "Variants without an average, 2 seeds": {"averaging": 0.0},
        "Variants, average 0.9, 2 seeds": {"averaging": 0.9},
    }.items():
        variants = {
            name: dataclasses.replace(DEFAULT, variant=variant, **changed)
            for name, variant in VARIANTS.items()
        }
        print_table(title, head, icc_table(rows, variants, 2))
    patients = {
        name: dataclasses.replace(score, cohort="sts")
        for name, score in {**SCORES, "average 0.99": Score(averaging=0.99)}.items()
    }
    print_table("Real patients, 2 seeds", head, icc_table(rows, patients, 2))


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, default=tables.FOLDER, help="Folder of the table.")
    given = parser.parse_args()
    rows = tables.read_rows(given.tables / tables.SCORES)
    print_rungs(rows)
    print_icc(rows)


if __name__ == "__main__":
    main()
