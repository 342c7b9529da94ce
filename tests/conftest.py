"""Subjects that many tests read: tiny ones drawn here, and real ones where they lie."""

from __future__ import annotations

import contextlib
import importlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    ornt_transform,
)

from robmednas_tf.evaluation.regions import REGIONS

SPACING_MM = (2.0, 2.5, 4.0)


@pytest.fixture(scope="session")
def sts() -> Path:
    """The folder of ten real patients; skips where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "sts"
    folder = Path(os.environ.get("ROBMEDNAS_STS", beside))
    if not folder.is_dir():
        pytest.skip("The real patients are absent: set ROBMEDNAS_STS to their folder.")
    return folder


@pytest.fixture(scope="session")
def reference() -> Callable[[str], ModuleType]:
    """Imports a library that ours is compared with; where it is absent, the test is skipped.

    With ROBMEDNAS_REFERENCES set, as the project's own checks set it, it fails instead.
    """

    def library(module: str) -> ModuleType:
        if os.environ.get("ROBMEDNAS_REFERENCES"):
            return importlib.import_module(module)
        reason = f"{module.partition('.')[0]} is absent: see CONTRIBUTING.md."
        return pytest.importorskip(module, reason=reason, exc_type=ImportError)

    return library


def _head(shape: tuple[int, int, int], seed: int) -> dict[str, np.ndarray]:
    """Draws an ellipsoid of soft tissue in a shell of bone, with a cavity, in RAS+ order."""
    rng = np.random.default_rng(seed)
    axes = [np.linspace(-1, 1, size) for size in shape]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt((x / 0.85) ** 2 + (y / 0.95) ** 2 + (z / 1.6) ** 2)
    # Off centre on every axis, so that a flip cannot hide.
    cavity = (x - 0.2) ** 2 + (y - 0.4) ** 2 + (z + 0.3) ** 2 < 0.06
    ct = np.select([cavity, radius < 0.75, radius < 0.92, radius < 1], [-1000, 40, 900, 20], -1000)
    mr = np.select([cavity, radius < 0.75, radius < 0.92, radius < 1], [5, 600, 60, 900], 5)
    body = radius < 1
    return {
        "mr": (mr * (1 + 0.1 * x) + rng.uniform(0, 20, shape)).astype(np.int16),
        "ct": (ct + rng.integers(-10, 10, shape) * body).astype(np.int16),
        "mask": body.astype(np.uint8),
    }


@pytest.fixture(scope="session")
def write_subject() -> Callable[..., Path]:
    """A function that writes a tiny subject in SynthRAD2023's layout and returns its folder."""

    def write(
        folder: Path, shape: tuple[int, int, int] = (20, 24, 6), axes: str = "RAS", seed: int = 0
    ) -> Path:
        """Draws a head of `shape` in RAS+ order and stores it with `axes` as its axis codes."""
        folder.mkdir(parents=True, exist_ok=True)
        turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(axes))
        affine = np.diag([*SPACING_MM, 1.0])
        affine[:3, 3] = (-20.0, -30.0, 5.0)
        for role, volume in _head(shape, seed).items():
            image = nib.Nifti1Image(
                apply_orientation(volume, turn), affine @ inv_ornt_aff(turn, shape)
            )
            nib.save(image, folder / f"{role}.nii.gz")
        return folder

    return write


@pytest.fixture
def cohort_folder(tmp_path: Path, write_subject: Callable[..., Path]) -> Path:
    """A folder of five tiny subjects of differing shapes and axis codes; one has no mask."""
    folder = tmp_path / "brain"
    grids = {
        "1BA001": ((20, 24, 6), "RAS"),
        "1BA005": ((23, 21, 5), "LPS"),
        "1BB012": ((18, 27, 7), "PSL"),
        "1BC003": ((26, 26, 4), "SAR"),
        "1BC044": ((21, 22, 6), "LAI"),
    }
    for seed, (name, (shape, axes)) in enumerate(grids.items()):
        write_subject(folder / name, shape, axes, seed)
    (folder / "1BC003" / "mask.nii.gz").unlink()
    (folder / "overview").mkdir()
    return folder


@pytest.fixture(scope="session")
def prepared_heads(tmp_path_factory):
    """Four made-up heads of eight 16 x 16 slices, prepared."""
    from robmednas_tf.data.cohort import open_phantom
    from robmednas_tf.data.prepared import SliceCache

    cache = SliceCache(tmp_path_factory.mktemp("cache"), image_size=16)
    return [cache.prepare(subject) for subject in open_phantom(4, (16, 16, 8), seed=0)]


@pytest.fixture(scope="session")
def make_outcome():
    """A function that makes up what a search has ended with; keywords replace what it holds."""
    from robmednas_tf.models.architecture import Architecture, Block
    from robmednas_tf.search.outcome import SearchOutcome

    def metrics(dice: float) -> dict[str, float]:
        names = ("", *(f"_{region}" for region in REGIONS))
        conditions = {"clean": dice, "adversarial": dice - 0.1}
        return {
            f"{condition}_{kind}{name}": value if kind == "dice" else 500 * (1 - value)
            for condition, value in conditions.items()
            for kind in ("dice", "mae")
            for name in names
        }

    def make(first: float = 0.8, confirmed: float | None = None, **changes: Any) -> SearchOutcome:
        new = 0.0 if confirmed is None else confirmed
        values: dict[str, Any] = {
            "seed": 0,
            "trial_id": "0003",
            "architecture": Architecture((Block("1000", 8),), (Block("0100", 8, 4),)),
            "parameters": 1234,
            "scores": [first - 0.3, first - 0.1, first - 0.2],
            "num_failed": 1,
            "first": metrics(first),
            "confirmed": {} if confirmed is None else metrics(new),
            "num_confirmed": 0 if confirmed is None else 2,
            "search_test": metrics(first - 0.05),
            "held_out": metrics(first - 0.1),
            "seconds": 90.0,
        }
        return SearchOutcome(**{**values, **changes})

    return make


@contextlib.contextmanager
def _parsed(flag_values: flags.FlagValues, *arguments: str) -> Iterator[flags.FlagValues]:
    from robmednas_tf.cli import command

    saved = flagsaver.save_flag_values(flag_values)
    try:
        command.parse_flags(["command", *arguments], flag_values)
        yield flag_values
    finally:
        flagsaver.restore_flag_values(saved, flag_values)


@pytest.fixture(scope="session")
def parsed():
    """A context manager: a command's flags, parsed from arguments and put back afterwards."""
    return _parsed


@pytest.fixture
def on_small_disk(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs a command beside a disk of a given size, which no one else sees.

    Skips where the system lets nobody mount one. The command's arguments may name the disk's
    folder as `{disk}`.
    """
    disk = tmp_path / "small_disk"
    disk.mkdir()
    # In a namespace of its own, the disk goes when its processes end, however they do.
    inside = f"mount -t tmpfs -o size=$0 tmpfs {shlex.quote(str(disk))} && exec"
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    allowed = (
        shutil.which("unshare") is not None
        and not subprocess.run(
            [*namespace, f"{inside} true", "64k"], capture_output=True, check=False
        ).returncode
    )

    def run(
        command: Sequence[str], size: str = "1m", **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs `command`; `size` as in `mount`, `settings` as in `subprocess.run`."""
        if not allowed:
            pytest.skip("This system lets nobody mount a small disk in a namespace (unshare -rm).")
        arguments = [argument.replace("{disk}", str(disk)) for argument in command]
        return subprocess.run(
            [*namespace, f'{inside} "$@"', size, *arguments],
            **{"capture_output": True, "text": True, "check": False, **settings},
        )

    return run
