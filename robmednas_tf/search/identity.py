"""What makes a search the same search: the settings in its folder's `search.json`.

A search goes on in a folder only under the settings it was started with, or its trials would
not compare.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras_tuner

from robmednas_tf.differences import differences, shown

FORMAT = 1
_KINDS: dict[str, type | tuple[type, ...]] = {
    **{"format": int, "oracle": str, "objective": (dict, list), "seed": int, "space": list},
    **{"settings": dict, "found": list, "num_startup_trials": int},
}
# What folders of searches that began before these settings existed do not say.
_UNSAID: Mapping[str, Any] = {"further_objectives": []}


def read_identity(folder: Path) -> dict[str, Any] | None:
    """Returns what `search.json` in `folder` holds, or None where there is none yet.

    Raises:
        keras_tuner.errors.FatalValueError: If the file is there but cannot be read.
    """
    path = folder / "search.json"
    if not path.exists():
        return None
    try:
        identity = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(identity, dict) or not all(
            isinstance(identity.get(name), kind) for name, kind in _KINDS.items()
        ):
            raise ValueError("it does not hold a search's settings")
    except (OSError, ValueError) as error:
        raise keras_tuner.errors.FatalValueError(
            f"File {str(path)!r}, which says how the search was set up, cannot be read: {error}. "
            "Restore it, or give another --output_dir."
        ) from error
    return {**_UNSAID, **identity}


def describe_objective(objective: Any) -> Any:
    """Returns a KerasTuner objective as a JSON-ready name and direction."""
    return {"name": objective.name, "direction": objective.direction}


def as_json(values: Any) -> Any:
    """Returns `values` as they read back from JSON, tuples as lists.

    Raises:
        ValueError: If they are not ready for JSON.
    """
    try:
        return json.loads(json.dumps(values, allow_nan=False))
    except TypeError as error:
        raise ValueError(f"A search's settings must be ready for JSON: {error}.") from error


def refuse_differences(saved: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Refuses to go on in a folder under other settings than it was started with.

    Args:
        saved: Settings in the folder.
        now: Settings given now; only these keys are compared.
        folder: The search's folder.

    Raises:
        keras_tuner.errors.FatalValueError: If they differ, naming each that does with both values.
    """
    found = list(_differences(saved, now))
    if found:
        raise keras_tuner.errors.FatalValueError(
            f"The search in {str(folder)!r} was started with other settings. "
            f"{'; '.join(found)}. Give another --output_dir, or the folder's settings."
        )


def _differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for key, value in now.items():
        before = saved.get(key)
        if before == value:
            continue
        if key == "space":
            yield _space_difference(before or [], value)
        elif key == "settings":
            yield from differences(before or {}, value)
        else:
            yield f"{key}: {shown(before)} in the folder, {shown(value)} now"


def _space_difference(saved: list[Any], now: list[Any]) -> str:
    pairs = itertools.zip_longest(saved, now)
    before, after = next((pair for pair in pairs if pair[0] != pair[1]), (None, None))
    counts = f"space: {len(saved)} hyperparameters in the folder, {len(now)} now"
    return f"{counts}, first apart at {_hyperparameter(before)} in the folder, " + (
        f"{_hyperparameter(after)} now"
    )


def _hyperparameter(config: Mapping[str, Any] | None) -> str:
    if config is None:
        return "nothing"
    rest = {key: value for key, value in config["config"].items() if key != "name"}
    return f"{config['class_name']} {config['config']['name']!r} {shown(rest)}"
