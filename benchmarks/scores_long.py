"""Scores of trainings that are longer than a trial, as `scores_accelerated.py` has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import scores_statistics as statistics
import scores_table as tables
from scores_kinds import ALL_PLACES, AT_END, AT_EPOCH_12, ON_TWO, Score, paired

LAST = 36
RUNGS = (1, 2, 3, 4, 6, 8, 10, 12, 18, 24, LAST)
RULES = ((4,), (6,), (8,), (12,), (18,), (2, 6), (4, 12), (6, 18), (8, 24), (12, 24), (2, 6, 18))
AVERAGES = (tables.AVERAGING, tables.AT_RUNGS)

# How steady a score is, the longer is trained: on two subjects and on four.
BY_LENGTH: Mapping[str, Score] = {
    f"epoch {epoch}, average {averaging:g}, {text}": dataclasses.replace(
        score, epochs=(epoch,), averaging=averaging, parts=("scoring",)
    )
    for score, text in ((ON_TWO, "two subjects"), (AT_EPOCH_12, "four"))
    for averaging in AVERAGES
    for epoch in (tables.EPOCHS, 18, 24, LAST)
}
OTHERS_OF_LENGTH: Mapping[str, Score] = {
    "mean of epochs 18, 24, 36, average 0.9, four": Score(
        epochs=(18, 24, LAST), averaging=0.9, places=ALL_PLACES
    ),
    "epoch 36, clean, average 0.9, four": Score(
        epochs=(LAST,), averaging=0.9, places=ALL_PLACES, conditions=("clean",)
    ),
    "epoch 36, epsilon 0.06, average 0.9, four": Score(
        epochs=(LAST,), averaging=0.9, places=ALL_PLACES, conditions=("fgsm:0.06",)
    ),
    "epoch 36, MAE, average 0.9, four": Score(
        epochs=(LAST,), averaging=0.9, places=ALL_PLACES, measure="mae"
    ),
    "the end, average 0.9, four apart": dataclasses.replace(AT_END, averaging=0.9),
}


def rungs_table(rows: Sequence[tables.Row], averaging: float) -> list[list[str]]:
    """Returns the rank correlation of each rung's score with scores of the same training later."""
    targets = (
        Score(epochs=(LAST,), places=ALL_PLACES[1:], averaging=averaging),
        dataclasses.replace(AT_END, averaging=averaging),
    )
    if not all(target.values(rows) for target in targets):
        return []
    lines = []
    for rung in RUNGS:
        at_rung = Score(epochs=(rung,), averaging=averaging).values(rows)
        line = [str(rung)]
        for target in targets:
            values = target.values(rows)
            pair = paired(at_rung, values)
            line.append(statistics.text(statistics.bootstrapped(statistics.spearman, *pair)))
            line.append(_of_other_seeds(at_rung, values))
        lines.append([*line, str(len(pair[0]))])
    return lines


def _of_other_seeds(first: Mapping, second: Mapping) -> str:
    """Returns the mean rank correlation of a score with another seed's target."""
    found = [
        statistics.spearman(*_of_seeds(first, second, one, other))
        for one in range(tables.NUM_SEEDS)
        for other in range(tables.NUM_SEEDS)
        if one != other
    ]
    return f"{np.mean(found):.2f}"


def _of_seeds(first: Mapping, second: Mapping, one: int, other: int) -> tuple:
    numbers = [n for n, seed in sorted(first) if seed == one and (n, other) in second]
    return (
        np.array([first[number, one] for number in numbers]),
        np.array([second[number, other] for number in numbers]),
    )


def halving_table(rows: Sequence[tables.Row], averaging: float, num_candidates: int) -> list:
    """Returns what rules of halving lose and save in trainings of 36 epochs."""
    worth = dataclasses.replace(AT_END, averaging=averaging).values(rows)
    scores = {rung: Score(epochs=(rung,), averaging=averaging).values(rows) for rung in RUNGS}
    common = sorted(set(worth).intersection(*scores.values()))
    # Others were trained as long as time was left, the cheap ones first.
    common = [key for key in common if key[1] == 0 and key[0] < tables.NUM_TO_END]
    if not common:
        return []
    values = {rung: np.array([each[key] for key in common]) for rung, each in scores.items()}
    own, apart = values[LAST], np.array([worth[key] for key in common])
    lines = []
    for rule in RULES:
        line = [", ".join(map(str, rule))]
        for target in (own, apart):
            found = statistics.halving(
                [values[rung] for rung in rule], rule, own, target, num_candidates, LAST
            )
            line += [statistics.text(found.kept), statistics.text(found.loss, 4)]
        lines.append([line[0], f"{found.epochs:.2f}", *line[1:]])
    return lines
