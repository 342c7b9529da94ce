"""What a search has ended with: `outcome.json` in its folder, for whoever compares searches."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robmednas_tf.files import write_json
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.search.trials import as_numbers, sayable

OUTCOME_FILE = "outcome.json"
_METRICS = ("first", "confirmed", "search_test", "held_out")


@dataclass(frozen=True)
class SearchOutcome:
    """A search's winner and its scores.

    Metrics are named as by `robmednas_tf.evaluation.inference.summarize`; NaN is undefined.

    Attributes:
        seed: The search's.
        trial_id: The winner's trial.
        architecture: The winner's.
        parameters: Its trainable parameters.
        scores: Of every trial that counts, in their order; NaN of one that the pruner stopped.
        num_failed: Trials that failed, and do not count.
        first: Metrics of the winner's trial.
        confirmed: Their means over the winner's new seeds; empty where none has a score.
        num_confirmed: How many of the winner's new seeds have a score.
        search_test: Metrics of the final model on the search's test subjects.
        held_out: Metrics of the final model on subjects that chose nothing.
        seconds: How long trials and confirmation took.
        note: What must be known of the final model, where it is not what was asked for.
    """

    seed: int
    trial_id: str
    architecture: Architecture
    parameters: int
    scores: Sequence[float]
    num_failed: int
    first: Mapping[str, float]
    confirmed: Mapping[str, float]
    num_confirmed: int
    search_test: Mapping[str, float]
    held_out: Mapping[str, float]
    seconds: float
    note: str | None = None

    @property
    def num_stopped(self) -> int:
        """How many trials the pruner stopped."""
        return sum(map(math.isnan, self.scores))

    def to_dict(self) -> dict[str, Any]:
        """Returns the outcome as a JSON-ready dictionary; NaN becomes None."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        metrics = {name: sayable(dict(values[name])) for name in _METRICS}
        shown = {"architecture": self.architecture.to_dict(), "scores": sayable(self.scores)}
        return {**values, **metrics, **shown}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SearchOutcome:
        """Builds an outcome from `to_dict`'s form.

        Raises:
            ValueError: If a value is outside its domain.
            TypeError: If a key is missing or unknown, or a value is of the wrong type.
        """
        architecture = Architecture.from_dict(values["architecture"])
        metrics = {name: as_numbers(values[name]) for name in _METRICS}
        scores = [math.nan if score is None else float(score) for score in values["scores"]]
        return cls(**{**values, **metrics, "scores": scores, "architecture": architecture})


def write_search_outcome(folder: Path, outcome: SearchOutcome, recipe: Mapping[str, Any]) -> None:
    """Writes the outcome of the search in `folder`, atomically.

    Args:
        folder: The search's.
        outcome: What it has ended with.
        recipe: All that this follows from, ready for JSON.
    """
    write_json(folder / OUTCOME_FILE, {"recipe": dict(recipe), **outcome.to_dict()})


def read_search_outcome(folder: Path, recipe: Mapping[str, Any]) -> SearchOutcome | None:
    """Reads the outcome of the search in `folder`.

    Args:
        folder: The search's.
        recipe: What it has to follow from, as it reads back from JSON.

    Returns:
        None where there is none, it is of another recipe, or its file is damaged: all the same,
        the search is to be gone on with, and writes it.
    """
    try:
        values = json.loads((folder / OUTCOME_FILE).read_text(encoding="utf-8"))
        if values.pop("recipe") != recipe:
            return None
        return SearchOutcome.from_dict(values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
