"""Whether a step has left what it should, and what of that may go."""

from __future__ import annotations

import csv
import json
import math
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from robmednas_tf.cli.run_record import read_flags
from robmednas_tf.models.architecture import load_architecture
from robmednas_tf.search.outcome import OUTCOME_FILE
from robmednas_tf.study.steps import Step

# Networks' weights and training states, wherever below a step's folder.
_HEAVY_FILES = ("*.keras", "*.npz", "*.onnx")
_HEAVY_FOLDERS = ("saved_model",)


def require_left(step: Step, folder: Path) -> None:
    """Checks that a step has left what later steps and the report read.

    Args:
        step: Which has ended without an error.
        folder: With its results.

    Raises:
        ValueError: If something is missing or damaged.
    """
    try:
        _CHECKS[step.command](step, folder)
    except (OSError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"Step {step.name!r} has ended without an error, but what it left in {str(folder)!r} "
            f"cannot be used: {error}."
        ) from error


def _check_search(step: Step, folder: Path) -> None:
    load_architecture(folder / "best_architecture.json")
    outcome = json.loads((folder / OUTCOME_FILE).read_text(encoding="utf-8"))
    if not outcome["scores"]:
        raise ValueError("no trial has a score")


def _check_training(step: Step, folder: Path) -> None:
    made = read_training(folder)
    if not math.isfinite(made["history"]["val_loss"][made["best_epoch"]]):
        raise ValueError("the kept epoch has no validation loss")
    with zipfile.ZipFile(folder / "model" / "model.keras") as file:
        damaged = file.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} in model.keras is damaged")


def _check_evaluation(step: Step, folder: Path) -> None:
    names = [each.partition("=")[0] for each in read_flags(folder)["models"].split(",")]
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        found = {row["model"] for row in csv.DictReader(file)}
    if not set(names) <= found:
        raise ValueError(f"metrics.csv lacks {', '.join(sorted(set(names) - found))}")


def _check_nothing(step: Step, folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError("the folder is missing")


_CHECKS: Mapping[str, Callable[[Step, Path], None]] = {
    "search": _check_search,
    "train": _check_training,
    "eval": _check_evaluation,
    "draw": _check_nothing,
    "pick": _check_training,
    "collect": _check_nothing,
}


def read_training(folder: Path) -> dict[str, Any]:
    """Returns what a training's `training.json` says."""
    return json.loads((folder / "model" / "training.json").read_text(encoding="utf-8"))


def remove_weights(folder: Path) -> None:
    """Removes all weights and training states below a step's folder; results stay."""
    for name in _HEAVY_FOLDERS:
        for path in list(folder.rglob(name)):
            shutil.rmtree(path, ignore_errors=True)
    for pattern in _HEAVY_FILES:
        for path in folder.rglob(pattern):
            path.unlink(missing_ok=True)


def has_weights(folder: Path) -> bool:
    """Tells whether there are weights below a step's folder."""
    return any(any(folder.rglob(pattern)) for pattern in _HEAVY_FILES)


def bytes_of(folder: Path) -> int:
    """Returns how many bytes the files below a folder have."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
