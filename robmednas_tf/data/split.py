"""Splitting subjects into those that train, validate and test: by subject, never by slice.

Source: paper section 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Split:
    """Which subjects train, validate and test: by subject, never by slice.

    Attributes:
        train: Names of the subjects trained on.
        validation: Names of those that choose the epoch.
        test: Names of those that are scored.

    Raises:
        ValueError: If a part is empty or a name stands twice.

    Source: paper section 2.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        parts = (self.train, self.validation, self.test)
        if not all(parts):
            raise ValueError(f"No part of a split may be empty. Received: {self.to_dict()}.")
        names = [name for part in parts for name in part]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"No subject may stand twice in a split. Received twice: {twice}.")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all parts."""
        return (*self.train, *self.validation, *self.test)

    def to_dict(self) -> dict[str, list[str]]:
        """Returns the split as a JSON-ready dictionary."""
        return {
            "train": list(self.train),
            "validation": list(self.validation),
            "test": list(self.test),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Split:
        """Builds a split from `to_dict`'s form.

        Raises:
            ValueError: If the keys are not the three parts, a part is not a list of names, or the
                split is not valid.
        """
        parts = {"train", "validation", "test"}
        if set(values) != parts:
            raise ValueError(f"A split must have the keys {sorted(parts)}. Received: {[*values]}.")
        for part, names in values.items():
            if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
                raise ValueError(f"A split's {part!r} must be a list of names. Received: {names}.")
        return cls(**{part: tuple(names) for part, names in values.items()})


@dataclass(frozen=True)
class Fold:
    """One of several cross-validation folds.

    Attributes:
        number: Which, from 1.
        count: How many there are, >= 2; 8 in the paper.

    Raises:
        ValueError: If there is no such fold.

    Source: paper section 2.6.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not (self.count >= 2 and 1 <= self.number <= self.count):
            raise ValueError(
                "A fold must be one of at least two, written as number/count from 1/2 on, such as "
                f"3/8. Received: {self}."
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Fold:
        """Reads `number/count`.

        Raises:
            ValueError: If it is malformed or there is no such fold.
        """
        try:
            number, count = map(int, text.split("/"))
        except ValueError:
            raise ValueError(
                f"A fold must be written as number/count, such as 3/8. Received: {text!r}."
            ) from None
        return cls(number, count)

    def of(self, split: Split, seed: int) -> Split:
        """Returns the split in which this fold validates and the others train.

        Args:
            split: Of the cohort. Its test subjects stay what they are; those that train and those
                that validate are pooled and dealt anew, as evenly as they can be. The paper's 72
                make eight groups of nine, as many as validate in its own split.
            seed: One seed, one dealing.

        Raises:
            ValueError: If there are fewer subjects than folds.
        """
        pool = _shuffled((*split.train, *split.validation), seed, stream=2)
        if len(pool) < self.count:
            raise ValueError(
                f"Each of {self.count} folds needs a subject that is not a test subject. "
                f"Received: {len(pool)}. Ask for fewer folds, or add subjects."
            )
        validation = pool[self.number - 1 :: self.count]
        train = [name for name in pool if name not in validation]
        return Split(tuple(sorted(train)), tuple(sorted(validation)), split.test)


def split_cohort(
    names: Iterable[str], seed: int, num_validation: int = 0, num_test: int = 0
) -> Split:
    """Splits a cohort in the paper's proportions, 63 : 9 : 7, or as asked for.

    Args:
        names: The subjects' names; their order does not matter.
        seed: One seed, one split, >= 0.
        num_validation: Subjects that choose the epoch; 0 for the paper's proportion.
        num_test: Subjects that are scored; 0 for the paper's proportion.

    Raises:
        ValueError: If there are fewer than three subjects, or none would be left to train on.

    Source: paper section 2.
    """
    names = tuple(names)
    if len(names) < 3:
        raise ValueError(
            f"A cohort must have at least 3 subjects to be split. Received: {len(names)}. "
            "Add subjects; a phantom cohort takes --num_phantoms."
        )
    parts = _cohort_parts(len(names), num_validation, num_test)
    if sum(parts) >= len(names):
        raise ValueError(
            f"A split of {len(names)} subjects must leave at least one to train on. "
            f"Received: {parts[0]} to validate on (--num_validation), {parts[1]} to test on "
            "(--num_test)."
        )
    return _split(_shuffled(names, seed, stream=0), *parts)


def split_search(names: Iterable[str], num_subjects: int, seed: int) -> Split:
    """Draws the search's sub-dataset and splits it 4 : 1 : 1.

    Args:
        names: The training subjects' names; their order does not matter.
        num_subjects: How many to draw, >= 3; 6 in the paper.
        seed: One seed, one split, >= 0.

    Raises:
        ValueError: If `num_subjects` is below three or there are fewer names than that.

    Source: paper section 2.
    """
    names = tuple(names)
    if num_subjects < 3:
        raise ValueError(
            f"A search must draw at least 3 subjects. Received: --num_subjects={num_subjects}."
        )
    if len(names) < num_subjects:
        raise ValueError(
            f"A search on {num_subjects} training subjects needs as many. Received: {len(names)}. "
            f"Give a cohort of at least {num_subjects_for_search(num_subjects)} subjects, or draw "
            "fewer with --num_subjects."
        )
    num_each = max(1, round(num_subjects / 6))
    return _split(_shuffled(names, seed, stream=1)[:num_subjects], num_each, num_each)


def num_subjects_for_search(num_subjects: int, num_validation: int = 0, num_test: int = 0) -> int:
    """Returns the size of the smallest cohort whose training part holds `num_subjects`."""
    size = num_subjects + 2
    while size - sum(_cohort_parts(size, num_validation, num_test)) < num_subjects:
        size += 1
    return size


def _cohort_parts(size: int, num_validation: int, num_test: int) -> tuple[int, int]:
    return (
        num_validation or max(1, round(size * 9 / 79)),
        num_test or max(1, round(size * 7 / 79)),
    )


def _shuffled(names: Sequence[str], seed: int, stream: int) -> list[str]:
    # Two streams, so that a search's draw from a cohort owes nothing to how that was split.
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
    ordered = sorted(names)
    return [ordered[place] for place in generator.permutation(len(ordered))]


def _split(names: Sequence[str], num_validation: int, num_test: int) -> Split:
    num_train = len(names) - num_validation - num_test
    return Split(
        train=tuple(sorted(names[:num_train])),
        validation=tuple(sorted(names[num_train : num_train + num_validation])),
        test=tuple(sorted(names[num_train + num_validation :])),
    )
