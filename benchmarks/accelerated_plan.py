"""What `scores_accelerated.py` trains in which order, and the rows that it writes. No JAX here."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scores_table as tables

from robmednas_tf.evaluation.metrics import RegionScore, mean_over_regions
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.cost import estimate_cost

EPOCHS = 40
# Scored on the search's own subject alone, and on all four.
EARLY, LATE = (1, 2, 3, 4, 6, 8, 10), (12, 18, 24, 36)
ATTACKS = ("clean", "fgsm:0.2", "pgd5:0.2", "pgd20:0.2")
ATTACK_COLUMNS = (
    *("variant", "architecture", "seed", "epoch", "averaging", "condition"),
    *("dice", "bone", "mae", "mse"),
)


@dataclass(frozen=True)
class Variant:
    """How a training differs from the quick start's.

    Attributes:
        initializer: Of the kernels.
        start_at_mean: Whether the last layer starts as the training CTs' mean.
        learning_rate: Adam's step size.
        decays: Whether the step size falls to zero along a cosine, over the epochs of a trial.
        one_order: Whether all trainings get the slices in one order.
        one_start: Whether an architecture's trainings all start at the same weights.
    """

    initializer: str = "he_normal"
    start_at_mean: bool = True
    learning_rate: float = 1e-3
    decays: bool = False
    one_order: bool = False
    one_start: bool = False

    def rates(self, num_steps: int) -> np.ndarray:
        """Returns the step size of each step of a trial's epochs, `(epochs, num_steps)`."""
        count = tables.EPOCHS * num_steps if self.decays else EPOCHS * num_steps
        share = np.arange(count) / count
        factor = (1 + np.cos(math.pi * share)) / 2 if self.decays else np.ones(count)
        return (self.learning_rate * factor).astype(np.float32).reshape(-1, num_steps)


VARIANTS: Mapping[str, Variant] = {
    "default": Variant(),
    "large_steps": Variant(learning_rate=3e-3),
    "keras_start": Variant(initializer="glorot_uniform", start_at_mean=False),
    "one_order": Variant(one_order=True),
    "one_start": Variant(one_start=True),
    "cosine": Variant(decays=True),
    "large_cosine": Variant(learning_rate=3e-3, decays=True),
}


@dataclass(frozen=True)
class Phase:
    """Trainings of one kind.

    Attributes:
        variants: Keys of `VARIANTS`.
        numbers: The architectures'.
        seeds: Of each.
        to_end: Whether they are scored on the way and trained to the end, not for a trial alone.
        is_full: Whether all that can be scored is.
    """

    variants: Sequence[str]
    numbers: Sequence[int]
    seeds: Sequence[int]
    to_end: bool = False
    is_full: bool = False

    @property
    def epochs(self) -> int:
        """Of each training."""
        return EPOCHS if self.to_end else tables.EPOCHS


DEFAULT = ("default",)
PHASES = (
    Phase(DEFAULT, range(60), range(3), to_end=True, is_full=True),
    Phase(tuple(VARIANTS)[1:], range(30), range(3)),
    Phase(DEFAULT, range(60, 300), (0,), to_end=True),
    Phase(("large_steps",), range(60), (0, 1), to_end=True, is_full=True),
)

# Variant, architecture and seed.
Training = tuple[str, int, int]


def architecture_of(values: Mapping[str, Any]) -> Architecture:
    """Returns the architecture of a row of `architectures.csv`."""

    def block(name: str) -> Block:
        ratio = values[f"{name}_reduction_ratio"] if values[f"{name}_se"] else None
        return Block(values[f"{name}_pattern"], values[f"{name}_filters"], ratio)

    places = range(1, values["depth"] + 1)
    halves = ([block(f"{half}{place}") for place in places] for half in ("enc", "dec"))
    return Architecture(*map(tuple, halves))


def groups_of(architectures: Sequence[Architecture]) -> dict[tuple[int, int], list[int]]:
    """Returns the numbers of those that share an envelope, the cheapest first.

    They share a depth, and the filters of the first block, whose full grid costs most.
    """
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, each in enumerate(architectures):
        found[each.depth, each.encoder[0].filters].append(number)

    def cost(key: tuple[int, int]) -> float:
        each = (estimate_cost(architectures[number], (64, 64, 1)).flops for number in found[key])
        return float(np.mean(list(each)))

    return {key: found[key] for key in sorted(found, key=cost)}


def batches(
    phase: Phase, groups: Mapping[Any, Sequence[int]], size: int
) -> Iterator[tuple[Any, list[Training]]]:
    """Yields a phase's trainings in batches of networks that share an envelope."""
    for key, numbers in groups.items():
        own = [number for number in phase.numbers if number in set(numbers)]
        trainings = list(itertools.product(phase.variants, own, phase.seeds))
        for begin in range(0, len(trainings), size):
            yield key, trainings[begin : begin + size]


def seed_of(architecture: Architecture, seed: int) -> int:
    """Returns what `UNetHyperModel.seed_of` does."""
    text = f"{seed} {architecture.to_json()}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def orders(seed: int, num_slices: int, batch_size: int) -> np.ndarray:
    """Returns each epoch's order of the slices, `(epochs, steps, batch)`."""
    generator = np.random.default_rng([seed, 1])
    found = [generator.permutation(num_slices) for _ in range(EPOCHS)]
    return np.array(found, np.int32).reshape(EPOCHS, -1, batch_size)


@dataclass(frozen=True)
class Wanted:
    """A scoring.

    Attributes:
        part: Of the subjects.
        place: Of the average among `accelerated_training.DECAYS`, which begin with 0.96 and 0.9.
        num_subjects: How many of them.
    """

    part: str
    place: int
    num_subjects: int


def wanted_at(phase: Phase, epoch: int) -> list[Wanted]:
    """Returns what is scored after an epoch, with the best weights so far."""
    if epoch == tables.EPOCHS:
        others = [Wanted("scoring", place, 2) for place in (2, 3)]
        validated = [Wanted("validation", place, 1) for place in (0, 1)]
        return [
            *(Wanted("scoring", place, tables.NUM_SUBJECTS) for place in (0, 1)),
            *(validated + others if phase.is_full or not phase.to_end else ()),
        ]
    if not phase.to_end or epoch not in EARLY + LATE:
        return []
    count = tables.NUM_SUBJECTS if phase.is_full and epoch in LATE else 1
    return [Wanted("scoring", place, count) for place in (0, 1)]


def wanted_at_end(phase: Phase) -> list[Wanted]:
    """Returns what is scored with the weights of a training that ran out of patience."""
    parts = ["apart", "scoring"] if phase.is_full else ["apart"]
    return [Wanted(part, place, tables.NUM_SUBJECTS) for part in parts for place in (0, 1)]


def row(
    training: Training,
    epoch: int | str,
    averaging: float,
    part: str,
    best: tuple[int, float],
    subjects: Iterable[Sequence[Mapping[str, RegionScore]]],
) -> dict[str, str]:
    """Returns a row of the table.

    Args:
        training: Whose.
        epoch: How long was trained.
        averaging: Of the weights.
        part: What the subjects are called.
        best: Whose epoch's weights they are, from 0, and their loss.
        subjects: Each one's scores in each condition.
    """
    keys = ("phantom", *map(str, training))
    found = dict(zip(tables.KEYS, keys, strict=True))
    found |= {"epoch": str(epoch), "averaging": f"{averaging:g}", "subjects": part}
    found |= {"best_epoch": str(best[0] + 1), "val_loss": f"{best[1]:.5f}"}
    for place, conditions in enumerate(subjects, start=1):
        for condition, regions in zip(tables.CONDITIONS, conditions, strict=True):
            dice, mae = mean_over_regions(regions)
            texts = f"{dice:.4f}", f"{regions['bone'].dice:.4f}", f"{mae:.1f}"
            for measure, text in zip(tables.MEASURES, texts, strict=True):
                found[f"{measure}_{condition}_{place}"] = text
    return found


def attack_rows(
    training: Training,
    epoch: int | str,
    averaging: float,
    conditions: Sequence[Mapping[str, RegionScore]],
    errors: Sequence[float],
) -> Iterator[dict[str, str]]:
    """Yields the rows of the table of attacks: each condition's scores and mean squared error."""
    for condition, regions, error in zip(ATTACKS, conditions, errors, strict=True):
        dice, mae = mean_over_regions(regions)
        values = (*training, epoch, f"{averaging:g}", condition, f"{dice:.4f}")
        rest = (f"{regions['bone'].dice:.4f}", f"{mae:.1f}", f"{error:.6g}")
        yield dict(zip(ATTACK_COLUMNS, map(str, (*values, *rest)), strict=True))


def read_architectures(text: str) -> list[Architecture]:
    """Returns the architectures of `architectures.json`."""
    return [Architecture.from_dict(each) for each in json.loads(text)]
