"""The checks' findings as a table, and flags in words where the figures stand that they doubt."""

from __future__ import annotations

import math
from collections.abc import Iterator

from robmednas_tf.checks.table import ABOVE, CHECKS, Finding
from robmednas_tf.report import wording
from robmednas_tf.report.evaluation_contents import EvaluationReport
from robmednas_tf.report.tables import Table

FLAG = "⚑"


def checks_table(report: EvaluationReport) -> Table:
    """Returns the findings: a row a check, a column a model."""
    rows = []
    for name, check in CHECKS.items():
        limit = f"{'at most' if check.flags == ABOVE else 'at least'} {check.limit:g}"
        figures = [_figure(each) for each in report.findings if each.check == name]
        rows.append([check.title, check.quantity, limit, *figures])
    return Table(["What is expected", "Measured", "Sound", *report.model_names], rows)


def flag_meanings(report: EvaluationReport) -> list[tuple[str, str]]:
    """Returns what each kind of flag that was raised means: the check's title, and a sentence."""
    raised = {each.check for each in report.findings if each.is_flagged}
    return [(check.title, check.meaning) for name, check in CHECKS.items() if name in raised]


def flag_remark(report: EvaluationReport) -> str:
    """Returns which models are flagged, as a sentence to stand beside their figures, or nothing."""
    if not report.flagged:
        return ""
    each = [f"{name} ({wording.listed(list(_titles(report, name)))})" for name in report.flagged]
    return (
        f"{FLAG} Checks flag {wording.listed(each)}: figures under attack do not show that it "
        "holds out."
        if len(each) == 1
        else f"{FLAG} Checks flag {wording.listed(each)}: figures under attack do not show that "
        "they hold out."
    )


def _titles(report: EvaluationReport, model: str) -> Iterator[str]:
    for each in report.findings:
        if each.model == model and each.is_flagged:
            title = CHECKS[each.check].title
            yield f"not shown: {title[0].lower()}{title[1:]}"


def _figure(finding: Finding) -> str:
    if math.isnan(finding.figure):
        return f"\N{EN DASH} ({finding.note or 'not defined'})"
    return f"{f'{FLAG} ' if finding.is_flagged else ''}{finding.figure:.3g}"
