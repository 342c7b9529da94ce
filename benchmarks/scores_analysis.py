"""Says how far a trial's score can be trusted, from the table that `scores.py` makes.

    python benchmarks/scores_analysis.py
    python benchmarks/scores_analysis.py --figure=docs/scores.svg

Prints Markdown tables. Brackets hold 95 % intervals.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import scores_long
import scores_statistics as statistics
import scores_table as tables
from scores_figure import figure
from scores_kinds import (
    ALL_PLACES,
    AT_END,
    BY_EPOCH,
    ON_TWO,
    SCORES,
    VARIANTS,
    Score,
    Training,
)
from scores_rungs import MIN_REPEATED, NUM_CANDIDATES, halving_table, kinds_table, rung_table

from robmednas_tf.report.style import write_figure

NUM_LONG_CANDIDATES = 20
HEAD_OF_ICC = ["score", "architectures x seeds", "mean", "sd of seeds", "ICC"]
HEAD_OF_ICC += [
    "ICC less the first's",
    "Spearman between seeds",
    "Spearman with another seed's end",
]


def icc_table(rows: Sequence[tables.Row], scores: Mapping[str, Score]) -> list[list[str]]:
    """Returns how much of each score is the architecture's; the first is the reference."""
    first, lines = next(iter(scores.values())), []
    reference = first.values(rows)
    # A cohort's scores are compared with its own trainings to the end, where there are any.
    end = dataclasses.replace(AT_END, cohort=first.cohort).values(rows)
    for name, score in scores.items():
        values = score.values(rows)
        num_seeds, numbers = _repeated(values.keys() & reference.keys())
        if len(numbers) < MIN_REPEATED:
            continue
        mine, other = (_matrix(each, numbers, num_seeds) for each in (values, reference))
        # Of another seed's training, so that a score and the end do not share their luck.
        ended = [place for place, number in enumerate(numbers) if (number, 0) in end]
        worth = np.array([end[numbers[place], 0] for place in ended])
        line = [name, f"{len(numbers)} x {num_seeds}", f"{abs(mine.mean()):.3f}"]
        line += [f"{statistics.seed_sd(mine):.4f}", statistics.text(statistics.icc(mine))]
        line += [statistics.text(statistics.icc_difference(mine, other))]
        line += [statistics.text(statistics.between_seeds(mine))]
        if len(ended) < MIN_REPEATED:
            lines.append([*line, "not trained to the end"])
            continue
        lines.append([*line, statistics.text(statistics.with_worth(mine[ended, 1:], worth))])
    return lines


def subjects_table(rows: Sequence[tables.Row]) -> list[list[str]]:
    """Returns the ICC by number of subjects, mean over all choices of so many of them."""
    lines = []
    for size in (1, 2, tables.NUM_SUBJECTS):
        line = [str(size)]
        for condition in tables.CONDITIONS:
            scores = [
                Score(places=places, conditions=(condition,)).values(rows)
                for places in itertools.combinations(ALL_PLACES, size)
            ]
            num_seeds, numbers = _repeated(scores[0].keys())
            choices = [_matrix(values, numbers, num_seeds) for values in scores]
            each = [statistics.icc(values).value for values in choices]
            found = statistics.text(statistics.mean_icc(choices))
            line.append(f"{found}; {min(each):.2f} to {max(each):.2f}")
        lines.append([*line, f"{len(numbers)} x {num_seeds}"])
    return lines


def _matrix(values: Mapping[Training, float], numbers: Sequence[int], num_seeds: int) -> np.ndarray:
    return np.array([[values[number, seed] for seed in range(num_seeds)] for number in numbers])


def _repeated(trainings: Collection[Training]) -> tuple[int, list[int]]:
    """Returns how many seeds, and which architectures have them: where most trainings count."""
    seeds: dict[int, set[int]] = defaultdict(set)
    for number, seed in trainings:
        seeds[number].add(seed)
    complete = {
        count: sorted(number for number, own in seeds.items() if own >= set(range(count)))
        for count in range(2, tables.NUM_SEEDS + 1)
    }
    return max(complete.items(), key=lambda each: each[0] * len(each[1]))


def inventory(rows: Sequence[tables.Row]) -> list[list[str]]:
    """Returns how many trainings of each kind the table holds."""
    trained = Counter(key[:2] + key[3:] for key in {tables.key_of(row) for row in rows})
    ends = {tables.key_of(row) for row in rows if row["epoch"] == tables.END}
    ended = Counter(key[:2] + key[3:] for key in ends)
    return [[*kind, str(trained[kind]), str(ended[kind])] for kind in sorted(trained)]


def print_table(title: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    print(f"\n## {title}\n")
    if not lines:
        print("Too few trainings as yet.")
        return
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for line in lines:
        print(f"| {' | '.join(line)} |")


def print_rungs(rows: Sequence[tables.Row]) -> None:
    targets = (f"epoch {tables.EPOCHS}, other subjects", "the end")
    measures = ("Spearman", "Kendall", "best in best third", "best in best ninth")
    head = ["epoch", *(f"{measure}, {target}" for target in targets for measure in measures), "n"]
    numbers = [str(rung) for rung in (*tables.RUNGS, tables.EPOCHS)]
    title = "Spearman of the score at an epoch with the score at the end"
    print_table(title, ["score", *numbers, "n"], kinds_table(rows))
    for averaging in (tables.AVERAGING, tables.AT_RUNGS):
        print_table(f"Rungs, average {averaging:g}", head, rung_table(rows, averaging))
        measures_of_rules = ("the best stays", "loss of Dice")
        head_of_rules = ["rungs", "share of epochs"]
        head_of_rules += [f"{each}, {target}" for target in targets for each in measures_of_rules]
        title = f"Halving by 3 among {NUM_CANDIDATES}, average {averaging:g}"
        print_table(title, head_of_rules, halving_table(rows, averaging))


def print_icc(rows: Sequence[tables.Row]) -> None:
    conditions = [f"ICC, {condition}; range of the choices" for condition in tables.CONDITIONS]
    head = ["subjects", *conditions, "architectures x seeds"]
    print_table("Number of subjects, average 0.96", head, subjects_table(rows))
    head = HEAD_OF_ICC
    print_table("Kinds of score, on two subjects", head, icc_table(rows, SCORES))
    print_table("Epochs, on the search's own subject", head, icc_table(rows, BY_EPOCH))
    variants = {
        f"{name}, average {decay:g}": dataclasses.replace(ON_TWO, variant=variant, averaging=decay)
        for name, variant in VARIANTS.items()
        for decay in (tables.AVERAGING, tables.AT_RUNGS, 0.0)
    }
    print_table("Variants of the training, on two subjects", head, icc_table(rows, variants))
    patients = {name: dataclasses.replace(each, cohort="sts") for name, each in SCORES.items()}
    print_table("Real patients, on two of them", head, icc_table(rows, patients))


def print_long(rows: Sequence[tables.Row]) -> None:
    if not any(row["epoch"] == str(scores_long.LAST) for row in rows):
        return
    head = ["epoch"]
    for target in ("epoch 36, other subjects", "the end"):
        head += [f"with {target}", "of other seeds"]
    for averaging in scores_long.AVERAGES:
        lines = scores_long.rungs_table(rows, averaging)
        print_table(f"Rungs of 36 epochs, average {averaging:g}: Spearman", [*head, "n"], lines)
        head_of_rules = ["rungs", "share of epochs"]
        for target in ("epoch 36", "the end"):
            head_of_rules += [f"the best stays, {target}", f"loss of Dice, {target}"]
        lines = scores_long.halving_table(rows, averaging, NUM_LONG_CANDIDATES)
        title = f"Halving by 3 among {NUM_LONG_CANDIDATES}, 36 epochs, average {averaging:g}"
        print_table(title, head_of_rules, lines)
    scores = {**scores_long.BY_LENGTH, **scores_long.OTHERS_OF_LENGTH}
    print_table("Longer trainings", HEAD_OF_ICC, icc_table(rows, scores))


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, default=tables.FOLDER, help="Folder of the table.")
    parser.add_argument("--table", default=tables.SCORES, help="Its file.")
    parser.add_argument("--architectures", type=int, help="The first so many; all without it.")
    parser.add_argument("--figure", type=Path, help="Draws a figure into this .png or .svg file.")
    given = parser.parse_args()
    rows = tables.read_rows(given.tables / given.table)
    if given.architectures:
        rows = [row for row in rows if int(row["architecture"]) < given.architectures]
    ended = len(AT_END.values(rows))
    if ended < MIN_REPEATED:
        parser.error(
            f"The table in {str(given.tables)!r} must hold at least {MIN_REPEATED} trainings to "
            f"the end. Received: {ended}. Run scores.py first."
        )
    print(
        "# The tables behind [scores.md](scores.md)\n\nPrinted by `benchmarks/scores_analysis.py` "
        f"from `benchmarks/tables/{given.table}`. Brackets hold 95 % intervals over architectures."
    )
    head = ["cohort", "training", "seed", "trainings", "of them to the end"]
    print_table("What there is", head, inventory(rows))
    print_rungs(rows)
    print_icc(rows)
    print_long(rows)
    if given.figure:
        write_figure(figure(rows), given.figure)


if __name__ == "__main__":
    main()
