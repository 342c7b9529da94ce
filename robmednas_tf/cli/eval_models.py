"""The models of an evaluation: what `--models` names, found and checked without TensorFlow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from robmednas_tf.cli.run_record import describe_training, read_used
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE

# Where the runs of other commands keep their exported model.
_MODEL_FOLDERS = ("best_model", "model", ".")
_NAME = re.compile(r"[^\s/\\,=|][^/\\,=|]*")


@dataclass(frozen=True)
class ModelSource:
    """Where a model lies.

    Attributes:
        name: What the user calls it.
        path: A `.keras` file, or a SavedModel's folder.
        run: The folder of the run that made it; None where no run's record is there.
    """

    name: str
    path: Path
    run: Path | None

    @property
    def used(self) -> dict[str, str] | None:
        """Subjects that it has seen, names by identity; None where no record says so."""
        return None if self.run is None else read_used(self.run)

    @property
    def training(self) -> str:
        """How it was trained, in a few words."""
        try:
            made = json.loads((self.path.parent / "training.json").read_text(encoding="utf-8"))
            return describe_training(made["recipe"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "not known"


def parse_models(texts: Iterable[str]) -> tuple[ModelSource, ...]:
    """Reads `--models`: `name=PATH`, each a run's folder, a `.keras` file or a SavedModel.

    Raises:
        ValueError: If there is none, one is malformed or absent, or a name stands twice.
    """
    sources = tuple(_parse(text) for text in texts if text)
    if not sources:
        raise ValueError(
            "An evaluation needs models: --models=name=PATH,name=PATH, each a run's folder, a "
            ".keras file or a SavedModel. Received: none."
        )
    # Not by case alone: some disks take such files for one.
    names = [source.name.casefold() for source in sources]
    twice = sorted({source.name for source in sources if names.count(source.name.casefold()) > 1})
    if twice:
        raise ValueError(f"Models must have different names. Received twice: {', '.join(twice)}.")
    return sources


def _parse(text: str) -> ModelSource:
    name, mark, path = text.partition("=")
    if not mark or not path or not _NAME.fullmatch(name) or name == LOOKUP_TABLE:
        raise ValueError(
            f"A model must be written as name=PATH, such as baseline=runs/baseline. The name has "
            f"no comma, slash or bar, and is not {LOOKUP_TABLE!r}. Received: {text!r}."
        )
    given = Path(path).expanduser()
    found = find_model(given)
    if found is None:
        raise ValueError(
            f"Model {name!r} must be the folder of a run that has ended, a .keras file or a "
            f"SavedModel. Received: {path!r}, which {what_is_wrong(given)}."
        )
    return ModelSource(name, found.resolve(), run_of(found))


def find_model(path: Path) -> Path | None:
    """Returns the model that `path` names: a run's, or the file or SavedModel itself."""
    if path.is_file():
        return path if path.suffix == ".keras" else None
    if (path / "saved_model.pb").is_file():
        return path
    files = [path / folder / "model.keras" for folder in _MODEL_FOLDERS]
    return next((file for file in files if file.is_file()), None)


def run_of(path: Path) -> Path | None:
    """Returns the folder of the run that made a model; None where no record is there."""
    folders = (path.resolve().parent, path.resolve().parent.parent)
    return next((folder for folder in folders if (folder / "split.json").is_file()), None)


def what_is_wrong(path: Path) -> str:
    """Says in a few words why `find_model` finds nothing there."""
    if not path.exists():
        return "does not exist"
    if path.is_file():
        return "is a file of another kind"
    if (path / "results").is_dir():
        return "is an evaluation"
    if (path / "split.json").is_file():
        return "is a run that has no model yet"
    return "holds no model"
