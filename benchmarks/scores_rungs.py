"""What a score is worth before a trial's end: tables for `scores_analysis.py`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import scores_statistics as statistics
import scores_table as tables
from scores_kinds import ALL_PLACES, AT_END, KINDS, Score, paired

RULES = ((1,), (2,), (3,), (4,), (6,), (8,), (1, 4), (2, 6), (3, 8), (4, 8))
NUM_CANDIDATES = 12
MIN_REPEATED = 4
AGREEMENT = (statistics.spearman, statistics.kendall)


def rung_table(rows: Sequence[tables.Row], averaging: float) -> list[list[str]]:
    """Returns the agreement of each rung's score with the scores at epoch 12 and at the end."""
    lines = []
    for rung in (*tables.RUNGS, tables.EPOCHS):
        line = [str(rung)]
        at_rung = Score(epochs=(rung,), averaging=averaging).values(rows)
        for target in (Score(places=ALL_PLACES[1:]), AT_END):
            x, y = paired(at_rung, target.values(rows))
            line += [statistics.text(statistics.bootstrapped(each, x, y)) for each in AGREEMENT]
            for part in (3, 9):
                found = statistics.halving([x], [rung], x, y, NUM_CANDIDATES, tables.EPOCHS, part)
                line.append(statistics.text(found.kept))
        lines.append([*line, str(len(x))])
    return lines


def kinds_table(rows: Sequence[tables.Row]) -> list[list[str]]:
    """Returns the rank correlation of kinds of score at each rung with the score at the end."""
    rungs = (*tables.RUNGS, tables.EPOCHS)
    kinds = {
        name: [dataclasses.replace(kind, epochs=(rung,)).values(rows) for rung in rungs]
        for name, kind in KINDS.items()
    }
    # The same trainings for all.
    common = set.intersection(*(set(values) for each in kinds.values() for values in each))
    worth = {key: value for key, value in AT_END.values(rows).items() if key in common}
    if len(worth) < MIN_REPEATED:
        return []
    lines = []
    for name, each in kinds.items():
        pairs = [paired(values, worth) for values in each]
        found = [
            statistics.text(statistics.bootstrapped(statistics.spearman, *pair)) for pair in pairs
        ]
        lines.append([name, *found, str(len(pairs[0][0]))])
    return lines


def halving_table(rows: Sequence[tables.Row], averaging: float) -> list[list[str]]:
    """Returns what rules of halving lose and save."""
    targets = [Score(places=ALL_PLACES[1:]).values(rows), AT_END.values(rows)]
    scores = {
        rung: Score(epochs=(rung,), averaging=averaging).values(rows)
        for rung in (*tables.RUNGS, tables.EPOCHS)
    }
    lines = []
    for rule in RULES:
        cells = []
        for target in targets:
            common = sorted(set(target).intersection(*scores.values()))
            common = [training for training in common if training[1] == 0]
            values = {
                rung: np.array([each[key] for key in common]) for rung, each in scores.items()
            }
            found = statistics.halving(
                [values[rung] for rung in rule],
                rule,
                values[tables.EPOCHS],
                np.array([target[key] for key in common]),
                NUM_CANDIDATES,
                tables.EPOCHS,
            )
            cells += [statistics.text(found.kept), statistics.text(found.loss, 4)]
        lines.append([", ".join(map(str, rule)), f"{found.epochs:.2f}", *cells])
    return lines
