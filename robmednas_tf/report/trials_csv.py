"""A search's trials as one table, for whoever goes on with them in other programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from robmednas_tf.evaluation.inference import CONDITIONS
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.search.trials import TrialRecord

METRICS = tuple(
    f"{condition}_{metric}{region}"
    for condition in CONDITIONS
    for metric in ("dice", "mae")
    for region in ("", *(f"_{name}" for name in REGIONS))
)
COLUMNS = (
    *("id", "status", "score", *METRICS, "val_loss", "parameters", "flops"),
    *("seconds", "depth", "source", "architecture", "message"),
)


def write_trials_csv(path: Path, records: Iterable[TrialRecord]) -> None:
    """Writes a row per trial, atomically.

    Args:
        path: The file; replaced where it exists.
        records: The trials, in the rows' order.

    The columns are `COLUMNS`: MAE in HU, time in seconds, the architecture as JSON. What is
    unknown or undefined (NaN) is an empty cell.
    """
    write_csv(path, COLUMNS, map(_row, records))


def _row(record: TrialRecord) -> Mapping[str, Any]:
    details, architecture = record.details, record.details.get("architecture")
    return {
        "id": record.trial_id,
        "status": record.status,
        "score": record.score,
        **{name: record.metrics.get(name) for name in (*METRICS, "val_loss")},
        "parameters": details.get("parameters"),
        "flops": details.get("flops"),
        "seconds": record.seconds,
        "depth": details.get("depth"),
        "source": record.source,
        "architecture": None if architecture is None else json.dumps(architecture),
        "message": record.message,
    }
