"""Which steps of a study are done: a mark each, written last, that says under what settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from robmednas_tf.differences import shown
from robmednas_tf.files import write_json
from robmednas_tf.study.steps import Plan, Step

MARK_FILE = "done.json"


@dataclass(frozen=True)
class Mark:
    """What is noted of a step that is done.

    Attributes:
        command: As the step's.
        arguments: As the step's.
        seconds: How long its last attempt took.
        host: Which machine ended it.
        same_as: The step that had done its work already; None where it was done itself.
        found: What later steps need of it, ready for JSON.
    """

    command: str
    arguments: tuple[str, ...]
    seconds: float
    host: str
    same_as: str | None = None
    found: Mapping[str, Any] = field(default_factory=dict)


class Marks:
    """The marks in a study's folder.

    Args:
        folder: The study's.
        plan: Whose steps they are of.
    """

    def __init__(self, folder: Path, plan: Plan):
        self.folder, self.plan = folder, plan
        self._known: dict[str, Mark] = {}

    def __contains__(self, name: str) -> bool:
        return self.read(name) is not None

    def read(self, name: str) -> Mark | None:
        """Returns the mark of a step; None where the step is not done, or its mark is damaged.

        Raises:
            ValueError: If the step was done under other settings.
        """
        if name not in self._known:
            step = self.plan[name]
            mark = _read(self._path(step))
            if mark is None or (step.is_renewed and not _is_same(step, mark)):
                return None
            _require_same(step, mark, self.folder)
            self._known[name] = mark
        return self._known[name]

    def write(self, name: str, mark: Mark) -> None:
        """Marks a step as done, atomically.

        Raises:
            OSError: If the mark cannot be written.
        """
        write_json(self._path(self.plan[name]), asdict(mark))
        self._known[name] = mark

    def remove(self, name: str) -> None:
        """Takes a step's mark away: it is to be done anew."""
        self._path(self.plan[name]).unlink(missing_ok=True)
        self._known.pop(name, None)

    def source_of(self, name: str) -> Path:
        """Returns the folder with the results of a step that is done: its own or its twin's."""
        mark = self.read(name)
        other = mark.same_as if mark is not None else None
        return self.folder / self.plan[other or name].folder

    def _path(self, step: Step) -> Path:
        return self.folder / step.folder / MARK_FILE


def _read(path: Path) -> Mark | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Mark(**{**values, "arguments": tuple(values["arguments"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _is_same(step: Step, mark: Mark) -> bool:
    return (mark.command, mark.arguments) == (step.command, step.arguments)


def _require_same(step: Step, mark: Mark, folder: Path) -> None:
    if _is_same(step, mark):
        return
    before, now = (_by_flag(each) for each in (mark.arguments, step.arguments))
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    found = [
        f"{name}: {shown(before.get(name))} in the folder, {shown(now.get(name))} now"
        for name in names[:3]
    ]
    raise ValueError(
        f"Step {step.name!r} of the study in {str(folder)!r} was done with other settings. "
        f"{'; '.join(found)}. Give another --output_dir, or the folder's settings."
    )


def _by_flag(arguments: tuple[str, ...]) -> dict[str, str]:
    pairs = (argument.partition("=") for argument in arguments)
    return {name: value if mark else "true" for name, mark, value in pairs}
