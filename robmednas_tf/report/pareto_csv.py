"""A search's Pareto front as one table, for whoever goes on with it in other programs."""

from __future__ import annotations

import json
from pathlib import Path

from robmednas_tf.objectives import COSTS
from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.search.front import Front, values_of
from robmednas_tf.search.trials import TrialRecord


def write_pareto_csv(path: Path, front: Front, winner: TrialRecord | None) -> None:
    """Writes a row per member of the front, the best first objective first, atomically.

    Args:
        path: The file; replaced where it exists.
        front: The front; without members the table has a header alone.
        winner: The search's; None where no trial was scored.

    The columns are the trial's id, whether it is the winner (`True` or `False`), the objectives
    (MAE in HU), the costs and the depth, and the architecture as JSON.
    """
    scores = [name for name in front.directions if name not in COSTS]
    columns = ["id", "picked", *dict.fromkeys([*front.directions, *COSTS]), "depth", "architecture"]
    rows = [
        {
            "id": record.trial_id,
            "picked": record == winner,
            **dict(zip(scores, values_of(record, scores), strict=True)),
            **{name: record.details.get(name) for name in COSTS},
            "depth": record.details.get("depth"),
            "architecture": json.dumps(record.details.get("architecture")),
        }
        for record in front.members
    ]
    write_csv(path, columns, rows)
