"""Known learning curves put in random orders: what a search with a pruner would have found."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras_tuner
import numpy as np

from robmednas_tf.search.pruning import HALVING, HYPERBAND, Pruner, Rung
from robmednas_tf.search.trials import RUNNING, TrialRecord, id_of

OBJECTIVE = keras_tuner.Objective("score", "max")


@dataclass(frozen=True)
class Candidate:
    """A candidate that was trained to the end.

    Attributes:
        scores: By epochs trained; the last one is the trial's.
        quality: Trained on until nothing is gained, on subjects that score no candidate.
    """

    scores: dict[int, float] = field(default_factory=dict)
    quality: float = math.nan

    @property
    def score(self) -> float:
        """What the trial scores."""
        return self.scores[max(self.scores)]


# Architecture and seed.
Training = tuple[int, int]


def read_trainings(
    path: Path, averaging: str, epochs: float = math.inf
) -> dict[Training, Candidate]:
    """Reads the trainings of a table that have every score, and a quality, in its order.

    Args:
        path: The table that `scores.py` or `scores_accelerated.py` makes.
        averaging: Which decay of the weights' average to go by.
        epochs: Of a trial; what comes later is left out.
    """
    scores: dict[Training, dict[int, float]] = defaultdict(dict)
    qualities: dict[Training, dict[str, float]] = defaultdict(dict)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["cohort"], row["variant"]) != ("phantom", "default"):
                continue
            key = int(row["architecture"]), int(row["seed"])
            dice = [float(row[f"dice_fgsm:0.2_{place}"] or math.nan) for place in range(1, 5)]
            if (row["epoch"], row["subjects"]) == ("end", "apart"):
                qualities[key][row["averaging"]] = float(np.nanmean(dice))
            elif row["subjects"] != "scoring" or row["averaging"] != averaging:
                continue
            elif row["epoch"] != "end" and int(row["epoch"]) <= epochs:
                # A search's own subject is the first.
                scores[key][int(row["epoch"])] = dice[0]
    wanted = {epoch for each in scores.values() for epoch in each}
    # The end is scored with this average where there is one.
    return {
        key: Candidate(scores[key], own.get(averaging, next(iter(own.values()))))
        for key, own in qualities.items()
        if scores[key].keys() == wanted
    }


def read_candidates(
    path: Path,
    averaging: str,
    epochs: float = math.inf,
    num_architectures: float = math.inf,
    seed: int = 0,
) -> list[Candidate]:
    """Reads one seed's trainings of the first so many architectures; see `read_trainings`."""
    found = read_trainings(path, averaging, epochs)
    return [found[key] for key in found if key[0] < num_architectures and key[1] == seed]


def replay(
    candidates: Sequence[Candidate], pruner: Pruner | None = None
) -> tuple[list[Candidate], int]:
    """Runs a search over known candidates, in their order.

    Returns:
        Those that came to their end, and the epochs spent on all.
    """
    records: list[TrialRecord] = []
    ended, epochs = [], 0
    for number, candidate in enumerate(candidates):
        rungs = [] if pruner is None else _rungs(pruner, records, number, candidate)
        if rungs and not rungs[-1].goes_on:
            epochs += rungs[-1].epoch
        else:
            epochs += max(candidate.scores)
            ended.append(candidate)
        records.append(_record(number, rungs))
    return ended, epochs


def print_replay(
    candidates: Sequence[Candidate], rungs: Sequence[tuple[int, ...]], orders: int
) -> None:
    """Prints, for each pruner, the epochs spent and what its winners lack."""
    scores = np.array([each.score for each in candidates])
    print(
        f"{len(candidates)} candidates of {max(candidates[0].scores)} epochs in {orders} orders. "
        f"Scores: best {scores.max():.4f}, median {np.median(scores):.4f}, standard deviation "
        f"{scores.std(ddof=1):.4f}.\n"
    )
    print("| pruner | rungs | epochs | finds the best | lacks | fewer candidates lack | quality |")
    print("|---|---|---|---|---|---|---|")
    for each in rungs:
        for name in (HALVING, HYPERBAND):
            print(_line(candidates, Pruner(name, each), orders))


def _rungs(
    pruner: Pruner, records: Sequence[TrialRecord], number: int, candidate: Candidate
) -> list[Rung]:
    """Returns what becomes of a candidate at its rungs, up to the one where it is stopped."""
    rungs: list[Rung] = []
    for epoch in pruner.rungs_of(number):
        metrics = {OBJECTIVE.name: candidate.scores[epoch]}
        rungs.append(pruner.judge(records, _record(number, rungs), epoch, metrics, OBJECTIVE))
        if not rungs[-1].goes_on:
            break
    return rungs


def _line(candidates: Sequence[Candidate], pruner: Pruner, orders: int) -> str:
    generator = np.random.default_rng(0)
    top = max(candidates, key=_score)
    whole = max(top.scores) * len(candidates)
    shares, lacks, fewer, qualities = [], [], [], []
    for _ in range(orders):
        order = [candidates[place] for place in generator.permutation(len(candidates))]
        ended, epochs = replay(order, pruner)
        winner = max(ended, key=_score)
        shares.append(epochs / whole)
        lacks.append(top.score - winner.score)
        qualities.append(winner.quality - top.quality)
        # For as many epochs: fewer candidates, all trained to the end.
        num_fewer = max(1, round(shares[-1] * len(candidates)))
        fewer.append(top.score - max(order[:num_fewer], key=_score).score)
    return (
        f"| {pruner.name} | {', '.join(map(str, pruner.rungs))} | {np.mean(shares):.2f} | "
        f"{np.mean(np.equal(lacks, 0)):.2f} | {_mean(lacks)} | {_mean(fewer)} | "
        f"{_mean(qualities)} |"
    )


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.4f}"


def _score(candidate: Candidate) -> float:
    return candidate.score


def _record(number: int, rungs: Sequence[Rung]) -> TrialRecord:
    details = {"rungs": [rung.to_dict() for rung in rungs]}
    return TrialRecord(id_of(number), number, RUNNING, 1, "random", {}, details=details)
