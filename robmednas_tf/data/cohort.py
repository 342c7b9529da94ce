"""Cohorts of subjects: opening a folder, or drawing phantoms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from robmednas_tf.data.manifest import read_manifest
from robmednas_tf.data.preprocessing import AS_IN_PAPER, Preprocessing
from robmednas_tf.data.subjects import FolderSubject, PhantomSubject, Subject
from robmednas_tf.data.volumes import FORMATS

_NO_SUBJECTS = ("overview", "overviews")
# SynthRAD's archives hold <root>/Task1/<region>/<subject>.
_MOST_LEVELS = 3


@dataclass(frozen=True)
class Cohort:
    """Subjects under one name.

    Attributes:
        name: What the cohort is called in reports.
        subjects: In the order of their names.
        split: "train", "validation" or "test" by subject, where the cohort itself says so.

    Raises:
        ValueError: If there is no subject, or two share a name.
    """

    name: str
    subjects: tuple[Subject, ...]
    split: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice or not self.subjects:
            raise ValueError(
                f"Cohort {self.name!r} must have subjects of different names. "
                f"Received twice: {', '.join(twice) or 'none at all'}. Rename them, or list them "
                "in a manifest."
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


def open_folder(
    folder: Path | str, ct_bias: float = 0.0, preprocessing: Preprocessing = AS_IN_PAPER
) -> Cohort:
    """Opens a folder in the layout of SynthRAD2023 or SynthRAD2025, or a manifest.

    Args:
        folder: Holds one folder a subject, each with `mr`, `ct` and optionally `mask` as
            `.nii.gz`, `.nii` or `.mha`; or folders that do, such as `Task1`, down to three levels.
            Hidden ones and `overview(s)` are left out. Or a `.csv` file; see `read_manifest`.
        ct_bias: Added to the CT files' values to make them HU; 0 where they hold HU already.
        preprocessing: How the volumes are resampled and the MRs are z-scored.

    Returns:
        The subjects in the order of their names; nothing of them is checked yet.

    Raises:
        ValueError: If it does not exist or holds no subject, or two subjects share a name.
    """
    folder = Path(folder)
    if folder.suffix == ".csv" and folder.is_file():
        manifest = read_manifest(folder, ct_bias, preprocessing)
        subjects = sorted(manifest.subjects, key=lambda subject: subject.name)
        return Cohort(folder.stem, tuple(subjects), manifest.split)
    if folder.is_file():
        raise ValueError(
            "A cohort must be a folder of subjects, or a manifest (.csv). "
            f"Received: the file {str(folder)!r}."
        )
    if not folder.is_dir():
        raise ValueError(
            "A cohort must be a folder of subjects, or a manifest (.csv). "
            f"No such folder: {str(folder)!r}."
        )
    if _is_subject(folder):
        raise ValueError(
            "A cohort must be a folder of subjects. "
            f"Folder {str(folder)!r} is a subject's own: give its parent, "
            f"{str(folder.resolve().parent)!r}."
        )
    found = [
        FolderSubject(path.name, path, ct_bias=ct_bias, preprocessing=preprocessing)
        for path in sorted(subject_folders(folder), key=lambda path: path.name)
    ]
    if not found:
        raise ValueError(
            f"Folder {str(folder)!r} must hold subjects: folders with mr.nii.gz and ct.nii.gz (or "
            ".nii or .mha). Received: none. Give the folder that the subjects lie in, or a "
            "manifest (.csv)."
        )
    return Cohort(folder.resolve().name, tuple(found))


def open_phantom(
    num_subjects: int,
    shape: tuple[int, int, int],
    seed: int,
    preprocessing: Preprocessing = AS_IN_PAPER,
) -> Cohort:
    """Opens a cohort of synthetic heads, `phantom_000` onwards, each drawn when it is read.

    Args:
        num_subjects: Number of heads, > 0.
        shape: `(x, y, z)` of each.
        seed: One seed, one cohort; a smaller cohort is the beginning of a larger one.
        preprocessing: How the MRs are z-scored.

    Raises:
        ValueError: If `num_subjects` is not positive.
    """
    return Cohort(
        "phantom",
        tuple(
            PhantomSubject(f"phantom_{number:03d}", seed, number, shape, preprocessing)
            for number in range(num_subjects)
        ),
    )


def subject_folders(
    folder: Path, roles: tuple[str, ...] = ("mr", "ct"), levels: int = _MOST_LEVELS
) -> Iterator[Path]:
    """Yields the folders of subjects below a folder; hidden ones and overviews are left out.

    Args:
        folder: Where to look.
        roles: A folder with a file of one of these is a subject's.
        levels: How deep to look.
    """
    for path in folder.iterdir():
        if not path.is_dir() or path.name in _NO_SUBJECTS or path.name.startswith("."):
            continue
        if _is_subject(path, roles):
            yield path
        elif levels > 1:
            yield from subject_folders(path, roles, levels - 1)


def _is_subject(folder: Path, roles: tuple[str, ...] = ("mr", "ct")) -> bool:
    files = (folder / f"{role}{suffix}" for role in roles for suffix in FORMATS)
    try:
        return any(file.is_file() for file in files)
    except PermissionError:
        # It may be one; who reads it is told.
        return True
