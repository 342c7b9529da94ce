"""A search's trials on disk: one record each, which is all that a search knows of itself.

A search's folder holds `trials/<id>/trial.json` for every trial. Nothing else about a trial is
kept anywhere, so a search that is killed at any moment can be rebuilt from what is there.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robmednas_tf.files import write_json

RUNNING, COMPLETED, FAILED, PRUNED = "RUNNING", "COMPLETED", "FAILED", "PRUNED"


@dataclass(frozen=True)
class TrialRecord:
    """What is known of one trial.

    Attributes:
        trial_id: The number in four digits or more, which is also the folder's name.
        number: Place in the order in which trials were proposed, from 0.
        status: "RUNNING" (also where its process has died), "COMPLETED", "FAILED" or "PRUNED"
            (stopped at a rung; its scores there are in the details).
        attempts: How many times the trial was started; counted before each start.
        source: Where the values come from: "startup" (random, before the model has enough to go
            by), "model" or "random".
        values: Values of the active hyperparameters.
        score: Value of the objective; finite in a completed trial, else None.
        metrics: Every metric reported by the last attempt, at its best step; of a trial that was
            stopped, at its last rung.
        best_step: Step (epoch) at which the objective was best.
        message: Why the trial failed, or its last attempt did, in one line.
        traceback: The whole traceback where there was one.
        started_at: When the last attempt started, ISO 8601 in UTC.
        seconds: How long the last attempt took.
        retries: How many attempts ended without a score and were followed by another.
        details: Whatever else the tuner notes, ready for JSON; NaN reads back as None.
        found: Configurations of the hyperparameters that were first met in this trial's build.

    Raises:
        ValueError: If the id and the number disagree, the status is unknown, or a completed trial
            has no finite score.
        TypeError: If a field is of the wrong type.
    """

    trial_id: str
    number: int
    status: str
    attempts: int
    source: str
    values: dict[str, Any]
    score: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    best_step: int = 0
    message: str | None = None
    traceback: str | None = None
    started_at: str | None = None
    seconds: float | None = None
    retries: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    found: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        _require_types(self, int, "number", "attempts", "best_step", "retries")
        _require_types(self, dict, "values", "metrics", "details")
        _require_types(self, list, "found")
        _require_types(self, (str, type(None)), "message", "traceback", "started_at", "source")
        _require_types(self, (int, float, type(None)), "seconds")
        if self.trial_id != id_of(self.number):
            raise ValueError(f"trial {self.number} cannot have the id {self.trial_id!r}.")
        if self.status not in (RUNNING, COMPLETED, FAILED, PRUNED):
            raise ValueError(f"a trial's status cannot be {self.status!r}.")
        if self.status == COMPLETED and not (
            isinstance(self.score, float) and math.isfinite(self.score)
        ):
            raise ValueError(f"a completed trial needs a finite score, not {self.score!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Returns the record as a JSON-ready dictionary; NaN becomes None."""
        values = dataclasses.asdict(self)
        return {**values, **{name: sayable(values[name]) for name in ("metrics", "details")}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrialRecord:
        """Builds a record from `to_dict`'s form.

        Raises:
            ValueError: If a value is outside its domain.
            TypeError: If a key is missing or unknown, or a value is of the wrong type.
        """
        record = cls(**values)
        return dataclasses.replace(record, metrics=as_numbers(record.metrics))


def id_of(number: int) -> str:
    """Returns the id of the trial with this number."""
    return f"{number:04d}"


def trial_folder(folder: Path, trial_id: str) -> Path:
    """Returns where a trial of the search in `folder` keeps its files."""
    return folder / "trials" / trial_id


def trial_path(folder: Path, trial_id: str) -> Path:
    """Returns where a trial's record is."""
    return trial_folder(folder, trial_id) / "trial.json"


def weights_path(folder: Path, trial_id: str) -> Path:
    """Returns where a trial's weights are while they are kept."""
    return trial_folder(folder, trial_id) / "weights.npz"


def checkpoint_path(folder: Path, trial_id: str) -> Path:
    """Returns where a trial keeps the state of its training until it ends."""
    return trial_folder(folder, trial_id) / "checkpoint.npz"


def write_trial(folder: Path, record: TrialRecord) -> None:
    """Writes a record into the search in `folder`, atomically.

    Raises:
        TypeError: If the record holds what JSON cannot say.
    """
    write_json(trial_path(folder, record.trial_id), record.to_dict())


def read_trials(folder: Path) -> tuple[list[TrialRecord], list[tuple[Path, str]]]:
    """Reads every trial of the search in `folder`.

    Returns:
        The records by number, and the files that could not be read, each with the reason. A
        trial's folder without a file belongs to a trial that never started, and is left out.
    """
    records, damaged = [], []
    for path in sorted((folder / "trials").glob("*/trial.json")):
        try:
            records.append(_read_trial(path))
        except (OSError, ValueError, TypeError) as error:
            damaged.append((path, str(error)))
    return sorted(records, key=lambda record: record.number), damaged


def best(records: Iterable[TrialRecord], direction: str, n: int = 1) -> list[TrialRecord]:
    """Returns the `n` completed trials with the best scores, the best first.

    Args:
        records: Trials of one search.
        direction: "min" or "max". Of equal scores the earlier trial comes first.
        n: How many to return at most.
    """
    sign = -1.0 if direction == "max" else 1.0
    scored = [
        (sign * record.score, record.number, record)
        for record in records
        if record.status == COMPLETED and record.score is not None
    ]
    return [record for _, _, record in sorted(scored, key=lambda item: item[:2])][:n]


def _read_trial(path: Path) -> TrialRecord:
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError("it does not hold a JSON object.")
    record = TrialRecord.from_dict(values)
    if record.trial_id != path.parent.name:
        raise ValueError(f"it holds trial {record.trial_id}.")
    return record


def _require_types(record: TrialRecord, expected: type | tuple[type, ...], *names: str) -> None:
    for name in names:
        value = getattr(record, name)
        if not isinstance(value, expected) or isinstance(value, bool):
            raise TypeError(f"a trial's {name} cannot be {value!r}.")


def as_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Returns metrics as `sayable` was given them: None as NaN, the text of an infinity as one."""
    return {name: math.nan if value is None else float(value) for name, value in metrics.items()}


def sayable(value: Any) -> Any:
    """Returns a value as JSON can say it: NaN as None, infinity as a text that `float` reads."""
    if isinstance(value, dict):
        return {key: sayable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [sayable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
