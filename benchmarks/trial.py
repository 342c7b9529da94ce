"""Times one search trial of this project against the straightforward version of the same trial.

    python benchmarks/trial.py --repeats=2

Both sides train the same networks from the same first weights on the same slices, for the same
number of steps, keep the best epoch's averaged weights, attack with FGSM and write the weights and
the trial's record to disk. Both run as one trial through their tuner's `search()`:

- project: `SearchTuner` with `UNetHyperModel`.
- stock: `keras_tuner.RandomSearch` with its own checkpoints, `keras.optimizers.Adam`, `model.fit`
  on NumPy arrays that lie in memory before the clock starts, CleverHans's FGSM, masks in NumPy.

The sides take turns in one process, in alternating order, so that what else the machine does hits
both; processor time, which waits for nobody, is given beside the clock's. Scores are compared too,
to show that the work is the same: they differ by the order in which the slices are shuffled.
Needs CleverHans: `pip install --no-deps cleverhans`.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import operator
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import keras_tuner
from silent import Silent
from stock import EPSILON, OBJECTIVE, Arrays, stock_trial
from stopwatch import PHASES, Stopwatch, Trial

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.cohort import open_phantom
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.report.panels import panel_image
from robmednas_tf.search.hypermodel import SearchData, UNetHyperModel
from robmednas_tf.search.hyperparameters import declare_space
from robmednas_tf.search.oracle import RecordedOracle
from robmednas_tf.search.scoring import NO_RUNGS, Outcome, Rungs
from robmednas_tf.search.tuner import SearchTuner
from robmednas_tf.training.checkpoints import Validation
from robmednas_tf.training.unet import TrainableUNet

IMAGE_SIZE, NUM_SLICES = 64, 24
EPOCHS = 12
# As the stock side attacks.
ATTACK = Perturbation("fgsm", EPSILON)
SPACE = SearchSpace(max_depth=3, filters=(8, 16, 32))
ARCHITECTURES = {
    "depth 1, narrow": Architecture((Block("0110", 16),), (Block("1000", 8, 4),)),
    "depth 2, mixed": Architecture(
        (Block("1111", 32), Block("0010", 16, 4)), (Block("0111", 16), Block("1100", 8, 2))
    ),
    "depth 3, small": Architecture((Block("1110", 16, 4),) * 3, (Block("0110", 16, 4),) * 3),
    "depth 3, wide": Architecture(
        tuple(Block("1111", filters) for filters in (8, 16, 32)),
        tuple(Block("1111", filters) for filters in (32, 16, 8)),
    ),
}
MEASURES = tuple(map(operator.attrgetter, ("total", "without_records", "cpu_s")))
# Mean over all trials; a single pair may differ by more, for the order of its slices alone.
MAX_DICE_DIFFERENCE = 0.05


class TimedHyperModel(UNetHyperModel):
    """This project's candidates, under a stopwatch."""

    watch: Stopwatch

    def build_architecture(self, architecture: Architecture) -> TrainableUNet:
        """Builds a candidate as always."""
        model = super().build_architecture(architecture)
        self.watch.lap("building")
        return model

    def validation(self, model: TrainableUNet) -> Validation:
        """Validates a candidate as always."""
        validate = super().validation(model)

        def timed() -> Mapping[str, float]:
            self.watch.on_test_begin()
            quantities = validate()
            self.watch.on_test_end()
            return quantities

        return timed

    def train_and_score(
        self,
        model: TrainableUNet,
        architecture: Architecture,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        checkpoint: Path | None = None,
        rungs: Rungs = NO_RUNGS,
    ) -> Outcome:
        """Trains and scores a candidate as always."""
        watched = [*callbacks, self.watch]
        outcome = super().train_and_score(model, architecture, watched, checkpoint, rungs)
        self.watch.lap("attack and scores")
        return outcome


class FixedOracle(RecordedOracle):
    """Proposes one architecture."""

    name = "fixed"
    architecture: Architecture

    def propose(self, number: int, salt: int):
        """Returns the values that name the architecture."""
        values: dict[str, object] = {"depth": self.architecture.depth}
        halves = {"enc": self.architecture.encoder, "dec": self.architecture.decoder}
        for half, blocks in halves.items():
            for place, block in enumerate(blocks, start=1):
                name, ratio = f"{half}{place}", block.reduction_ratio
                values |= {f"{name}_pattern": block.pattern, f"{name}_filters": block.filters}
                values |= (
                    {f"{name}_se": True, f"{name}_reduction_ratio": ratio}
                    if ratio
                    else {f"{name}_se": False}
                )
        return values, "fixed"


def project_trial(
    data: SearchData, architecture: Architecture, training: TrainingConfig, folder: Path
) -> Trial:
    hypermodel = TimedHyperModel(SPACE, data, training, ATTACK)
    space = keras_tuner.HyperParameters()
    declare_space(space, SPACE)
    oracle = FixedOracle(OBJECTIVE, 1, space, seed=0)
    oracle.architecture = architecture
    tuner = SearchTuner(oracle, hypermodel, folder, 3, Silent(), panel_image, lambda records: None)
    hypermodel.watch = watch = Stopwatch()
    tuner.search()
    return watch.trial(oracle.records()[0].metrics)


def compare(
    data: SearchData, training: TrainingConfig, repeats: int, folder: Path
) -> dict[str, list[tuple[Trial, Trial]]]:
    """Returns, for each architecture, pairs of a project's and a stock trial."""
    seed_of = UNetHyperModel(SPACE, data, training, ATTACK).seed_of
    run: dict[str, Callable[..., Trial]] = {
        "project": functools.partial(project_trial, data),
        "stock": functools.partial(stock_trial, Arrays.read(data, seed_of)),
    }
    # Imports, thread pools and the figure's fonts belong to no trial.
    short = dataclasses.replace(training, epochs=1)
    for side in run:
        run[side](ARCHITECTURES["depth 1, narrow"], short, folder / f"{side}-first")
    pairs: dict[str, list[tuple[Trial, Trial]]] = {name: [] for name in ARCHITECTURES}
    for repeat in range(repeats):
        for number, (name, architecture) in enumerate(ARCHITECTURES.items()):
            done = {}
            for side in sorted(run, reverse=bool((repeat + number) % 2)):
                done[side] = run[side](architecture, training, folder / f"{side}-{repeat}-{number}")
            pairs[name].append((done["project"], done["stock"]))
    return pairs


def print_totals(pairs: dict[str, list[tuple[Trial, Trial]]]) -> None:
    print("| architecture | project, s | stock, s | ratio | without records | processor time |")
    print("|---|---|---|---|---|---|")
    for name, each in {**pairs, "all": list(itertools.chain(*pairs.values()))}.items():
        ours, stock = (
            statistics.median(trial.total for trial in side) for side in zip(*each, strict=True)
        )
        ratios = " | ".join(
            f"{statistics.median(getter(a) / getter(b) for a, b in each):.2f}"
            for getter in MEASURES
        )
        print(f"| {name} | {ours:.1f} | {stock:.1f} | {ratios} |")


def print_phases(pairs: dict[str, list[tuple[Trial, Trial]]]) -> None:
    print("\n| phase, median s | project | stock |")
    print("|---|---|---|")
    sides = list(zip(*itertools.chain(*pairs.values()), strict=True))
    for phase in PHASES:
        medians = [statistics.median(trial.seconds[phase] for trial in side) for side in sides]
        print(f"| {phase} | {medians[0]:.2f} | {medians[1]:.2f} |")


def print_scores(pairs: dict[str, list[tuple[Trial, Trial]]]) -> None:
    """Prints both sides' scores, and raises SystemExit where the work cannot be the same."""
    names = ("val_loss", "clean_dice", "adversarial_dice")
    print(f"\n| project / stock | {' | '.join(names)} |")
    print("|---|---|---|---|")
    for architecture, each in pairs.items():
        means = {
            name: [
                statistics.fmean(trial.metrics[name] for trial in side)
                for side in zip(*each, strict=True)
            ]
            for name in names
        }
        cells = (f"{ours:.4f} / {stock:.4f}" for ours, stock in means.values())
        print(f"| {architecture} | {' | '.join(cells)} |")
    difference = statistics.fmean(
        ours.metrics["clean_dice"] - stock.metrics["clean_dice"]
        for ours, stock in itertools.chain(*pairs.values())
    )
    if abs(difference) > MAX_DICE_DIFFERENCE:
        raise SystemExit(f"The sides do not do the same work: Dice differs by {difference:.3f}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2, help="Pairs of trials an architecture.")
    parser.add_argument(
        "--no_averaging", action="store_true", help="Train without the average of the weights."
    )
    arguments = parser.parse_args()
    training = TrainingConfig(EPOCHS, weight_averaging=0.0 if arguments.no_averaging else 0.96)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = SliceCache(folder / "cache", IMAGE_SIZE)
        cohort = open_phantom(6, (IMAGE_SIZE, IMAGE_SIZE, NUM_SLICES), seed=0)
        heads = tuple(cache.prepare(subject) for subject in cohort)
        data = SearchData(heads[:4], heads[4:5], heads[5:])
        pairs = compare(data, training, arguments.repeats, folder)
    print_totals(pairs)
    print_phases(pairs)
    print_scores(pairs)


if __name__ == "__main__":
    main()
