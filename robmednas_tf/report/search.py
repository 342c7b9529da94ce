"""What a search leaves to read: `trials.csv`, `report.html` and the report's figures as files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from robmednas_tf.files import write_text
from robmednas_tf.report import alternatives, tables, wording
from robmednas_tf.report.contents import ScoreGroup, ScoreRow, SearchReport
from robmednas_tf.report.drawing import draw_architecture
from robmednas_tf.report.figures import clean_vs_adversarial, score_vs_parameters, search_curve
from robmednas_tf.report.panels import CT_WINDOW_HU, ERROR_MAX_HU, draw_panels, panel_image
from robmednas_tf.report.style import inline_svg, write_figure
from robmednas_tf.report.trials_csv import write_trials_csv

__all__ = [
    "ScoreGroup",
    "ScoreRow",
    "SearchReport",
    "panel_image",
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
    figures = {
        drawn.name: Markup(inline_svg(drawn.figure, drawn.name, drawn.alt))
        for drawn in _figures(report)
    }
    page = _template().render(
        report=report,
        summary=wording.summary(report),
        objective=wording.metric_label(report.objective),
        key_figures=tables.key_figures(report),
        score_tables=tables.score_tables(report),
        architecture_table=report.architecture and tables.architecture_table(report.architecture),
        scored_trials=tables.scored_trials(report),
        unscored_trials=tables.unscored_trials(report),
        subjects_table=tables.subjects_table(report.subjects),
        settings_table=tables.settings_table(report.settings),
        figures=figures,
        ct_window_hu=CT_WINDOW_HU,
        error_max_hu=ERROR_MAX_HU,
    )
    write_text(path, page)


def write_figures(folder: Path, report: SearchReport) -> list[Path]:
    """Writes the report's figures, each as PNG and SVG.

    Args:
        folder: Made where it is missing.
        report: What to draw.

    Returns:
        The files: `search_curve`, `clean_vs_adversarial`, `score_vs_parameters`, and, where there
        is one to draw, `architecture` and `panels`.
    """
    paths = []
    for drawn in _figures(report):
        for suffix in (".png", ".svg"):
            paths.append(folder / f"{drawn.name}{suffix}")
            write_figure(drawn.figure, paths[-1])
    return paths


@dataclass(frozen=True, eq=False)
class _Drawn:
    name: str
    figure: Figure
    alt: str


def _figures(report: SearchReport) -> Iterator[_Drawn]:
    yield _Drawn("search_curve", search_curve(report), alternatives.of_search_curve(report))
    yield _Drawn(
        "clean_vs_adversarial",
        clean_vs_adversarial(report),
        alternatives.of_clean_vs_adversarial(report),
    )
    yield _Drawn(
        "score_vs_parameters",
        score_vs_parameters(report),
        alternatives.of_score_vs_parameters(report),
    )
    if report.architecture is not None:
        figure = draw_architecture(report.architecture, report.image_size)
        yield _Drawn("architecture", figure, alternatives.of_architecture(report.architecture))
    if report.panels:
        figure = draw_panels(report.panels, report.epsilon)
        yield _Drawn("panels", figure, alternatives.of_panels(report.panels))


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("robmednas_tf.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("search.html.j2")
