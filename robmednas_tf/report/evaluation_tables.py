"""The tables of an evaluation, cell by cell: means over subjects, the best, what is significant.

Source: paper Tables 2 and 3.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.evaluation.statistics import (
    Comparison,
    Summary,
    compare_paired,
    summarize_values,
)
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import condition_label
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE, EvaluationReport
from robmednas_tf.report.metrics_csv import MASK

PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


@dataclass(frozen=True)
class Metric:
    """How a metric is written.

    Attributes:
        label: What tables call it, with its unit.
        digits: Decimals.
        is_error: Whether less is better.
        rule: Which way is better, in words.
    """

    label: str
    digits: int
    is_error: bool
    rule: str


METRICS: Mapping[str, Metric] = {
    "dice": Metric("Dice", 3, False, "1 is perfect"),
    "mae": Metric("MAE (HU)", 1, True, "0 is perfect"),
    "psnr": Metric("PSNR (dB)", 2, False, "more is better"),
    "ssim": Metric("SSIM", 3, False, "1 is perfect"),
    "ms_ssim": Metric("MS-SSIM", 3, False, "1 is perfect"),
}
MASK_METRICS = ("mae", "psnr", "ssim", "ms_ssim")


@dataclass(frozen=True)
class Column:
    """What the cells of a column share.

    Attributes:
        group: Title over the columns of all conditions: a region, or a metric.
        label: Title of the condition.
        condition: One of the report's.
        region: Key of `REGIONS`, or `MASK`.
        metric: Key of `METRICS`.
    """

    group: str
    label: str
    condition: str
    region: str
    metric: str


@dataclass(frozen=True)
class Cell:
    """A model's figure in a column.

    Attributes:
        model: The model's name.
        column: The column.
        summary: Over subjects; None where nothing was measured.
        comparison: With the baseline; None where nothing was tested.
        is_best: Whether its mean, as printed, is the best among the models'.
    """

    model: str
    column: Column
    summary: Summary | None
    comparison: Comparison | None = None
    is_best: bool = False

    @property
    def text(self) -> str:
        """Mean and standard deviation, without marks."""
        if self.summary is None:
            return wording.UNMEASURED
        digits = METRICS[self.column.metric].digits
        mean = wording.number(self.summary.mean, digits)
        has_sd = not math.isnan(self.summary.sd)
        return f"{mean} {PLUS_MINUS} {self.summary.sd:.{digits}f}" if has_sd else mean

    @property
    def printed_mean(self) -> float:
        """The mean as rounded for print; NaN where it is undefined or not measured."""
        if self.summary is None:
            return math.nan
        return float(f"{self.summary.mean:.{METRICS[self.column.metric].digits}f}")

    @property
    def is_significant(self) -> bool:
        """Whether it differs from the baseline, after correction."""
        return self.comparison is not None and self.comparison.is_significant


@dataclass(frozen=True)
class ResultTable:
    """Models against regions (or metrics) and conditions.

    Attributes:
        name: "dice", "mae" or "mask".
        title: What it shows.
        columns: In groups of all conditions each.
        rows: A row a model, in the report's order.
        reference: The look-up table's row; None where it was not evaluated.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    reference: Sequence[Cell] | None

    @property
    def groups(self) -> Sequence[str]:
        """Titles of the groups of columns, in order."""
        return list(dict.fromkeys(column.group for column in self.columns))

    @property
    def cells(self) -> Iterator[Cell]:
        """Every cell that was measured, row by row, the reference last."""
        for row in (*self.rows, self.reference or ()):
            yield from (cell for cell in row if cell.summary is not None)


def result_tables(report: EvaluationReport) -> list[ResultTable]:
    """Returns Dice and MAE by region, and, where they were asked for, the figures in the mask."""
    tables = [
        _table(
            report, metric, f"{METRICS[metric].label} by region", _region_columns(report, metric)
        )
        for metric in ("dice", "mae")
    ]
    if report.has_mask:
        title = "Figures inside the body mask, as the SynthRAD challenges define them"
        tables.append(_table(report, MASK, title, _mask_columns(report)))
    return tables


def condition_title(report: EvaluationReport, condition: str) -> str:
    """Returns a condition's column title; the paper's where there is one attack alone."""
    if condition == CLEAN:
        return "Nrm."
    return "Rob." if len(report.attacks) == 1 else condition_label(condition)


def _region_columns(report: EvaluationReport, metric: str) -> list[Column]:
    return [
        Column(region.label, condition_title(report, condition), condition, name, metric)
        for name, region in REGIONS.items()
        for condition in report.conditions
    ]


def _mask_columns(report: EvaluationReport) -> list[Column]:
    return [
        Column(METRICS[metric].label, condition_title(report, condition), condition, MASK, metric)
        for metric in MASK_METRICS
        for condition in report.conditions
    ]


def _table(
    report: EvaluationReport, name: str, title: str, columns: Sequence[Column]
) -> ResultTable:
    by_column = [
        _mark_best([_cell(report, model, column) for model in report.model_names])
        for column in columns
    ]
    reference = None
    if report.has_lookup_table:
        reference = [_reference_cell(report, column) for column in columns]
    rows = list(zip(*by_column, strict=True))
    return ResultTable(name, title, columns, rows, reference)


def _cell(report: EvaluationReport, model: str, column: Column) -> Cell:
    values = column_values(report, model, column)
    comparison = None
    # A single subject has no spread to test against.
    if model != report.baseline and len(values) > 1:
        baseline = column_values(report, report.baseline, column)
        comparison = compare_paired(values, baseline, report.num_comparisons)
    return Cell(model, column, summarize_values(values), comparison)


def _reference_cell(report: EvaluationReport, column: Column) -> Cell:
    if column.condition != CLEAN:
        return Cell(LOOKUP_TABLE, column, None)
    values = column_values(report, LOOKUP_TABLE, column)
    return Cell(LOOKUP_TABLE, column, summarize_values(values))


def column_values(report: EvaluationReport, model: str, column: Column) -> list[float]:
    """Returns what a model's cell in a column summarises, one value a subject."""
    if column.region == MASK:
        return report.mask_values(model, column.condition, column.metric)
    return report.values(model, column.condition, column.metric, column.region)


def _mark_best(cells: Sequence[Cell]) -> list[Cell]:
    means = [cell.printed_mean for cell in cells if not math.isnan(cell.printed_mean)]
    # The only one is the best of nothing, and so is one among equals.
    if len(set(means)) < 2:
        return list(cells)
    best = min(means) if METRICS[cells[0].column.metric].is_error else max(means)
    return [dataclasses.replace(cell, is_best=cell.printed_mean == best) for cell in cells]
