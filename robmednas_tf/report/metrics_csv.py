"""An evaluation's every number in one long table, for whoever goes on with them elsewhere."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from robmednas_tf.evaluation.metrics import RegionScore
from robmednas_tf.evaluation.outcomes import MaskScore, Outcome
from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.report.evaluation_contents import EvaluationReport

COLUMNS = ("subject", "model", "condition", "region", "dice", "mae", "psnr", "ssim", "ms_ssim")
# What the region of the figures in the body mask is called.
MASK = "mask"
_OF_MASK = ("mae", "psnr", "ssim", "ms_ssim")


def write_metrics_csv(path: Path, report: EvaluationReport) -> None:
    """Writes a row per subject, model, condition and region, atomically.

    Args:
        path: The file; replaced where it exists.
        report: The evaluation; its curves' levels follow its conditions.

    The columns are `COLUMNS`: MAE in HU, PSNR in dB. Dice and MAE are filled in the regions; MAE,
    PSNR, SSIM and MS-SSIM in the region `mask`. What is undefined (NaN) is an empty cell.
    """
    write_csv(path, COLUMNS, _rows(report))


def read_metrics_csv(path: Path) -> list[Outcome]:
    """Reads what `write_metrics_csv` has written, to the last digit.

    Args:
        path: The file; further columns are passed over.

    Raises:
        ValueError: If the file cannot be read, or is no such table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return outcomes_of(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"File {str(path)!r} must be a table of metrics with the columns {','.join(COLUMNS)}. "
            f"Received: {type(error).__name__}: {error}."
        ) from error


def outcomes_of(rows: Iterable[Mapping[str, str]]) -> list[Outcome]:
    """Returns the outcomes that the rows of such a table tell, in their order.

    Raises:
        KeyError: If a column is missing.
        ValueError: If a value is no number.
    """
    found: dict[tuple[str, str, str], Outcome] = {}
    for row in rows:
        key = (row["subject"], row["model"], row["condition"])
        outcome = found.setdefault(key, Outcome(*key, {}))
        if row["region"] == MASK:
            score = MaskScore(*(_number(row[name]) for name in _OF_MASK))
            found[key] = dataclasses.replace(outcome, in_mask=score)
        else:
            score_here = RegionScore(_number(row["dice"]), _number(row["mae"]))
            regions = {**outcome.regions, row["region"]: score_here}
            found[key] = dataclasses.replace(outcome, regions=regions)
    return list(found.values())


def _number(cell: str) -> float:
    return float(cell) if cell else math.nan


def rows_of(outcomes: Iterable[Outcome]) -> Iterator[Mapping[str, Any]]:
    """Yields the rows that tell outcomes, by column."""
    for outcome in outcomes:
        yield from _rows_of(outcome)


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
