"""Repeated searches as one table, for whoever goes on with them in other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.report.repeats_contents import Repeat, RepeatsReport
from robmednas_tf.report.trials_csv import METRICS
from robmednas_tf.search.repeated import STAGES, metric_at

COLUMNS = (
    *("repeat", "seed", "folder", "status", "place", "trial", "score", "confirmed_score"),
    *("num_confirmed", "num_trials", "num_stopped", "num_failed"),
    *("depth", "parameters", "seconds"),
    *(f"{stage}_{metric}" for stage in STAGES for metric in METRICS),
    *("architecture", "message"),
)


def write_repeats_csv(path: Path, report: RepeatsReport) -> None:
    """Writes a row per repeat, atomically.

    Args:
        path: The file; replaced where it exists.
        report: The repeats.

    The columns are `COLUMNS`. `place` counts from 1, the best, by what chose within the searches;
    `score` is the winner's first one, `confirmed_score` the mean of its new ones. `num_stopped` of
    the `num_trials` did not run to their end. Metrics of the
    winner begin with what they were measured on: `first` and `confirmed` (the trial and its new
    trainings, on the search's test subjects), `search_test` and `held_out` (the final model).
    """
    places = {repeat.number: place for place, repeat in enumerate(report.ranked, start=1)}
    rows = [
        {**_row(repeat, report.objective), "place": places.get(repeat.number)}
        for repeat in report.repeats
    ]
    write_csv(path, COLUMNS, rows)


def _row(repeat: Repeat, objective: str) -> Mapping[str, Any]:
    row = {
        "repeat": repeat.number,
        "seed": repeat.seed,
        "folder": repeat.folder,
        "status": repeat.status,
        "message": repeat.fault,
    }
    outcome = repeat.outcome
    if outcome is None:
        return row
    return {
        **row,
        "trial": outcome.trial_id,
        "score": metric_at(outcome, "first", objective),
        "confirmed_score": metric_at(outcome, "confirmed", objective),
        "num_confirmed": outcome.num_confirmed,
        "num_trials": len(outcome.scores),
        "num_stopped": outcome.num_stopped,
        "num_failed": outcome.num_failed,
        "depth": outcome.architecture.depth,
        "parameters": outcome.parameters,
        "seconds": outcome.seconds,
        **{
            f"{stage}_{metric}": metric_at(outcome, stage, metric)
            for stage in STAGES
            for metric in METRICS
        },
        "architecture": outcome.architecture.to_json(),
        "message": outcome.note,
    }
