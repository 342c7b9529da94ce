"""What a search that was killed has to show: all that an undisturbed one leaves, once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from soak_search import NUM_REPEATS, NUM_TRIALS, Search

from robmednas_tf.search.repeats import RepeatRecord
from robmednas_tf.search.trials import COMPLETED, TrialRecord

LOCAL = "local"


def differences(expected: Search, found: Search, executor: str) -> list[str]:
    """Returns what should be the same of two searches, and is not."""
    wrong = [f"left over: {path}" for path in left_over(found.folder)]
    if executor != LOCAL:
        return [*wrong, *lost_or_twice(found), *changed(expected, found)]
    pairs: dict[str, Sequence[object]] = {
        "trials": [[_outcome(each) for each in one.trials()] for one in (expected, found)],
        "repeats": [[_repeat(each) for each in one.repeats()] for one in (expected, found)],
        "files": [_files(one.folder) for one in (expected, found)],
    }
    for name in ("confirmed.csv", "best_architecture.json"):
        pairs[name] = [(one.folder / name).read_bytes() for one in (expected, found)]
    wrong += [f"{name} differ" for name, (one, other) in pairs.items() if one != other]
    return wrong if _same_weights(expected, found) else [*wrong, "the final model's weights differ"]


def lost_or_twice(found: Search) -> list[str]:
    """Returns which of a search's trials are lost, or counted twice."""
    trials = found.trials()
    wrong = []
    if [each.number for each in trials] != list(range(len(trials))):
        wrong.append("a trial's number is missing")
    if sum(each.status == COMPLETED for each in trials) != NUM_TRIALS:
        wrong.append("the trials are not as many as were asked for")
    if len({json.dumps(each.values, sort_keys=True) for each in trials}) != len(trials):
        wrong.append("an architecture was tried twice")
    if sum(each.is_over for each in found.repeats()) != NUM_REPEATS:
        wrong.append("the repeats are not as many as were asked for")
    return wrong


def changed(expected: Search, found: Search) -> list[str]:
    """Returns what both of two searches have trained, and with other results."""
    wrong = []
    for what, (ours, theirs) in {
        "trial": [_by_architecture(one) for one in (expected, found)],
        "repeat": [_by_recipe(one) for one in (expected, found)],
    }.items():
        both = ours.keys() & theirs.keys()
        num = sum(ours[each] != theirs[each] for each in both)
        print(f"{what.capitalize()}s that both searches have trained: {len(both)}")
        wrong += [f"{num} {what}s have another result"] if num else []
    winners = [(one.folder / "best_architecture.json").read_bytes() for one in (expected, found)]
    if winners[0] == winners[1] and not _same_weights(expected, found):
        wrong.append("the final model's weights differ")
    return wrong


def num_attempts(search: Search) -> int:
    """Returns how often a search has begun its trials and repeats."""
    trials = sum(each.attempts for each in search.trials())
    return trials + sum(each.attempts for each in search.repeats())


def lost_attempts(search: Search, most: int) -> list[str]:
    """Returns what is wrong where a search has needed more than `most` attempts."""
    made = num_attempts(search)
    return [f"{made} attempts, of which the kills explain {most}"] if made > most else []


def left_over(folder: Path) -> list[Path]:
    """Returns what should have been removed in a run's folder."""
    return [path for kind in (".partial-*", "checkpoint*") for path in folder.rglob(kind)]


def _outcome(record: TrialRecord) -> tuple:
    kept = (record.number, record.status, record.source, record.score)
    # As text, in which one NaN is another.
    return (*kept, json.dumps([record.values, record.metrics, record.details]))


def _repeat(record: RepeatRecord) -> tuple:
    return (record.trial_id, record.repeat, record.status, json.dumps(record.metrics))


def _by_architecture(search: Search) -> dict[str, str]:
    return {
        json.dumps(each.values, sort_keys=True): json.dumps(
            [each.score, each.metrics, each.details["history"]]
        )
        for each in search.trials()
        if each.status == COMPLETED
    }


def _by_recipe(search: Search) -> dict[str, str]:
    return {
        json.dumps([each.recipe["architecture"], each.recipe["seed"]]): json.dumps(each.metrics)
        for each in search.repeats()
        if each.is_over
    }


def _files(folder: Path) -> set[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path.parent if "tfevents" in path.name else path) for path in paths}


def _same_weights(one: Search, other: Search) -> bool:
    return all(map(np.array_equal, *(_weights(each.folder) for each in (one, other))))


def _weights(folder: Path) -> list[np.ndarray]:
    return keras.saving.load_model(folder / "best_model" / "model.keras").get_weights()
