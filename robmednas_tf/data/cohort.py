"""Cohorts of subjects: opening a folder or drawing phantoms, and splitting them by subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robmednas_tf.data.subjects import FolderSubject, Pair, PhantomSubject, Subject, find_file

__all__ = [
    "Cohort",
    "FolderSubject",
    "Pair",
    "PhantomSubject",
    "Split",
    "Subject",
    "num_subjects_for_search",
    "open_folder",
    "open_phantom",
    "split_cohort",
    "split_search",
]

_NO_SUBJECTS = ("overview", "overviews")


@dataclass(frozen=True)
class Cohort:
    """Subjects under one name.

    Attributes:
        name: What the cohort is called in reports.
        subjects: In the order of their names.

    Raises:
        ValueError: If there is no subject, or two share a name.
    """

    name: str
    subjects: tuple[Subject, ...]

    def __post_init__(self) -> None:
        if not self.subjects or len(set(self.names)) < len(self.subjects):
            raise ValueError(
                f"Cohort {self.name!r} must have subjects of different names. "
                f"Received: {list(self.names)}."
            )

    def __len__(self) -> int:
        return len(self.subjects)

    def __iter__(self) -> Iterator[Subject]:
        return iter(self.subjects)

    def __getitem__(self, name: str) -> Subject:
        for subject in self.subjects:
            if subject.name == name:
                return subject
        # Not KeyError: names come from split files, so that this is a mistake in input.
        raise ValueError(
            f"Cohort {self.name!r} has no subject {name!r}. It has: {', '.join(self.names)}."
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The subjects' names."""
        return tuple(subject.name for subject in self.subjects)

    def check(self) -> None:
        """Checks every subject's headers; raises ValueError at the first that breaks a rule."""
        for subject in self.subjects:
            subject.check()


def open_folder(folder: Path | str, ct_bias: float = 0.0) -> Cohort:
    """Opens a folder in the layout of SynthRAD2023: `<folder>/<subject>/{mr,ct,mask}.nii.gz`.

    Args:
        folder: Holds one folder per subject. Others, hidden ones and `overview` are left out.
        ct_bias: Added to the CT files' values to make them HU; 0 where they hold HU already.

    Returns:
        The subjects in the order of their names; no voxel is read yet.

    Raises:
        ValueError: If the folder does not exist or holds no subject, or a subject lacks MR or CT.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"A cohort must be a folder of subjects. No such folder: {str(folder)!r}.")
    subjects = [FolderSubject(path.name, path, ct_bias) for path in _subject_folders(folder)]
    if not subjects:
        raise ValueError(
            f"Folder {str(folder)!r} must hold subjects: folders with mr.nii.gz and ct.nii.gz. "
            f"Received: none. {_where_subjects_are(folder)}"
        )
    for subject in subjects:
        subject.files()
    return Cohort(folder.resolve().name, tuple(subjects))


def open_phantom(num_subjects: int, shape: tuple[int, int, int], seed: int) -> Cohort:
    """Opens a cohort of synthetic heads, `phantom_000` onwards, each drawn when it is read.

    Args:
        num_subjects: Number of heads, > 0.
        shape: `(x, y, z)` of each.
        seed: One seed, one cohort; a smaller cohort is the beginning of a larger one.

    Raises:
        ValueError: If `num_subjects` is not positive.
    """
    return Cohort(
        "phantom",
        tuple(
            PhantomSubject(f"phantom_{number:03d}", seed, number, shape)
            for number in range(num_subjects)
        ),
    )


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


def split_cohort(names: Iterable[str], seed: int) -> Split:
    """Splits a cohort in the paper's proportions, 63 : 9 : 7.

    Args:
        names: The subjects' names; their order does not matter.
        seed: One seed, one split, >= 0.

    Raises:
        ValueError: If there are fewer than three subjects.

    Source: paper section 2.
    """
    names = tuple(names)
    if len(names) < 3:
        raise ValueError(
            f"A cohort must have at least 3 subjects to be split. Received: {len(names)}. "
            "Add subjects; a phantom cohort takes --num_subjects."
        )
    return _split(_shuffled(names, seed, stream=0), *_cohort_parts(len(names)))


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


def num_subjects_for_search(num_subjects: int) -> int:
    """Returns the size of the smallest cohort whose training part holds `num_subjects`."""
    size = num_subjects + 2
    while size - sum(_cohort_parts(size)) < num_subjects:
        size += 1
    return size


def _cohort_parts(size: int) -> tuple[int, int]:
    return max(1, round(size * 9 / 79)), max(1, round(size * 7 / 79))


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


def _subject_folders(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir()
        and path.name not in _NO_SUBJECTS
        and not path.name.startswith(".")
        and (find_file(path, "mr") or find_file(path, "ct"))
    ]


def _where_subjects_are(folder: Path) -> str:
    if find_file(folder, "mr") or find_file(folder, "ct"):
        return f"This is a subject's own folder: give its parent, {str(folder.resolve().parent)!r}."
    below = [path for pattern in ("*/", "*/*/") for path in sorted(folder.glob(pattern))]
    tries = [str(path) for path in below if path.is_dir() and _subject_folders(path)]
    return f"Try: {', '.join(tries)}." if tries else "Give the folder that the subjects lie in."
