"""A search's trials as one table, for whoever goes on with them in other programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from robmednas_tf.evaluation.inference import CONDITIONS
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.search.pruning import rungs_in
from robmednas_tf.search.trials import TrialRecord, sayable

METRICS = tuple(
    f"{condition}_{metric}{region}"
    for condition in CONDITIONS
    for metric in ("dice", "mae")
    for region in ("", *(f"_{name}" for name in REGIONS))
)
COLUMNS = (
    *("id", "status", "score", *METRICS, "val_loss", "parameters", "flops"),
    *("epochs", "rungs", "seconds", "depth", "source", "architecture", "message"),
)


def write_trials_csv(path: Path, records: Iterable[TrialRecord]) -> None:
    """Writes a row per trial, atomically.

    Args:
        path: The file; replaced where it exists.
        records: The trials, in the rows' order.

    The columns are `COLUMNS`: MAE in HU, time in seconds, the architecture and the score at each
    rung as JSON. What is unknown or undefined (NaN) is an empty cell. A trial that was stopped at
    a rung has no score, and the metrics of that epoch.
    """
    write_csv(path, COLUMNS, map(_row, records))


def _row(record: TrialRecord) -> Mapping[str, Any]:
    details, architecture = record.details, record.details.get("architecture")
    rungs = sayable({rung.epoch: rung.score for rung in rungs_in(record)})
    return {
        "id": record.trial_id,
        "status": record.status,
        "score": record.score,
        **{name: record.metrics.get(name) for name in (*METRICS, "val_loss")},
        "parameters": details.get("parameters"),
        "flops": details.get("flops"),
        "epochs": len(history["val_loss"]) if (history := details.get("history")) else None,
        "rungs": json.dumps(rungs) if rungs else None,
        "seconds": record.seconds,
        "depth": details.get("depth"),
        "source": record.source,
        "architecture": None if architecture is None else json.dumps(architecture),
        "message": record.message,
    }
