"""Subjects: where one patient's (or phantom's) MR and CT come from, and what they must fulfil.

A subject knows its files or its seed and reads on demand. Every rule on what it may hold is checked
here, at the door, so that the rooms above meet only volumes that fit together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy.ndimage import binary_fill_holes

from robmednas_tf.data.grid import SliceGrid
from robmednas_tf.data.intensities import AIR_HU, to_hu, zscore
from robmednas_tf.data.volumes import read_header, read_volume
from robmednas_tf.evaluation.regions import REGIONS

# Part of every phantom's digest: raise it when `make_head` changes what it draws.
PHANTOM_VERSION = 1

_SUFFIXES = (".nii.gz", ".nii")
_AFFINE_TOLERANCE_MM = 1e-3


@dataclass(frozen=True, eq=False)
class Pair:
    """One subject's volumes, all on one voxel grid.

    Attributes:
        subject: The subject's name.
        mr: float32 `(x, y, z)` in the file's axes, arbitrary units, finite and not constant.
        ct: float32 like `mr`, in HU, at least -1024.
        mask: uint8 like `mr`, 1 inside the body; None where the subject has none.
        affine: float64 `(4, 4)`, voxels to RAS+ millimetres.
        identity: What tells the patient apart, whatever the file's form and the grid of slices: no
            one may be in two parts of a split.
    """

    subject: str
    mr: np.ndarray
    ct: np.ndarray
    mask: np.ndarray | None
    affine: np.ndarray
    identity: str

    def slices(self, image_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns axial slices as a network sees them, from inferior to superior.

        Args:
            image_size: Slices are padded with background or cropped to this many pixels a side.

        Returns:
            MR, z-scored over the volume, and CT in HU, each float32
            `(slices, image_size, image_size, 1)`.
        """
        grid, mr = SliceGrid.of(self.mr.shape, self.affine, image_size), zscore(self.mr)
        return (
            grid.to_slices(mr, fill=float(mr.min()))[..., np.newaxis],
            grid.to_slices(self.ct, fill=AIR_HU)[..., np.newaxis],
        )

    def mask_slices(self, image_size: int) -> np.ndarray:
        """Returns the body mask as axial slices on `slices`' grid.

        Where the subject has no mask, everything on its CT that is not air, and the cavities that
        this encloses in an axial slice, is the body.

        Args:
            image_size: Slices are padded or cropped to this many pixels a side.

        Returns:
            uint8 `(slices, image_size, image_size)`, 1 inside the body.
        """
        grid = SliceGrid.of(self.ct.shape, self.affine, image_size)
        if self.mask is not None:
            return grid.to_slices(self.mask, fill=0)
        body = grid.to_slices(REGIONS["brain"].contains(self.ct), fill=False)
        return np.stack([binary_fill_holes(plane) for plane in body]).astype(np.uint8)


class Subject(Protocol):
    """What a cohort asks of its subjects."""

    @property
    def name(self) -> str:
        """The subject's name, unique in its cohort."""

    def read(self) -> Pair:
        """Reads the subject's volumes, or raises ValueError where a rule is broken."""

    def check(self) -> None:
        """Raises ValueError where that can be told without reading voxels."""

    def digest(self) -> str:
        """Returns a key that changes with whatever `read` would return."""


@dataclass(frozen=True)
class FolderSubject:
    """A subject whose MR, CT and (if any) mask are NIfTI files in one folder.

    Attributes:
        name: The subject's name.
        folder: Holds `mr`, `ct` and optionally `mask`, each `.nii.gz` or `.nii`.
        ct_bias: Added to the CT file's values to make them HU.
    """

    name: str
    folder: Path
    ct_bias: float = 0.0

    def check(self) -> None:
        """Checks the headers: the files exist and share one voxel grid.

        Raises:
            ValueError: If a file is missing or damaged, or the grids differ.
        """
        headers = {role: read_header(path, self.name) for role, path in self.files().items()}
        shape, affine = headers["mr"]
        for role in headers.keys() - {"mr"}:
            self._require_grid_of_mr(role, shape, affine, *headers[role])

    def read(self) -> Pair:
        """Reads the volumes.

        Raises:
            ValueError: If a file is missing or damaged, the grids differ, the MR is constant, or
                the CT cannot be HU.
        """
        self.check()
        files = self.files()
        mr, affine = read_volume(files["mr"], self.name)
        if mr.min() == mr.max():
            raise ValueError(
                f"MR of subject {self.name!r} ({files['mr']}) must not be constant. "
                f"Received: {mr.min():g} in every voxel. Take the subject out of the folder."
            )
        values, _ = read_volume(files["ct"], self.name)
        ct = to_hu(values, self.ct_bias, f"CT of subject {self.name!r} ({files['ct']})")
        mask = None
        if "mask" in files:
            mask = (read_volume(files["mask"], self.name)[0] > 0).astype(np.uint8)
        identity = hashlib.sha256(f"{mr.shape}".encode() + mr.tobytes()).hexdigest()
        return Pair(self.name, mr, ct, mask, affine, identity)

    def digest(self) -> str:
        """Returns the SHA-256 of the files' bytes and the bias, as hexadecimal digits."""
        digest = hashlib.sha256(f"ct_bias {float(self.ct_bias)!r}".encode())
        for role, path in self.files().items():
            # Names and sizes part the files, so that no byte can pass from one to the next.
            digest.update(f"\n{role} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        return digest.hexdigest()

    def files(self) -> dict[str, Path]:
        """Returns the paths of `mr`, `ct` and, where there is one, `mask`.

        Raises:
            ValueError: If there is no MR or no CT, or one of the three in two forms.
        """
        found = {role: find_file(self.folder, role) for role in ("mr", "ct", "mask")}
        for role in ("mr", "ct"):
            if found[role] is None:
                raise ValueError(
                    f"Subject {self.name!r} must have an MR and a CT. "
                    f"Missing: '{self.folder / role}.nii.gz' (or .nii)."
                )
        return {role: path for role, path in found.items() if path is not None}

    def _require_grid_of_mr(
        self,
        role: str,
        mr_shape: tuple[int, ...],
        mr_affine: np.ndarray,
        shape: tuple[int, ...],
        affine: np.ndarray,
    ) -> None:
        name = {"ct": "CT"}.get(role, role)
        if shape != mr_shape:
            received = f"mr {mr_shape}, {role} {shape}"
        elif not np.allclose(affine, mr_affine, rtol=0, atol=_AFFINE_TOLERANCE_MM):
            received = f"affines that differ by up to {np.abs(affine - mr_affine).max():.3g} mm"
        else:
            return
        raise ValueError(
            f"MR and {name} of subject {self.name!r} in {str(self.folder)!r} must share one voxel "
            f"grid. Received: {received}. Resample the {name} onto the MR grid."
        )


@dataclass(frozen=True)
class PhantomSubject:
    """A subject drawn from a seed instead of read from files.

    Attributes:
        name: The subject's name.
        seed: The cohort's seed.
        number: The subject's number in the cohort.
        shape: `(x, y, z)` of the volumes.
    """

    name: str
    seed: int
    number: int
    shape: tuple[int, int, int]

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
        return Pair(self.name, mr, ct, head.mask, head.affine, identity)

    def digest(self) -> str:
        """Returns the SHA-256 of the parameters and `PHANTOM_VERSION`, as hexadecimal digits."""
        parameters = ("phantom", PHANTOM_VERSION, self.seed, self.number, tuple(self.shape))
        return hashlib.sha256(repr(parameters).encode()).hexdigest()


def find_file(folder: Path, role: str) -> Path | None:
    """Returns the path of a folder's `mr`, `ct` or `mask` file, or None where it has none.

    Raises:
        ValueError: If it holds both a `.nii.gz` and a `.nii`.
    """
    found = [path for suffix in _SUFFIXES if (path := folder / f"{role}{suffix}").is_file()]
    if len(found) > 1:
        raise ValueError(
            f"Folder {str(folder)!r} must hold one {role} file. "
            f"Received: {' and '.join(path.name for path in found)}. Take one away."
        )
    return found[0] if found else None
