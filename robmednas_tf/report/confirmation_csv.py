"""A search's confirmation as one table, for whoever goes on with it in other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.search.confirmation import Candidate, Confirmation


def write_confirmed_csv(path: Path, confirmation: Confirmation) -> None:
    """Writes a row per candidate, the winner first, atomically.

    Args:
        path: The file; replaced where it exists.
        confirmation: The candidates.

    The columns are the trial's id, its place by first score (from 1), its first score, a
    `score_<repeat>` for each repeat (empty where that failed), how many failed, mean and 95 %
    interval of the new scores, and by how much the first score was better than their mean.
    """
    scores = [f"score_{number}" for number in range(1, confirmation.num_repeats + 1)]
    columns = ["id", "first_place", "first_score", *scores, "failed", "mean", "low", "high", "luck"]
    places = {id(one): place for place, one in enumerate(confirmation.candidates, start=1)}
    rows = [{"first_place": places[id(one)], **_row(one)} for one in confirmation.ranked]
    write_csv(path, columns, rows)


def _row(candidate: Candidate) -> Mapping[str, Any]:
    low, high = candidate.interval
    return {
        "id": candidate.trial.trial_id,
        "first_score": candidate.first_score,
        **{f"score_{record.repeat}": record.score for record in candidate.repeats},
        "failed": len(candidate.failed),
        "mean": candidate.mean,
        "low": low,
        "high": high,
        "luck": candidate.luck,
    }
