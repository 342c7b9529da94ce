"""What an evaluation leaves to read: `metrics.csv`, its tables, its figures and `report.html`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.report import evaluation_alternatives as alternatives
from robmednas_tf.report import evaluation_overview as overview
from robmednas_tf.report import tables
from robmednas_tf.report.checks import checks_table, flag_meanings, flag_remark
from robmednas_tf.report.conditions import (
    condition_label,
    condition_phrase,
    file_name,
    has_many_steps,
)
from robmednas_tf.report.evaluation_alarms import remarks
from robmednas_tf.report.evaluation_captions import own_notes, shared_notes
from robmednas_tf.report.evaluation_contents import EvaluatedModel, EvaluationReport
from robmednas_tf.report.evaluation_figures import draw_accuracy_vs_robustness, draw_curves
from robmednas_tf.report.evaluation_slices import draw_perturbations, draw_slices
from robmednas_tf.report.evaluation_tables import result_tables
from robmednas_tf.report.evaluation_wording import summary
from robmednas_tf.report.metrics_csv import write_metrics_csv
from robmednas_tf.report.page import Drawn, write_drawn, write_page
from robmednas_tf.report.table_files import write_tables
from robmednas_tf.report.tiles import CT_WINDOW_HU

__all__ = [
    "EvaluatedModel",
    "EvaluationReport",
    "write_evaluation_figures",
    "write_evaluation_report",
    "write_metrics_csv",
    "write_tables",
]


def write_evaluation_report(path: Path, report: EvaluationReport) -> None:
    """Writes one self-contained HTML page, figures included, atomically.

    Args:
        path: The file; replaced where it exists.
        report: What to tell. The page is the same, byte for byte, for the same values.
    """
    results = result_tables(report)
    write_page(
        path,
        "evaluation.html.j2",
        _figures(report),
        kind="evaluation",
        report=report,
        summary=summary(report),
        remarks=remarks(report),
        key_figures=overview.key_figures(report),
        change_tables=overview.change_tables(report),
        results=[(table, own_notes(report, table)) for table in results],
        shared_notes=shared_notes(report),
        slice_groups=_slice_groups(report),
        per_subject_table=overview.subjects_table(report),
        models_table=overview.models_table(report),
        checks_table=checks_table(report) if report.findings else None,
        flag_meanings=flag_meanings(report),
        flag_remark=flag_remark(report),
        only_single_steps=not any(map(has_many_steps, report.attacks)),
        subjects_table=tables.subjects_table({report.split: report.subjects}),
        settings_table=tables.settings_table(report.settings),
    )


def write_evaluation_figures(folder: Path, report: EvaluationReport) -> list[Path]:
    """Writes the report's figures, each as PNG and SVG.

    Args:
        folder: Made where it is missing.
        report: What to draw.

    Returns:
        The files: `accuracy_vs_robustness` where there is an attack, `curves` where there are
        curves, and where there are slices `slices_clean` and, of each attack, such as
        `fgsm:0.06`, `slices_fgsm_0.06` and `perturbed_fgsm_0.06`.
    """
    paths = write_drawn(folder, _figures(report))
    # Of an evaluation before, in other conditions.
    for pattern in ("slices_*", "perturbed_*", "curves.*", "accuracy_vs_robustness.*"):
        for path in set(folder.glob(pattern)) - set(paths):
            path.unlink()
    return paths


def _figures(report: EvaluationReport) -> Iterator[Drawn]:
    if report.attacks:
        yield Drawn(
            "accuracy_vs_robustness",
            draw_accuracy_vs_robustness(report),
            alternatives.of_accuracy_vs_robustness(report),
            "How far a point lies below the dashed line is what the attack costs that network; a "
            "number names the lowest point of each. Bars: standard deviation over subjects.",
        )
    if report.curves:
        yield Drawn(
            "curves",
            draw_curves(report),
            alternatives.of_curves(report),
            "Left: error, lower is better. Right: overlap, higher is better. Both are averaged "
            "over the four regions of each subject; bars are standard deviations over subjects. "
            "The networks' points stand side by side, so that no bar hides another.",
        )
    if report.slices:
        yield _slices(report, CLEAN)
        for condition in report.attacks:
            yield _perturbations(report, condition)
            yield _slices(report, condition)


def _slices(report: EvaluationReport, condition: str) -> Drawn:
    low, high = CT_WINDOW_HU
    return Drawn(
        f"slices_{file_name(condition)}",
        draw_slices(report, condition),
        alternatives.of_slices(report, condition),
        f"CT and synthetic CT share one window, {low:.0f} to {high:.0f} HU. Dice: mean over the "
        "four regions of that slice alone, so that it differs from the tables, which score whole "
        "volumes.",
    )


def _perturbations(report: EvaluationReport, condition: str) -> Drawn:
    return Drawn(
        f"perturbed_{file_name(condition)}",
        draw_perturbations(report, condition),
        alternatives.of_perturbations(report, condition),
        f"{condition_phrase(condition)} Above: the MR as it is and as each network saw it, in one "
        "grey window. Below: what was added, in colours of its own; the grey window above shows "
        "how much of it can be seen.",
    )


def _slice_groups(report: EvaluationReport) -> list[tuple[str, list[str]]]:
    """The page's figures of slices: a title and their names, a condition each."""
    if not report.slices:
        return []
    groups = [("On the MR as it is", [f"slices_{CLEAN}"])]
    for condition in report.attacks:
        names = [f"{kind}_{file_name(condition)}" for kind in ("perturbed", "slices")]
        groups.append((f"Under {condition_label(condition)}", names))
    return groups
