"""What of a training may be called its score: definitions, and their values in the table."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import scores_table as tables

# Architecture and seed.
Training = tuple[int, int]


@dataclass(frozen=True)
class Score:
    """What of a training is called its score: a mean over all that is named.

    Attributes:
        epochs: When it is taken.
        averaging: Decay of the running average of the weights.
        conditions: Of the input.
        places: Of the subjects, from 1.
        parts: `scoring`, `apart` or `validation` subjects.
        measure: `dice` or `mae`, means over the regions, `bone`, or `val_loss`; what is better when
            it is smaller is taken with its sign changed.
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
                found[int(row["architecture"]), int(row["seed"])] += self._of(row)
        places = (len(self.places) if part != "validation" else 1 for part in self.parts)
        count = len(self.epochs) * len(self.conditions) * sum(places)
        means = {key: float(np.mean(each)) for key, each in found.items() if len(each) == count}
        return {key: mean for key, mean in means.items() if not np.isnan(mean)}

    def _of(self, row: tables.Row) -> list[float]:
        places = self.places if row["subjects"] != "validation" else (1,)
        named = itertools.product(places, self.conditions)
        columns = [f"{self.measure}_{condition}_{place}" for place, condition in named]
        if self.measure == "val_loss":
            columns = [self.measure] * len(columns)
        sign = -1 if self.measure in ("mae", "val_loss") else 1
        return [sign * float(row[column] or "nan") for column in columns]


DEFAULT = Score()
ALL_PLACES = tuple(range(1, tables.NUM_SUBJECTS + 1))
AT_EPOCH_12 = Score(places=ALL_PLACES)
AT_END = Score(epochs=(tables.END,), places=ALL_PLACES, parts=("apart",))

# What might make a score more trustworthy, each against the first. One subject may tell networks
# apart better than another, so these are all taken on the same two.
ON_TWO = Score(places=(1, 2))
SCORES: Mapping[str, Score] = {
    "average 0.96, epsilon 0.2": ON_TWO,
    "no average": dataclasses.replace(ON_TWO, averaging=0.0),
    "average 0.9": dataclasses.replace(ON_TWO, averaging=0.9),
    "average 0.98": dataclasses.replace(ON_TWO, averaging=0.98),
    "average 0.99": dataclasses.replace(ON_TWO, averaging=0.99),
    "epsilon 0.06": dataclasses.replace(ON_TWO, conditions=("fgsm:0.06",)),
    "epsilon 0.06 and 0.2": dataclasses.replace(ON_TWO, conditions=("fgsm:0.06", "fgsm:0.2")),
    "clean": dataclasses.replace(ON_TWO, conditions=("clean",)),
    "MAE": dataclasses.replace(ON_TWO, measure="mae"),
    "bone": dataclasses.replace(ON_TWO, measure="bone"),
    "validation loss": dataclasses.replace(ON_TWO, measure="val_loss"),
    "average 0.9, epsilon 0.06": dataclasses.replace(
        ON_TWO, averaging=0.9, conditions=("fgsm:0.06",)
    ),
    "average 0.9, epsilon 0.06 and 0.2": dataclasses.replace(
        ON_TWO, averaging=0.9, conditions=("fgsm:0.06", "fgsm:0.2")
    ),
    "average 0.9, MAE": dataclasses.replace(ON_TWO, averaging=0.9, measure="mae"),
    "the end, 4 subjects apart": AT_END,
}
# On the search's own subject alone, as at rungs.
BY_EPOCH: Mapping[str, Score] = {
    "epoch 12": DEFAULT,
    "and the validation subject": Score(parts=("scoring", "validation")),
    "mean of epochs 8, 10, 12": Score(epochs=(8, 10, 12)),
    **{f"epoch {epoch}": Score(epochs=(epoch,)) for epoch in (4, 6, 8, 10)},
    "average 0.9, epoch 12": Score(averaging=0.9),
    "average 0.9, mean of epochs 8, 10, 12": Score(averaging=0.9, epochs=(8, 10, 12)),
    **{
        f"average 0.9, epoch {epoch}": Score(averaging=0.9, epochs=(epoch,))
        for epoch in (4, 6, 8, 10)
    },
}

# What may decide at a rung.
KINDS = {
    f"{name}, average {averaging:g}": dataclasses.replace(score, averaging=averaging)
    for name, score in {
        "Dice, epsilon 0.2": DEFAULT,
        "Dice, epsilon 0.06": Score(conditions=("fgsm:0.06",)),
        "Dice, clean": Score(conditions=("clean",)),
        "MAE, epsilon 0.2": Score(measure="mae"),
        "validation loss": Score(measure="val_loss"),
    }.items()
    for averaging in (tables.AVERAGING, tables.AT_RUNGS)
}
VARIANTS = {
    "default": "default",
    "learning rate 0.003": "large_steps",
    "Keras's start (Glorot, last layer at random)": "keras_start",
    "one order of slices for all": "one_order",
    "one start for all seeds": "one_start",
    "learning rate 0.001, falling to 0": "cosine",
    "learning rate 0.003, falling to 0": "large_cosine",
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
