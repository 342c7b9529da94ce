"""An evaluation's results on disk: one file a subject and model, so that none is computed twice."""

from __future__ import annotations

import json
import math
import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from robmednas_tf.evaluation.metrics import RegionScore
from robmednas_tf.evaluation.outcomes import MaskScore, Outcome, PredictedSlice
from robmednas_tf.files import replaced_atomically, write_json

_ARRAYS = ("mr", "perturbed_mr", "ct", "synthetic_ct")
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass
class Results:
    """What is known of one model on one subject.

    Attributes:
        outcomes: By condition.
        slices: By condition and place.
    """

    outcomes: dict[str, Outcome]
    slices: dict[tuple[str, int], PredictedSlice]

    def has(self, condition: str, in_mask: bool, places: Collection[int]) -> bool:
        """Tells whether a condition is known, with the figures in the mask and these slices."""
        outcome = self.outcomes.get(condition)
        if outcome is None or (in_mask and outcome.in_mask is None):
            return False
        return all((condition, place) in self.slices for place in places)


class ResultFolder:
    """The results in a folder.

    Args:
        folder: Of the evaluation.
    """

    def __init__(self, folder: Path):
        self._folder = folder / "results"

    def read(
        self,
        subject: str,
        model: str,
        recipe: Mapping[str, Any],
        bases: Mapping[str, str] = MappingProxyType({}),
    ) -> Results:
        """Reads what is known under a recipe; nothing where it differs or a file is damaged.

        Args:
            subject: The subject's name.
            model: The model's name.
            recipe: All that the results follow from, ready for JSON.
            bases: Of conditions that follow from more than that: what from. Where it was another,
                the condition is not known.
        """
        path = self._path(subject, model)
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            if saved["recipe"] != recipe:
                return Results({}, {})
            outcomes = {
                condition: _outcome(subject, model, condition, values)
                for condition, values in saved["outcomes"].items()
            }
            with np.load(path.with_suffix(".npz")) as saved_slices:
                arrays = dict(saved_slices)
            # Written one after the other: a kill between leaves another model's slices.
            if str(arrays.pop("recipe")) != json.dumps(recipe):
                arrays = {}
            before = saved.get("bases", {})
            changed = {each for each in bases if before.get(each) != bases[each]}
            return _without(changed, Results(outcomes, _slices(subject, model, arrays)))
        except _DAMAGE:
            return Results({}, {})

    def write(
        self,
        subject: str,
        model: str,
        recipe: Mapping[str, Any],
        results: Results,
        bases: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Writes all that is known, atomically; see `read`."""
        path = self._path(subject, model)
        arrays = {
            f"{condition}|{place}|{name}": getattr(shown, name)
            for (condition, place), shown in results.slices.items()
            for name in _ARRAYS
        }
        with replaced_atomically(path.with_suffix(".npz")) as temporary:
            np.savez_compressed(temporary, recipe=json.dumps(recipe), **arrays)
        outcomes = {name: _values(outcome) for name, outcome in results.outcomes.items()}
        write_json(path, {"recipe": recipe, "bases": dict(bases), "outcomes": outcomes})

    def _path(self, subject: str, model: str) -> Path:
        return self._folder / file_name(subject) / f"{file_name(model)}.json"


def _without(conditions: Collection[str], results: Results) -> Results:
    return Results(
        {name: each for name, each in results.outcomes.items() if name not in conditions},
        {key: each for key, each in results.slices.items() if key[0] not in conditions},
    )


def file_name(name: str) -> str:
    """Returns a name as that of a file; names that differ stay different."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}"


def _values(outcome: Outcome) -> dict[str, Any]:
    return {
        "regions": {name: _sayable(astuple(score)) for name, score in outcome.regions.items()},
        "in_mask": outcome.in_mask and _sayable(astuple(outcome.in_mask)),
    }


def _outcome(subject: str, model: str, condition: str, values: Mapping[str, Any]) -> Outcome:
    regions = {name: RegionScore(*_numbers(score)) for name, score in values["regions"].items()}
    in_mask = values["in_mask"] and MaskScore(*_numbers(values["in_mask"]))
    return Outcome(subject, model, condition, regions, in_mask)


def _slices(
    subject: str, model: str, arrays: Mapping[str, np.ndarray]
) -> dict[tuple[str, int], PredictedSlice]:
    keys = {tuple(name.split("|")[:2]) for name in arrays}
    return {
        (condition, int(place)): PredictedSlice(
            subject,
            int(place),
            model,
            condition,
            *(arrays[f"{condition}|{place}|{name}"] for name in _ARRAYS),
        )
        for condition, place in sorted(keys)
    }


def _sayable(values: Iterable[float]) -> list[float | str]:
    # JSON has no words for NaN and infinity; `float` reads their text back.
    return [value if math.isfinite(value) else str(value) for value in values]


def _numbers(values: Iterable[float | str]) -> list[float]:
    return [float(value) for value in values]
