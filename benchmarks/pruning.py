"""Compares searches that stop hopeless candidates with searches that train all to the end.

    python benchmarks/pruning.py searches --folder=RUNS --seeds=10
    python benchmarks/pruning.py simulated --seeds=20
    python benchmarks/pruning.py replay --scores=SCORES.csv --rungs 1,4 6
    python benchmarks/pruning.py groups --scores=benchmarks/tables/accelerated.csv

`searches` runs two TPE searches a seed on made-up heads that are new for each seed: one without a
pruner and one with successive halving, whose trials count all, and until a share of the other's
epochs, a third, is spent. The search's own best score is the luckiest of many, so the winners are
trained again with new seeds and scored on heads that no search has seen; the difference of these
scores is what counts. What is done in the folder is not done again.

`replay` puts random candidates whose scores at every rung are known in random orders, and asks what
either way would have found, for how many epochs; `groups` makes disjoint random searches of them.
`simulated` makes curves up, for TPE searches of more candidates. None of these trains anything.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_tuner
import numpy as np
from pruning_groups import print_groups
from pruning_replay import print_replay, read_candidates, read_trainings
from pruning_simulation import print_simulation
from silent import Silent

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.cohort import open_phantom
from robmednas_tf.data.prepared import PreparedSubject, SliceCache
from robmednas_tf.evaluation.statistics import mean_interval
from robmednas_tf.files import write_json
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.confirming import repeat_seeds, reseeded
from robmednas_tf.search.hypermodel import SearchData, UNetHyperModel
from robmednas_tf.search.hyperparameters import declare_space
from robmednas_tf.search.oracles import TPEOracle
from robmednas_tf.search.pruning import HALVING, Pruner
from robmednas_tf.search.trials import TrialRecord, best
from robmednas_tf.search.tuner import SearchTuner

SPACE = SearchSpace(max_depth=3, filters=(8, 16, 32))
NUM_SLICES, NUM_UNSEEN, NUM_REPEATS = 24, 4, 2
ATTACK = Perturbation("fgsm", 0.2)
OBJECTIVE = keras_tuner.Objective("adversarial_dice", "max")
# All to the end; those that halving leaves; the first of these, within a share of the epochs.
SIDES = ("none", "halving", "share")


@dataclass(frozen=True)
class Setting:
    """How the searches are done.

    Attributes:
        image_size: Pixels a side of a slice.
        training: Of a candidate.
        pruner: Of the searches that have one.
        num_trials: Of a search.
        share: Of the full search's epochs, where the third side's trials end.
    """

    image_size: int
    training: TrainingConfig
    pruner: Pruner
    num_trials: int
    share: float


def search(
    folder: Path, hypermodel: UNetHyperModel, num_trials: int, pruner: Pruner | None
) -> list[TrialRecord]:
    """Runs one search and returns its trials."""
    space = keras_tuner.HyperParameters()
    declare_space(space, SPACE)
    oracle = TPEOracle(OBJECTIVE, num_trials, space, seed=hypermodel.seed, pruner=pruner)
    blank = np.zeros((4, 4, 3), np.uint8)
    SearchTuner(oracle, hypermodel, folder, 1, Silent(), lambda _: blank, lambda _: None).search()
    return oracle.records()


def epochs_of(record: TrialRecord) -> int:
    """Returns how many epochs a trial was trained."""
    return len(record.details["history"]["val_loss"])


def within(records: Sequence[TrialRecord], epochs: float) -> list[TrialRecord]:
    """Returns the first trials, as many as so many epochs are enough for."""
    spent = itertools.accumulate(map(epochs_of, records))
    return [record for record, total in zip(records, spent, strict=True) if total <= epochs]


def quality(
    path: Path, winner: TrialRecord, hypermodel: UNetHyperModel, unseen: Sequence[PreparedSubject]
) -> float:
    """Trains a winner again with new seeds and returns its mean score on unseen heads."""
    architecture = Architecture.from_dict(winner.details["architecture"])
    known = json.loads(path.read_text()) if path.is_file() else {}
    key = architecture.to_json()
    if key not in known:
        apart = UNetHyperModel(
            SPACE,
            dataclasses.replace(hypermodel.data, test=tuple(unseen)),
            hypermodel.training,
            ATTACK,
        )
        scores = []
        for seed in repeat_seeds(hypermodel, architecture, NUM_REPEATS):
            keras.backend.clear_session()
            again = reseeded(apart, seed)
            model = again.build_architecture(architecture)
            scores.append(again.train_and_score(model, architecture).metrics[OBJECTIVE.name])
        known[key] = float(np.mean(scores))
        write_json(path, known)
    return known[key]


def compare(folder: Path, setting: Setting, seed: int) -> dict[str, float]:
    """Runs both searches of one seed and returns what each side found and spent."""
    cache = SliceCache(folder / "cache" / str(seed), setting.image_size)
    shape = (setting.image_size, setting.image_size, NUM_SLICES)
    heads = [cache.prepare(subject) for subject in open_phantom(6 + NUM_UNSEEN, shape, seed)]
    data = SearchData(tuple(heads[:4]), tuple(heads[4:5]), tuple(heads[5:6]))
    hypermodel = UNetHyperModel(SPACE, data, setting.training, ATTACK, seed)
    full, halved = (
        search(folder / f"{seed}-{side}", hypermodel, setting.num_trials, pruner)
        for side, pruner in zip(SIDES, (None, setting.pruner), strict=False)
    )
    shared = within(halved, setting.share * sum(map(epochs_of, full)))
    found: dict[str, float] = {"seed": seed}
    for side, records in zip(SIDES, (full, halved, shared), strict=True):
        winner = best(records, OBJECTIVE.direction)[0]
        path = folder / f"{seed}-quality.json"
        found |= {
            f"{side}_trials": len(records),
            f"{side}_epochs": sum(map(epochs_of, records)),
            f"{side}_best": winner.score or math.nan,
            f"{side}_quality": quality(path, winner, hypermodel, heads[6:]),
        }
    return found


def run_searches(folder: Path, setting: Setting, seeds: Sequence[int]) -> None:
    """Runs every seed that is not done, and writes and prints the table."""
    rows: list[dict[str, float]] = []
    for seed in seeds:
        rows.append(compare(folder, setting, seed))
        with (folder / "searches.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        print(rows[-1], flush=True)
    print_pairs(rows)


def print_pairs(rows: Sequence[Mapping[str, float]]) -> None:
    """Prints how the sides with a pruner differ from the full search, as means over seeds."""
    for side in SIDES[1:]:
        shares = [row[f"{side}_epochs"] / row["none_epochs"] for row in rows]
        same = sum(row[f"{side}_best"] == row["none_best"] for row in rows)
        print(f"\n{side}: {np.mean(shares):.2f} of the epochs; the same winner in {same}.")
        for what in ("best", "quality"):
            full, other = (
                np.array([row[f"{name}_{what}"] for row in rows]) for name in ("none", side)
            )
            low, high = mean_interval((other - full).tolist())
            print(
                f"{what}: {full.mean():.4f} full, {other.mean():.4f} {side}; difference "
                f"{(other - full).mean():+.4f} (95 % {low:+.4f} to {high:+.4f}), not below in "
                f"{(other >= full).sum()} of {len(rows)}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    real = commands.add_parser("searches", help="Real searches, two a seed.")
    real.add_argument("--folder", type=Path, required=True, help="Where the searches are kept.")
    real.add_argument("--seeds", type=int, default=10, help="How many.")
    real.add_argument("--first", type=int, default=0, help="Seed, to share seeds among processes.")
    real.add_argument("--image_size", type=int, default=64, help="Pixels a side.")
    real.add_argument("--num_trials", type=int, default=12, help="Of a search.")
    real.add_argument("--epochs", type=int, default=36, help="Of a trial.")
    real.add_argument("--rungs", default="6,18", help="Of the searches with a pruner.")
    real.add_argument("--share", type=float, default=1 / 3, help="Of epochs, for these.")
    replay = commands.add_parser("replay", help="Known curves in random orders.")
    replay.add_argument("--scores", type=Path, required=True, help="The table of scores.py.")
    parted = commands.add_parser("groups", help="Disjoint groups of known curves.")
    parted.add_argument("--scores", type=Path, required=True, help="As for replay.")
    parted.add_argument("--size", type=int, default=20, help="Candidates of a group.")
    parted.add_argument("--epochs", type=int, default=36, help="Of a trial.")
    parted.add_argument(
        "--rungs", nargs="+", default=["6,18", "4,12", "12", "18"], help="Rungs to try."
    )
    replay.add_argument("--epochs", type=float, default=math.inf, help="Of a trial.")
    replay.add_argument(
        "--architectures", type=float, default=math.inf, help="Of the first so many."
    )
    replay.add_argument("--seed", type=int, default=0, help="Whose trainings.")
    replay.add_argument("--averaging", default="0.9", help="Decay of the weights' average.")
    replay.add_argument("--orders", type=int, default=500, help="How many.")
    replay.add_argument(
        "--rungs", nargs="+", default=["1,4", "4", "6", "6,8"], help="Rungs to try, as 1,4 for two."
    )
    simulated = commands.add_parser("simulated", help="Made-up curves, many candidates.")
    simulated.add_argument("--seeds", type=int, default=20, help="How many.")
    simulated.add_argument(
        "--correlations", nargs="+", default=["0.3,0.6", "0.6,0.8", "0.8,0.9"], help="At the rungs."
    )
    arguments = parser.parse_args()
    if arguments.command == "searches":
        setting = Setting(
            arguments.image_size,
            TrainingConfig(arguments.epochs, weight_averaging=0.9),
            Pruner(HALVING, tuple(map(int, arguments.rungs.split(",")))),
            arguments.num_trials,
            arguments.share,
        )
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        run_searches(arguments.folder, setting, seeds)
    elif arguments.command == "simulated":
        correlations = [tuple(map(float, each.split(","))) for each in arguments.correlations]
        print_simulation(arguments.seeds, correlations)
    else:
        rungs = [tuple(map(int, each.split(","))) for each in arguments.rungs]
        if arguments.command == "groups":
            trainings = read_trainings(arguments.scores, "0.9", arguments.epochs)
            print_groups(trainings, rungs, arguments.size)
        else:
            chosen = (
                arguments.averaging,
                arguments.epochs,
                arguments.architectures,
                arguments.seed,
            )
            candidates = read_candidates(arguments.scores, *chosen)
            print_replay(candidates, rungs, arguments.orders)


if __name__ == "__main__":
    main()
