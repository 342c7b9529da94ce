"""The volumes of a subject that may be broken: each one by itself, each refusal collected."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from robmednas_tf.data.pair import Pair, require_grid_of_mr
from robmednas_tf.data.subjects import FileSubject, FolderSubject, find_file
from robmednas_tf.data.volumes import header_doubts, read_header, read_volume

_LABELS = {"mr": "MR", "ct": "CT", "mask": "Mask"}


class Findings:
    """Texts of what was found, in its order."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Turns the refusal of a broken rule, or of a file that cannot be read, into an error."""
        try:
            yield
        except (ValueError, OSError) as error:
            text = " ".join(str(error).split())
            if text not in self.errors:
                self.errors.append(text)


@dataclass(frozen=True, eq=False)
class Volumes:
    """What there is of a subject.

    Attributes:
        subject: The subject's name.
        ct_bias: Added to the CT's values to make them HU.
        needs_mask: Whether the subject is of no use without a mask.
        grids: Shape and affine by role ("mr", "ct" and "mask"), where a header could be read.
        named: The file, by role.
        sharing: Roles whose volume is on the MR's grid.
        readers: Return a volume by role: float32 `(x, y, z)`, as in the file.
    """

    subject: str
    ct_bias: float = 0.0
    needs_mask: bool = False
    grids: dict[str, tuple[tuple[int, ...], np.ndarray]] = field(default_factory=dict)
    named: dict[str, Path] = field(default_factory=dict)
    sharing: set[str] = field(default_factory=set)
    readers: dict[str, Callable[[], np.ndarray]] = field(default_factory=dict)

    def load(self, role: str, found: Findings) -> np.ndarray | None:
        """Reads one volume; None where there is none, or it is refused."""
        with found.collecting():
            return self.readers[role]() if role in self.grids else None
        return None

    def share_grid(self, role: str) -> bool:
        """Whether a volume and the MR are on one voxel grid."""
        return role in self.sharing


def files_of(subject: FileSubject, found: Findings) -> Volumes:
    """Finds a subject's files and reads their headers.

    Args:
        subject: Not read beyond that.
        found: Takes every broken rule and every doubt.
    """
    volumes = Volumes(subject.name, subject.ct_bias, subject.preprocessing.needs_mask)
    volumes.named.update(_paths(subject, found))
    for role, path in volumes.named.items():
        with found.collecting():
            volumes.grids[role] = read_header(path, subject.name)
            volumes.readers[role] = functools.partial(_voxels, path, subject.name)
            found.warnings += [
                f"{_LABELS[role]}: {doubt.rstrip('.')}."
                for doubt in header_doubts(path, subject.name)
            ]
    for role in ("ct", "mask"):
        if "mr" in volumes.grids and role in volumes.grids:
            with found.collecting():
                grids = volumes.grids["mr"], volumes.grids[role]
                require_grid_of_mr(subject.name, role, volumes.named[role], *grids)
                volumes.sharing.add(role)
    return volumes


def pair_of(pair: Pair) -> Volumes:
    """Returns the volumes of a subject that has no files."""
    arrays = {"mr": pair.mr, "ct": pair.ct, "mask": pair.mask}
    found = {role: array for role, array in arrays.items() if array is not None}
    return Volumes(
        pair.subject,
        grids={role: (array.shape, pair.affine) for role, array in found.items()},
        named={role: Path(role) for role in found},
        sharing=set(found),
        readers={role: functools.partial(np.asarray, array) for role, array in found.items()},
    )


def _voxels(path: Path, subject: str) -> np.ndarray:
    return read_volume(path, subject)[0]


def _paths(subject: FileSubject, found: Findings) -> dict[str, Path]:
    if not isinstance(subject, FolderSubject):
        return subject.files()
    paths: dict[str, Path] = {}
    for role in _LABELS:
        # One by one: `files` stops at the first that is missing or there twice.
        with found.collecting():
            path = find_file(subject.folder, role)
            if path is not None:
                paths[role] = path
            elif role != "mask":
                raise ValueError(
                    f"Subject {subject.name!r} must have an MR and a CT. "
                    f"Missing: '{subject.folder / role}.nii.gz' (or .nii or .mha)."
                )
    return paths
