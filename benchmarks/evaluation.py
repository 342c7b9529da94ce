"""Times the evaluation of subjects against the straightforward version of the same.

    python benchmarks/evaluation.py --repeats=5

Two questions, each answered in turns within one process, in alternating order:

- One subject, clean and under FGSM. Project: `evaluate_subject`, which takes clean prediction and
  gradient from one forward pass, in two graphs. Naive: three separate forward passes, eagerly
  (clean; for the gradient; attacked), and masks in NumPy. With `--graphs` the naive side compiles
  prediction and gradient, so that what sharing the forward pass gains by itself can be seen.
- Seven subjects in twenty levels of corruption. Project: one pass over each subject's slices, one
  gradient for all levels of FGSM. Naive: the first question's naive version for each level anew.

Slices are read from disk by the project, and lie in memory beforehand for the naive side. Graphs
are traced before the clock starts, once a model, as in an evaluation; how long that takes is said.
The script stops where the two sides' scores differ.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from stock import masked_scores

from robmednas_tf.attacks.noise import noise_of_slices
from robmednas_tf.attacks.notation import CURVES, Perturbation, parse_perturbations
from robmednas_tf.attacks.perturbations import PerturbedInference
from robmednas_tf.data.cohort import open_phantom
from robmednas_tf.data.intensities import denormalize_ct, normalize_ct
from robmednas_tf.data.prepared import PreparedSubject, SliceCache
from robmednas_tf.data.slices import read_slices
from robmednas_tf.evaluation.metrics import mean_over_regions
from robmednas_tf.evaluation.volumes import Wanted, evaluate_subject
from robmednas_tf.models.architecture import NAMED, Architecture, Block
from robmednas_tf.models.unet import build_unet

BATCH_SIZE = 6
ATTACK = parse_perturbations(["fgsm:0.06"])
LEVELS = tuple(level for levels in CURVES.values() for level in levels)
ARCHITECTURES = {
    "small": Architecture((Block("1110", 16, 4),) * 3, (Block("0110", 16, 4),) * 3),
    "baseline": NAMED["baseline"],
}
# Sums in another order may turn the sign of a gradient that is all but zero.
MAX_DICE_DIFFERENCE = 0.005

# Condition -> mean Dice over the regions.
Dice = dict[str, float]


@dataclass(frozen=True, eq=False)
class Volume:
    """One subject, as either side wants it.

    Attributes:
        subject: On disk.
        mr: z-scored, `(slices, size, size, 1)`.
        ct: In HU, like `mr`.
    """

    subject: PreparedSubject
    mr: np.ndarray
    ct: np.ndarray


def project(inference: PerturbedInference, volume: Volume) -> Dice:
    outcomes, _ = evaluate_subject({"a": inference}, volume.subject, Wanted(), BATCH_SIZE)
    return {each.condition: mean_over_regions(each.regions)[0] for each in outcomes}


class ThreePasses:
    """The straightforward version: a forward pass each for prediction, gradient and attack.

    Args:
        model: From MR slices to normalised CT slices.
        in_graphs: Whether prediction and gradient are compiled, each by itself.
    """

    def __init__(self, model: keras.Model, in_graphs: bool):
        def predict(mr: tf.Tensor) -> tf.Tensor:
            return model(mr, training=False)

        def sign(mr: tf.Tensor, ct: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(mr)
                loss = tf.reduce_mean(tf.square(ct - model(mr, training=False)))
            return tf.sign(tape.gradient(loss, mr))

        compiled = functools.partial(tf.function, reduce_retracing=True)
        self._predict = compiled(predict) if in_graphs else predict
        self._sign = compiled(sign) if in_graphs else sign

    def __call__(self, volume: Volume, perturbations: Sequence[Perturbation]) -> Dice:
        """Scores a subject clean and under each perturbation."""
        dice = {}
        for each in perturbations:
            predictions: dict[str, list[np.ndarray]] = {"clean": [], str(each): []}
            for start in range(0, len(volume.mr), BATCH_SIZE):
                mr = tf.constant(volume.mr[start : start + BATCH_SIZE])
                predictions["clean"].append(self._predict(mr).numpy())
                perturbed = mr + each.size * self._direction(volume, each.kind, start, mr)
                predictions[str(each)].append(self._predict(perturbed).numpy())
            for condition, parts in predictions.items():
                predicted = denormalize_ct(np.concatenate(parts))
                dice[condition] = masked_scores(volume.ct, predicted)[0]
        return dice

    def _direction(self, volume: Volume, kind: str, start: int, mr: tf.Tensor):
        if kind == "gaussian":
            return noise_of_slices(volume.subject.name, start, tuple(mr.shape), seed=0)
        return self._sign(mr, tf.constant(normalize_ct(volume.ct[start : start + BATCH_SIZE])))


def compare(
    sides: dict[str, Callable[[], Dice]], repeats: int
) -> tuple[dict[str, list[float]], list[float]]:
    """Times both sides in turns; returns their seconds, and the ratio pair by pair."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    scores = {name: side() for name, side in sides.items()}
    for condition, dice in scores["naive"].items():
        if abs(dice - scores["project"][condition]) > MAX_DICE_DIFFERENCE:
            raise SystemExit(f"The sides do not do the same work: {condition}, {scores}.")
    for repeat in range(repeats):
        for name in sorted(sides, reverse=bool(repeat % 2)):
            started = time.perf_counter()
            sides[name]()
            seconds[name].append(time.perf_counter() - started)
    pairs = zip(seconds["project"], seconds["naive"], strict=True)
    return seconds, [ours / theirs for ours, theirs in pairs]


def all_subjects(side: Callable[[Volume], Dice], volumes: Sequence[Volume]) -> Callable[[], Dice]:
    def run() -> Dice:
        scores = [side(volume) for volume in volumes]
        return {name: statistics.fmean(each[name] for each in scores) for name in scores[0]}

    return run


def measure(name: str, size: int, volumes: Sequence[Volume], repeats: int, in_graphs: bool) -> None:
    model = build_unet(ARCHITECTURES[name], (size, size, 1), seed=1)
    naive = ThreePasses(model, in_graphs)
    cases = {
        "1 subject, clean and FGSM": (ATTACK, volumes[:1], repeats),
        f"{len(volumes)} subjects, 20 levels": (LEVELS, volumes, max(1, repeats // 2)),
    }
    for case, (perturbations, tested, count) in cases.items():
        started = time.perf_counter()
        inference = PerturbedInference(model, perturbations)
        traced = time.perf_counter() - started
        seconds, ratios = compare(
            {
                "project": all_subjects(functools.partial(project, inference), tested),
                "naive": all_subjects(
                    functools.partial(naive, perturbations=perturbations), tested
                ),
            },
            count,
        )
        medians = [statistics.median(seconds[side]) for side in ("project", "naive")]
        print(
            f"| {name}, {size} x {size} | {case} | {medians[0]:.2f} | {medians[1]:.2f} | "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | "
            f"{traced:.1f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="Pairs a case.")
    parser.add_argument("--subjects", type=int, default=7, help="Of the progressive corruption.")
    parser.add_argument(
        "--graphs", action="store_true", help="Compile the naive side's predictions and gradients."
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    arguments = parser.parse_args()
    print("| network | case | project, s | naive, s | ratio, median (range) | tracing, s |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for size in arguments.sizes:
            cache = SliceCache(Path(name), size)
            volumes = [
                _volume(cache.prepare(subject))
                for subject in open_phantom(arguments.subjects, (size, size, 24), seed=0)
            ]
            for architecture in ARCHITECTURES:
                measure(architecture, size, volumes, arguments.repeats, arguments.graphs)


def _volume(subject: PreparedSubject) -> Volume:
    mr, ct = (np.stack(part)[..., None] for part in zip(*read_slices(subject), strict=True))
    return Volume(subject, mr, ct)


if __name__ == "__main__":
    main()
