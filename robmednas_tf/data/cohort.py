"""Cohorts of subjects: opening a folder, or drawing phantoms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from robmednas_tf.data.subjects import FolderSubject, PhantomSubject, Subject, find_file

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
