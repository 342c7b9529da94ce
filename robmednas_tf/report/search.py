"""What a search leaves to read: `trials.csv`, `report.html` and the report's figures as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robmednas_tf.report import alternatives, tables, wording
from robmednas_tf.report.analysis import analysis_section, drawn_analysis, write_analysis_csv
from robmednas_tf.report.confirmation import (
    confirmation_failures,
    confirmation_table,
    confirmation_text,
)
from robmednas_tf.report.confirmation_figure import drawn_confirmation
from robmednas_tf.report.contents import ScoreGroup, ScoreRow, SearchReport
from robmednas_tf.report.figures import clean_vs_adversarial, score_vs_parameters, search_curve
from robmednas_tf.report.network import drawn_architecture, drawn_panels
from robmednas_tf.report.page import Drawn, write_drawn, write_page
from robmednas_tf.report.panels import CT_WINDOW_HU, ERROR_MAX_HU, panel_image
from robmednas_tf.report.pareto import pareto_section
from robmednas_tf.report.pareto_figure import drawn_front
from robmednas_tf.report.pruning import drawn_rungs, pruning_section
from robmednas_tf.report.trials_csv import write_trials_csv

__all__ = [
    "ScoreGroup",
    "ScoreRow",
    "SearchReport",
    "panel_image",
    "write_analysis_csv",
    "write_figures",
    "write_search_report",
    "write_trials_csv",
]


def write_search_report(path: Path, report: SearchReport) -> None:
    """Writes one self-contained HTML page, figures included, atomically.

    Args:
        path: The file; replaced where it exists.
        report: What to tell. The page is the same, byte for byte, for the same values.
    """
    write_page(
        path,
        "search.html.j2",
        _figures(report),
        kind="search",
        report=report,
        summary=wording.summary(report),
        objective=wording.metric_label(report.objective),
        key_figures=tables.key_figures(report),
        score_tables=tables.score_tables(report.scores),
        architecture_table=report.architecture and tables.architecture_table(report.architecture),
        pruning=pruning_section(report),
        confirmation=_confirmation(report),
        pareto=pareto_section(report),
        analysis=analysis_section(report),
        scored_trials=tables.scored_trials(report),
        unscored_trials=tables.unscored_trials(report),
        subjects_table=tables.subjects_table(report.subjects),
        settings_table=tables.settings_table(report.settings),
        ct_window_hu=CT_WINDOW_HU,
        error_max_hu=ERROR_MAX_HU,
    )


def write_figures(folder: Path, report: SearchReport) -> list[Path]:
    """Writes the report's figures, each as PNG and SVG.

    Args:
        folder: Made where it is missing.
        report: What to draw.

    Returns:
        The files: `search_curve`, `clean_vs_adversarial`, `score_vs_parameters`, and, where there
        is one to draw, `rungs`, those of the analysis, `pareto_front`, `confirmation`,
        `architecture` and `panels`.
    """
    return write_drawn(folder, _figures(report))


def _confirmation(report: SearchReport) -> dict[str, Any] | None:
    if report.confirmation is None:
        return None
    return {
        "text": confirmation_text(report, report.confirmation),
        "table": confirmation_table(report, report.confirmation),
        "failures": confirmation_failures(report.confirmation),
    }


def _figures(report: SearchReport) -> Iterator[Drawn]:
    yield Drawn("search_curve", search_curve(report), alternatives.of_search_curve(report))
    yield Drawn(
        "clean_vs_adversarial",
        clean_vs_adversarial(report),
        alternatives.of_clean_vs_adversarial(report),
    )
    yield Drawn(
        "score_vs_parameters",
        score_vs_parameters(report),
        alternatives.of_score_vs_parameters(report),
    )
    rungs = drawn_rungs(report)
    if rungs is not None:
        yield rungs
    yield from drawn_analysis(report)
    if report.front is not None and report.front.members:
        yield drawn_front(report, report.front)
    if report.confirmation is not None:
        yield drawn_confirmation(report, report.confirmation)
    if report.architecture is not None:
        yield drawn_architecture(report.architecture, report.image_size)
    if report.panels:
        yield drawn_panels(report.panels, report.attack.size)
