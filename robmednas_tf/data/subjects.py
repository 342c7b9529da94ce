"""Subjects: where one patient's (or phantom's) MR and CT come from, and what they must fulfil.

A subject knows its files or its seed and reads on demand. Every rule on what it may hold is checked
here, at the door, so that the rooms above meet only volumes that fit together.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from robmednas_tf.data.file_digests import digest_of_file
from robmednas_tf.data.grid import SliceGrid
from robmednas_tf.data.identity import identity_of
from robmednas_tf.data.intensities import to_hu
from robmednas_tf.data.pair import Pair, require_contrast, require_grid_of_mr
from robmednas_tf.data.preprocessing import AS_IN_PAPER, Preprocessing
from robmednas_tf.data.volumes import FORMATS, read_header, read_volume

# Part of every phantom's digest: raise it when `make_head` changes what it draws.
PHANTOM_VERSION = 1

_ROLES = ("mr", "ct", "mask")


class Subject(Protocol):
    """What a cohort asks of its subjects."""

    @property
    def name(self) -> str:
        """The subject's name, unique in its cohort."""

    def read(self) -> Pair:
        """Reads the subject's volumes, or raises ValueError where a rule is broken."""

    def check(self) -> None:
        """Raises ValueError where that can be told without reading voxels."""

    def num_voxels(self) -> int:
        """Returns how many voxels its MR has when it is prepared."""

    def digest(self, of_file: Callable[[Path], str]) -> str:
        """Returns a key that changes with whatever `read` would return.

        Args:
            of_file: Gives the SHA-256 of a file's bytes.
        """


@dataclass(frozen=True)
class FileSubject(ABC):
    """A subject whose MR, CT and (if any) mask are files.

    Attributes:
        name: The subject's name.
        ct_bias: Added to the CT file's values to make them HU.
        preprocessing: How the volumes are resampled and the MR is z-scored.
    """

    name: str
    ct_bias: float = field(default=0.0, kw_only=True)
    preprocessing: Preprocessing = field(default=AS_IN_PAPER, kw_only=True)

    @abstractmethod
    def files(self) -> dict[str, Path]:
        """Returns the paths of `mr`, `ct` and, where there is one, `mask`.

        Raises:
            ValueError: If that cannot be told.
        """

    def check(self) -> None:
        """Checks the headers: the files exist and share one voxel grid.

        Raises:
            ValueError: If a file is missing or damaged, or the grids differ.
        """
        files = self.files()
        if self.preprocessing.needs_mask and "mask" not in files:
            raise ValueError(
                f"Subject {self.name!r} must have a body mask for --zscore=mask. "
                "Give it one, or pass --zscore=volume."
            )
        grids = {role: read_header(path, self.name) for role, path in files.items()}
        for role in files.keys() - {"mr"}:
            require_grid_of_mr(self.name, role, files[role], grids["mr"], grids[role])

    def num_voxels(self) -> int:
        """Returns how many voxels the MR has when it is prepared, from its header.

        Raises:
            ValueError: If the header cannot be read.
        """
        shape, affine = read_header(self.files()["mr"], self.name)
        return math.prod(self.preprocessing.resampling(shape, affine).new_shape)

    def read(self) -> Pair:
        """Reads the volumes.

        Raises:
            ValueError: If a file is missing or damaged, the grids differ, the MR is constant, or
                the CT cannot be HU.
        """
        self.check()
        files = self.files()
        mr, affine = read_volume(files["mr"], self.name)
        require_contrast(mr, files["mr"], self.name)
        values, _ = read_volume(files["ct"], self.name)
        ct = to_hu(values, self.ct_bias, f"CT of subject {self.name!r} ({files['ct']})")
        mask = None
        if "mask" in files:
            mask = (read_volume(files["mask"], self.name)[0] > 0).astype(np.uint8)
        grid = SliceGrid.of(mr.shape, affine, 1)
        identity = identity_of(grid.turn(mr), grid.turn(ct))
        way = self.preprocessing.resampling(grid.turned_shape, grid.turn_affine(affine))
        if not way.is_identity:
            mr, ct, affine = way.apply(grid.turn(mr)), way.apply(grid.turn(ct)), way.new_affine
            mask = None if mask is None else way.apply_to_mask(grid.turn(mask))
            require_contrast(mr, files["mr"], self.name, "after resampling")
        if self.preprocessing.needs_mask and mask is not None:
            require_contrast(mr[mask > 0], files["mr"], self.name, "inside the body mask")
        return Pair(self.name, mr, ct, mask, affine, identity, self.preprocessing)

    def digest(self, of_file: Callable[[Path], str] = digest_of_file) -> str:
        """Returns the SHA-256 of the files' bytes and the settings, as hexadecimal digits."""
        parts = [f"{float(self.ct_bias)!r} {self.preprocessing.to_dict()}"]
        parts += [f"{role} {of_file(path)}" for role, path in self.files().items()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class FolderSubject(FileSubject):
    """A subject with a folder of its own, as in SynthRAD2023 and SynthRAD2025.

    Attributes:
        folder: Holds `mr`, `ct` and optionally `mask`, each with an ending of `FORMATS`.
    """

    folder: Path

    def files(self) -> dict[str, Path]:
        """Returns the paths of `mr`, `ct` and, where there is one, `mask`.

        Raises:
            ValueError: If there is no MR or no CT, or one of the three in two forms.
        """
        found = {role: find_file(self.folder, role) for role in _ROLES}
        for role in ("mr", "ct"):
            if found[role] is None:
                raise ValueError(
                    f"Subject {self.name!r} must have an MR and a CT. "
                    f"Missing: '{self.folder / role}.nii.gz' (or .nii or .mha)."
                )
        return {role: path for role, path in found.items() if path is not None}


@dataclass(frozen=True)
class ListedSubject(FileSubject):
    """A subject whose files a manifest lists.

    Attributes:
        mr: The MR's file.
        ct: The CT's.
        mask: The body mask's, if there is one.
    """

    mr: Path
    ct: Path
    mask: Path | None = None

    def files(self) -> dict[str, Path]:
        """Returns the paths of `mr`, `ct` and, where there is one, `mask`."""
        files = {"mr": self.mr, "ct": self.ct}
        return files if self.mask is None else {**files, "mask": self.mask}


@dataclass(frozen=True)
class PhantomSubject:
    """A subject drawn from a seed instead of read from files.

    Attributes:
        name: The subject's name.
        seed: The cohort's seed.
        number: The subject's number in the cohort.
        shape: `(x, y, z)` of the volumes.
        preprocessing: How the MR is z-scored; a phantom is not resampled.
    """

    name: str
    seed: int
    number: int
    shape: tuple[int, int, int]
    preprocessing: Preprocessing = AS_IN_PAPER

    def num_voxels(self) -> int:
        """Returns how many voxels the MR has."""
        return math.prod(self.shape)

    def check(self) -> None:
        """Does nothing: a phantom has no files that could be wrong."""

    def read(self) -> Pair:
        """Draws the volumes."""
        # Only who asks for phantoms pays for their machinery.
        from robmednas_tf.data.phantom import make_head

        head = make_head(self.shape, seed=self.seed, subject=self.number)
        mr, ct = head.mr.astype(np.float32), head.ct.astype(np.float32)
        # One head, on whatever grid it is drawn.
        identity = f"phantom {self.seed} {self.number}"
        return Pair(self.name, mr, ct, head.mask, head.affine, identity, self.preprocessing)

    def digest(self, of_file: Callable[[Path], str] = digest_of_file) -> str:
        """Returns the SHA-256 of the parameters and `PHANTOM_VERSION`, as hexadecimal digits."""
        drawn = (PHANTOM_VERSION, self.seed, self.number, tuple(self.shape))
        parameters = ("phantom", *drawn, self.preprocessing.to_dict())
        return hashlib.sha256(repr(parameters).encode()).hexdigest()


def find_file(folder: Path, role: str) -> Path | None:
    """Returns the path of a folder's `mr`, `ct` or `mask` file, or None where it has none.

    Raises:
        ValueError: If it holds one in two forms, such as `.nii.gz` and `.nii`.
    """
    try:
        found = [path for suffix in FORMATS if (path := folder / f"{role}{suffix}").is_file()]
    except PermissionError as error:
        raise ValueError(
            f"Folder {str(folder)!r} must be readable. Received: no permission. "
            "Change its permissions."
        ) from error
    if len(found) > 1:
        raise ValueError(
            f"Folder {str(folder)!r} must hold one {role} file. "
            f"Received: {' and '.join(path.name for path in found)}. Take one away."
        )
    return found[0] if found else None
