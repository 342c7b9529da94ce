"""A study's results on disk: three tables and a note, from which all that it tells is made.

`study.json` says how it was done, `runs.csv` has a row a trained network, `searches.csv` a row a
trial, and `metrics.csv` every number of every evaluation; `panels` holds the pictures of slices.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from robmednas_tf.evaluation.outcomes import Outcome
from robmednas_tf.files import write_json
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.report import metrics_csv
from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.report.study_contents import (
    REPORTED,
    NetworkRun,
    SearchRun,
    StudyInfo,
    StudyResults,
)

PANELS = "panels"
_RUNS = tuple(field.name for field in fields(NetworkRun))
_SEARCHES = ("arm", "number", "seed", "num_failed", "seconds", "trial", "score")
_METRICS = ("part", "number", *metrics_csv.COLUMNS)


def write_results(folder: Path, results: StudyResults) -> None:
    """Writes a study's results, each file atomically; its pictures are not touched.

    Args:
        folder: Made where it is missing.
        results: What was found.
    """
    write_json(folder / "study.json", asdict(results.info))
    write_csv(folder / "runs.csv", _RUNS, map(_run_row, results.runs))
    write_csv(folder / "searches.csv", _SEARCHES, _search_rows(results.searches))
    write_csv(folder / "metrics.csv", _METRICS, _metric_rows(results))


def read_results(folder: Path) -> StudyResults:
    """Reads what `write_results` has written, to the last digit.

    Args:
        folder: With the files.

    Raises:
        ValueError: If a file is missing, or is none of a study's.
    """
    try:
        info = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        runs = [_run(row) for row in _rows(folder / "runs.csv")]
        searches = _searches(_rows(folder / "searches.csv"))
        outcomes = _outcomes(_rows(folder / "metrics.csv"))
        panels = sorted((folder / PANELS).glob("*.png"))
        return StudyResults(StudyInfo(**info), runs, searches, outcomes, panels)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ValueError(
            f"Folder {str(folder)!r} must hold a study's results: study.json, runs.csv, "
            f"searches.csv and metrics.csv. Received: {type(error).__name__}: {error}."
        ) from error


def _run_row(run: NetworkRun) -> dict[str, Any]:
    row = {name: getattr(run, name) for name in _RUNS}
    return {**row, "architecture": run.architecture.to_json(), "picked": str(run.picked).lower()}


def _run(row: Mapping[str, str]) -> NetworkRun:
    values: dict[str, Any] = dict(row)
    for name in ("number", "seed", "epochs", "best_epoch", "parameters"):
        values[name] = int(row[name])
    for name in ("validation_dice_clean", "validation_dice_attacked", "seconds"):
        values[name] = float(row[name] or "nan")
    values["picked"] = row["picked"] == "true"
    values["architecture"] = Architecture.from_json(row["architecture"])
    return NetworkRun(**values)


def _search_rows(searches: Iterable[SearchRun]) -> Iterator[dict[str, Any]]:
    for search in searches:
        for trial, score in enumerate(search.scores, start=1):
            yield {**_of_search(search), "trial": trial, "score": score}


def _of_search(search: SearchRun) -> dict[str, Any]:
    return {name: getattr(search, name) for name in _SEARCHES[:5]}


def _searches(rows: Iterable[Mapping[str, str]]) -> list[SearchRun]:
    found: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        key = tuple(row[name] for name in _SEARCHES[:5])
        found.setdefault(key, []).append(float(row["score"] or "nan"))
    return [
        SearchRun(arm, int(number), int(seed), int(failed), float(seconds), tuple(scores))
        for (arm, number, seed, failed, seconds), scores in found.items()
    ]


def _metric_rows(results: StudyResults) -> Iterator[dict[str, Any]]:
    for (part, _, number), outcomes in results.outcomes.items():
        for row in metrics_csv.rows_of(outcomes):
            yield {"part": part, "number": number, **row}


def _outcomes(
    rows: Iterable[Mapping[str, str]],
) -> dict[tuple[str, str, int], list[Outcome]]:
    grouped: dict[tuple[str, str, int], list[Mapping[str, str]]] = {}
    for row in rows:
        # The networks that are reported were evaluated together.
        model = "" if row["part"] == REPORTED else row["model"]
        grouped.setdefault((row["part"], model, int(row["number"])), []).append(row)
    return {key: metrics_csv.outcomes_of(each) for key, each in grouped.items()}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
