"""Repeats of trials on disk: one record each, which is all that a confirmation knows of itself.

A search's folder holds `confirmations/<trial>-<repeat>.json` for every further training of a
candidate, and beside it, while that goes on, the state of the training.
"""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robmednas_tf.files import write_json
from robmednas_tf.search.trials import COMPLETED, FAILED, RUNNING, as_numbers, sayable


@dataclass(frozen=True)
class RepeatRecord:
    """What is known of one further training of a candidate.

    Attributes:
        trial_id: The candidate's trial.
        repeat: Number of the repeat, from 1; the trial itself was the first training.
        recipe: All that the score follows from, as it reads back from JSON.
        status: "RUNNING" (also where its process has died), "COMPLETED" or "FAILED".
        attempts: How many times it was started; counted before each start.
        score: Value of the objective; finite in a completed repeat, else None.
        metrics: Every metric of the network, as a trial's.
        message: Why it failed, in one line.
        traceback: The whole traceback where there was one.
        seconds: How long the last attempt took.

    Raises:
        ValueError: If a number or the status is outside its domain, or a completed repeat has no
            finite score.
        TypeError: If a field is of the wrong type.
    """

    trial_id: str
    repeat: int
    recipe: dict[str, Any] = field(repr=False)
    status: str = RUNNING
    attempts: int = 0
    score: float | None = None
    metrics: dict[str, float] = field(default_factory=dict, repr=False)
    message: str | None = None
    traceback: str | None = field(default=None, repr=False)
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.recipe, dict) and isinstance(self.metrics, dict)):
            raise TypeError("a repeat's recipe and metrics must be of type dict.")
        if not isinstance(self.seconds, (int, float, type(None))):
            raise TypeError(f"a repeat cannot take {self.seconds!r} seconds.")
        if self.repeat < 1 or self.attempts < 0:
            raise ValueError(f"there is no repeat {self.repeat} with {self.attempts} attempts.")
        if self.status not in (RUNNING, COMPLETED, FAILED):
            raise ValueError(f"a repeat's status cannot be {self.status!r}.")
        if (self.status == COMPLETED) != isinstance(self.score, float) or (
            self.score is not None and not math.isfinite(self.score)
        ):
            raise ValueError(f"a repeat that is {self.status} cannot score {self.score!r}.")

    @property
    def is_over(self) -> bool:
        """Whether it has its score, or has failed for good."""
        return self.status != RUNNING

    def to_dict(self) -> dict[str, Any]:
        """Returns the record as a JSON-ready dictionary; NaN becomes None."""
        return {**dataclasses.asdict(self), "metrics": sayable(self.metrics)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RepeatRecord:
        """Builds a record from `to_dict`'s form.

        Raises:
            ValueError: If a value is outside its domain.
            TypeError: If a key is missing or unknown, or a value is of the wrong type.
        """
        record = cls(**values)
        return dataclasses.replace(record, metrics=as_numbers(record.metrics))


def repeat_path(folder: Path, trial_id: str, repeat: int) -> Path:
    """Returns where the search in `folder` keeps the record of a repeat."""
    return folder / "confirmations" / f"{trial_id}-{repeat}.json"


def checkpoint_path(folder: Path, trial_id: str, repeat: int) -> Path:
    """Returns where a repeat keeps the state of its training until it ends."""
    return repeat_path(folder, trial_id, repeat).with_suffix(".npz")


def write_repeat(folder: Path, record: RepeatRecord) -> None:
    """Writes a record into the search in `folder`, atomically."""
    write_json(repeat_path(folder, record.trial_id, record.repeat), record.to_dict())


def read_repeat(
    folder: Path, trial_id: str, repeat: int, recipe: Mapping[str, Any]
) -> RepeatRecord | None:
    """Reads the record of a repeat.

    Args:
        folder: The search's folder.
        trial_id: The candidate's trial.
        repeat: Number of the repeat.
        recipe: What its score has to follow from.

    Returns:
        None where there is no record, where it is of another recipe, or where it is damaged, which
        is said in a `RuntimeWarning`.
    """
    path = repeat_path(folder, trial_id, repeat)
    if not path.exists():
        return None
    try:
        record = RepeatRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
        if (record.trial_id, record.repeat) != (trial_id, repeat):
            raise ValueError(f"it holds repeat {record.repeat} of trial {record.trial_id}.")
    except (OSError, ValueError, TypeError) as error:
        warnings.warn(
            f"File {str(path)!r} is damaged, and its training is repeated: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return record if record.recipe == recipe else None
