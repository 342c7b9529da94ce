"""What has to stand below an evaluation's tables for them to be read rightly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.evaluation.statistics import SIGNIFICANCE, smallest_p
from robmednas_tf.report import wording
from robmednas_tf.report.checks import flag_remark
from robmednas_tf.report.conditions import condition_label, condition_phrase
from robmednas_tf.report.evaluation_contents import EvaluationReport
from robmednas_tf.report.evaluation_tables import (
    METRICS,
    PLUS_MINUS,
    Column,
    ResultTable,
    column_values,
    condition_title,
)

_REASONS = {
    "dice": "empty in truth and prediction",
    "mae": "empty in the truth",
    "mask": "the figure is undefined there",
}


def caption(report: EvaluationReport, table: ResultTable) -> str:
    """Returns everything that has to stand below a table which stands alone."""
    return f"{own_notes(report, table)} {shared_notes(report)}"


def own_notes(report: EvaluationReport, table: ResultTable) -> str:
    """Returns what a table shows, on whom, what it leaves out and what it cannot show."""
    notes = [_what_it_shows(report, table), *_left_out(report, table), *_power(report, table)]
    return " ".join(notes)


def shared_notes(report: EvaluationReport) -> str:
    """Returns what holds for all tables of a report: conditions, marks, test and reference."""
    parts = (*report.remarks, *_conditions(report), *_marks(report), *_reference(report))
    return " ".join(text for text in (flag_remark(report), *parts) if text)


def power_phrase(num_pairs: int, num_comparisons: int) -> str:
    """Returns that so few subjects cannot make a difference significant; empty where they can."""
    smallest = smallest_p(num_pairs)
    if not num_pairs or smallest * num_comparisons < SIGNIFICANCE:
        return ""
    corrected = min(1.0, smallest * num_comparisons)
    after = "" if num_comparisons == 1 else f", {p_value(corrected)} after it"
    return (
        f"with {wording.plural(num_pairs, 'subject')} the smallest two-sided p is "
        f"{p_value(smallest)}, before correction{after}: no difference can be significant"
    )


def p_value(value: float) -> str:
    """Returns a p-value in three digits."""
    return f"{value:.3g}" if value >= 0.0005 else "less than 0.0005"


def _what_it_shows(report: EvaluationReport, table: ResultTable) -> str:
    rules = {METRICS[column.metric].label: METRICS[column.metric].rule for column in table.columns}
    if len(rules) > 1:
        how = ", ".join(f"{label}: {rule}" for label, rule in rules.items())
    else:
        how = "".join(rules.values())
    subjects = wording.plural(len(report.subjects), "subject")
    what = f"mean {PLUS_MINUS} standard deviation over" if len(report.subjects) > 1 else "of"
    return (
        f"{table.title} ({how}): {what} {subjects} of {report.cohort} "
        f"(part: {report.split}), each scored over {_extent(report)}."
    )


def _extent(report: EvaluationReport) -> str:
    limit = report.slices_per_subject
    return f"at most {limit} slices, evenly spread" if limit else "its whole volume"


def _conditions(report: EvaluationReport) -> Iterator[str]:
    titles = [f"{condition_title(report, CLEAN)}: on the MR as it is"]
    for condition in report.attacks:
        title, label = condition_title(report, condition), condition_label(condition)
        titles += [f"{title}: under {label}"] if title != label else []
    yield "; ".join(titles) + "."
    for condition in report.attacks:
        yield condition_phrase(condition)


def _marks(report: EvaluationReport) -> Iterator[str]:
    if len(report.models) < 2:
        yield "With a single model there is nothing to compare."
        return
    yield "Bold: the best mean of a column, judged as printed."
    if len(report.subjects) < 2:
        yield "With 1 subject there is no standard deviation and no test of significance."
        return
    yield (
        f"Star: differs significantly from the baseline, {report.baseline} (Wilcoxon's "
        f"signed-rank test over subjects, two-sided, p < {SIGNIFICANCE:g} after Bonferroni's "
        f"correction for n = {wording.plural(report.num_comparisons, 'comparison')} in a column). "
        "A subject in which both are equal (zero difference) is left out of the test."
    )


def _power(report: EvaluationReport, table: ResultTable) -> Iterator[str]:
    pairs = {group: _num_pairs(table, group) for group in table.groups}
    for number in sorted({number for number in pairs.values() if number is not None}):
        phrase = power_phrase(number, report.num_comparisons)
        groups = [group for group, other in pairs.items() if other == number]
        if not number:
            yield f"No subject can be compared in: {', '.join(groups)}."
        elif phrase and len(groups) == len(pairs):
            yield f"{phrase[0].upper()}{phrase[1:]}."
        elif phrase:
            yield f"In {wording.listed(groups)}, {phrase}."


def _num_pairs(table: ResultTable, group: str) -> int | None:
    found = [
        cell.comparison.num_pairs
        for cell in table.cells
        if cell.column.group == group and cell.comparison is not None
    ]
    return max(found, default=None)


def _left_out(report: EvaluationReport, table: ResultTable) -> Iterator[str]:
    for group in table.groups:
        cells = [cell for cell in table.cells if cell.column.group == group]
        undefined = [_undefined(report, cell.model, cell.column) for cell in cells]
        left_out = [name for name in report.subjects if any(name in each for each in undefined)]
        if not left_out:
            continue
        text = (
            f"{group} leaves out {len(left_out)} of "
            f"{wording.plural(len(report.subjects), 'subject')} ({', '.join(left_out)}): "
            f"{_REASONS[table.name]}"
        )
        if any(set(each) != set(left_out) for each in undefined):
            text += ", in some models or conditions only, whose means are over other subjects"
        yield f"{text}."


def _undefined(report: EvaluationReport, model: str, column: Column) -> Sequence[str]:
    values = column_values(report, model, column)
    pairs = zip(report.subjects, values, strict=True)
    return [subject for subject, value in pairs if math.isnan(value)]


def _reference(report: EvaluationReport) -> Iterator[str]:
    if not report.has_lookup_table:
        return
    yield (
        "Last row, for reference: an intensity look-up table from MR to CT, fitted on each "
        "subject itself; a model that does not beat it has learnt nothing about anatomy. "
        "It is neither tested nor judged best."
    )
    if report.attacks:
        yield f"{wording.UNMEASURED}: not measured; a look-up table has no gradient to attack."
