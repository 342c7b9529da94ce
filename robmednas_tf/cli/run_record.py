"""What every run leaves of itself: flags, machine and subjects; and what is read from there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import flags

from robmednas_tf.adversarial import AdversarialConfig
from robmednas_tf.cli.command import flag_file
from robmednas_tf.cli.environment import describe_environment
from robmednas_tf.config import PHANTOM, DataConfig
from robmednas_tf.data.identity import same_patient
from robmednas_tf.files import write_json, write_text


def write_record(
    folder: Path,
    command: str,
    flag_values: flags.FlagValues,
    data: DataConfig,
    effective: Mapping[str, object],
    split: Mapping[str, Any],
    executor: Mapping[str, Any] | None = None,
) -> None:
    """Writes `flags.cfg`, `environment.json` and `split.json` into a run's folder.

    Args:
        folder: The run's folder.
        command: What kind of run it is: "search", "training" or "evaluation".
        flag_values: The command's flags.
        data: Where the subjects come from.
        effective: What stands for the values given; paths are made absolute besides.
        split: Who served for what, ready for JSON; `identities` tells the subjects apart.
        executor: Where networks are trained, ready for JSON, where that may be elsewhere.
    """
    absolute: dict[str, object] = {
        "output_dir": folder,
        "cache_dir": data.cache_dir.resolve(),
        "spacing_mm": ",".join(f"{each!r}" for each in data.preprocessing.spacing_mm),
        "zscore": data.preprocessing.zscore,
    }
    if data.data != PHANTOM:
        absolute["data"] = Path(data.data).expanduser().resolve()
    write_text(folder / "flags.cfg", flag_file(flag_values, absolute | dict(effective)))
    trained = {} if executor is None else {"executor": dict(executor)}
    write_json(folder / "environment.json", describe_environment() | trained)
    write_json(folder / "split.json", {"command": command, **split})


def require_own_folder(folder: Path, command: str) -> None:
    """Refuses a folder that holds another kind of run, whose record would be lost.

    Raises:
        ValueError: If it does.
    """
    try:
        other = _read_split(folder).get("command", command)
    except ValueError:
        # A damaged record is written anew.
        return
    if other != command:
        raise ValueError(
            f"Folder {str(folder)!r} holds a run of another kind ({other}). "
            "Give another --output_dir."
        )


def read_flags(folder: Path) -> dict[str, str]:
    """Returns the flags of the run in `folder` by name; empty where it left none."""
    try:
        text = (folder / "flags.cfg").read_text(encoding="utf-8")
    except OSError:
        return {}
    return flags_in(text)


def flags_in(text: str) -> dict[str, str]:
    """Returns the values by name in the text of a flag file, as `flag_file` writes it."""
    pairs = (line.lstrip("-").partition("=") for line in text.splitlines())
    return {name: value if mark else "true" for name, mark, value in pairs}


def read_used(folder: Path) -> dict[str, str] | None:
    """Returns the subjects that the run in `folder` has seen before testing.

    Returns:
        Names by identity, of all that trained, validated or scored candidates, also in the search
        that found the architecture. None where no record says so.

    Raises:
        ValueError: If there is a record, but it is damaged.
    """
    split = _read_split(folder)
    try:
        known = split["identities"]
        names = {*split["cohort"]["train"], *split["cohort"]["validation"]}
        return {known[name]: name for name in names} | split.get("used_by_search", {})
    except (KeyError, TypeError):
        return None


def _read_split(folder: Path) -> dict[str, Any]:
    path = folder / "split.json"
    if not path.is_file():
        return {}
    try:
        split = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"File {str(path)!r}, which says whom the run has seen, is damaged: {error}. "
            "Restore it, or run the command of that folder again."
        ) from error
    return split if isinstance(split, dict) else {}


def require_unused(
    identities: Mapping[str, str], used: Mapping[str, str], source: str, remedy: str
) -> None:
    """Refuses test subjects that a model, or the search for its architecture, has seen.

    Args:
        identities: Of the test subjects, by name.
        used: Names by identity, as from `read_used`.
        source: What has seen them, such as `"Model 'baseline'"`.
        remedy: What to do.

    Raises:
        ValueError: If a test subject was seen.
    """
    seen = [name for name, identity in identities.items() if same_patient(identity, used)]
    if seen:
        raise ValueError(
            f"Test subjects must be new to what is tested. {source} has seen "
            f"{_listed(seen)} in training or selection. {remedy}"
        )


def _listed(names: Iterable[str], at_most: int = 5) -> str:
    names = [repr(name) for name in names]
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def describe_training(recipe: Mapping[str, Any]) -> str:
    """Returns in a few words how a network was trained.

    Args:
        recipe: As in a run's `training.json`.
    """
    adversarial = recipe.get("adversarial")
    if not adversarial:
        return "regular"
    return f"adversarial: {AdversarialConfig.from_dict(adversarial).in_words}"
