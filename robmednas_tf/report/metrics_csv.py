"""An evaluation's every number in one long table, for whoever goes on with them elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robmednas_tf.evaluation.outcomes import Outcome
from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.report.evaluation_contents import EvaluationReport

COLUMNS = ("subject", "model", "condition", "region", "dice", "mae", "psnr", "ssim", "ms_ssim")
# What the region of the figures in the body mask is called.
MASK = "mask"


def write_metrics_csv(path: Path, report: EvaluationReport) -> None:
    """Writes a row per subject, model, condition and region, atomically.

    Args:
        path: The file; replaced where it exists.
        report: The evaluation; its curves' levels follow its conditions.

    The columns are `COLUMNS`: MAE in HU, PSNR in dB. Dice and MAE are filled in the regions; MAE,
    PSNR, SSIM and MS-SSIM in the region `mask`. What is undefined (NaN) is an empty cell.
    """
    write_csv(path, COLUMNS, _rows(report))


def _rows(report: EvaluationReport) -> Iterator[Mapping[str, Any]]:
    seen = set()
    for outcome in (*report.outcomes, *report.curves):
        place = (outcome.subject, outcome.model, outcome.condition)
        # A curve's level may be one of the conditions, and would count twice in a mean.
        if place not in seen:
            seen.add(place)
            yield from _rows_of(outcome)


def _rows_of(outcome: Outcome) -> Iterator[Mapping[str, Any]]:
    place = {name: getattr(outcome, name) for name in ("subject", "model", "condition")}
    for region, score in outcome.regions.items():
        yield {**place, "region": region, **dataclasses.asdict(score)}
    if outcome.in_mask is not None:
        yield {**place, "region": MASK, **dataclasses.asdict(outcome.in_mask)}
