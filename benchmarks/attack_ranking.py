"""Says whether stronger attacks rank a search's networks as FGSM does.

    python run_search.py --oracle=random --num_trials=60 --keep_models=60 --output_dir=runs/rank
    python benchmarks/attack_ranking.py runs/rank

Attacks every network that the search has kept, on the search's own test subject (and on the
cohort's), and prints for each attack the mean Dice over networks and Spearman's rank correlation of
Dice and of squared error with those under FGSM. Brackets hold 95 % bootstrap intervals over
networks. What was attacked stays in RUN/attacks.csv and is not attacked again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import keras_tuner
import numpy as np
import scores_statistics as statistics

from robmednas_tf.attacks.attack import Slices
from robmednas_tf.attacks.notation import parse_perturbations
from robmednas_tf.attacks.perturbations import PerturbedInference
from robmednas_tf.cli import data_flags, search_flags
from robmednas_tf.cli.subjects import open_cohort, prepare_subjects
from robmednas_tf.data.intensities import denormalize_ct, normalize_ct
from robmednas_tf.data.prepared import PreparedSubject, SliceCache
from robmednas_tf.data.slices import masked_batches
from robmednas_tf.evaluation.metrics import CodedCT, VolumeMetrics, mean_over_regions
from robmednas_tf.models.unet import build_unet
from robmednas_tf.search.hyperparameters import architecture_of

ATTACKS = ("fgsm:0.2", "pgd:0.2:steps=5", "pgd:0.2", "apgd:0.2", "worst:0.2")
FIELDS = ("trial", "condition", "dice", "mse")
BATCH_SIZE = 6


def subjects(run: Path) -> list[PreparedSubject]:
    """Returns the subject that scored the search's trials, and the cohort's test subjects."""
    flags = search_flags.FLAGS
    flags(["ranking", f"--flagfile={run / 'flags.cfg'}"])
    config = data_flags.data_config(flags)
    split = json.loads((run / "split.json").read_text(encoding="utf-8"))
    names = [*split["search"]["test"], *split["cohort"]["test"]]
    cache = SliceCache(config.cache_dir, config.image_size, config.slices_per_subject)
    return list(prepare_subjects(open_cohort(config), cache, names).values())


def networks(run: Path, size: int) -> Iterator[tuple[str, keras.Model]]:
    """Yields each trial whose weights were kept, with its network."""
    for path in sorted(run.glob("trials/*/weights.npz")):
        trial = json.loads((path.parent / "trial.json").read_text(encoding="utf-8"))
        hp = keras_tuner.HyperParameters()
        hp.values = trial["values"]
        model = build_unet(architecture_of(hp), (size, size, 1))
        with np.load(path) as saved:
            model.set_weights([saved[name] for name in saved.files])
        yield path.parent.name, model


def attacked(
    model: keras.Model, found: list[PreparedSubject]
) -> Iterator[tuple[str, float, float]]:
    """Yields each condition with the network's Dice and squared error, means over subjects."""
    inference = PerturbedInference(model, parse_perturbations(ATTACKS))
    dice: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    for subject in found:
        metrics: dict[str, VolumeMetrics] = defaultdict(VolumeMetrics)
        batches, first_slice = masked_batches(subject, BATCH_SIZE).as_numpy_iterator(), 0
        for mr, ct_hu, body in batches:
            ct = normalize_ct(ct_hu)
            for each in inference(Slices.of(subject.name, first_slice, 0, mr, ct, body)):
                predicted = denormalize_ct(each.synthetic_ct)
                metrics[each.condition].update(CodedCT.of(ct_hu), predicted)
                errors[each.condition].append(float(np.mean((ct - each.synthetic_ct) ** 2)))
            first_slice += len(mr)
        for condition, one in metrics.items():
            dice[condition].append(mean_over_regions(one.result())[0])
    for condition, values in dice.items():
        yield condition, float(np.mean(values)), float(np.mean(errors[condition]))


def run_missing(run: Path, path: Path) -> None:
    """Attacks the networks that the table lacks, and adds each to it."""
    found = subjects(run)
    done = {row["trial"] for row in read(path)}
    for trial, model in networks(run, found[0].image_size):
        if trial in done:
            continue
        rows = [(trial, *values) for values in attacked(model, found)]
        is_new = not path.is_file()
        with path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([FIELDS, *rows] if is_new else rows)
        keras.backend.clear_session()
        print(f"Trial {trial} is attacked.", flush=True)


def read(path: Path) -> list[dict[str, str]]:
    """Returns the table's rows; none where it is not there."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ranking(rows: list[dict[str, str]]) -> list[str]:
    """Returns a Markdown table: a row a condition."""
    lines = [
        "| condition | Dice | rank correlation with FGSM | of squared error | of its ten best, in "
        "FGSM's ten |",
        "|---|---|---|---|---|",
    ]
    trials = sorted({row["trial"] for row in rows})
    first, first_mse = (_values(rows, trials, ATTACKS[0], measure) for measure in ("dice", "mse"))
    for condition in ("clean", *ATTACKS):
        dice, mse = (_values(rows, trials, condition, measure) for measure in ("dice", "mse"))
        shared = len({*np.argsort(-dice)[:10]} & {*np.argsort(-first)[:10]})
        lines.append(
            f"| `{condition}` | {dice.mean():.3f} | {correlation(dice, first)} | "
            f"{correlation(mse, first_mse)} | {shared} |"
        )
    return [f"{len(trials)} networks.", "", *lines]


def _values(
    rows: list[dict[str, str]], trials: list[str], condition: str, measure: str
) -> np.ndarray:
    found = {row["trial"]: float(row[measure]) for row in rows if row["condition"] == condition}
    return np.array([found[trial] for trial in trials])


def correlation(x: np.ndarray, y: np.ndarray) -> str:
    """Returns Spearman's rho with its bootstrap interval."""
    return statistics.text(statistics.bootstrapped(statistics.spearman, x, y))


def main() -> None:
    """Attacks what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    path = run / "attacks.csv"
    run_missing(run, path)
    print("\n".join(ranking(read(path))))


if __name__ == "__main__":
    main()
