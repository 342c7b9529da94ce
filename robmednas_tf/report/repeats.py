"""What repeated searches leave to read together: `report.html` and its figures as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from robmednas_tf.report import repeats_tables, repeats_wording, tables, wording
from robmednas_tf.report.page import Drawn, write_drawn, write_page
from robmednas_tf.report.repeats_contents import Repeat, RepeatsReport
from robmednas_tf.report.repeats_csv import write_repeats_csv
from robmednas_tf.report.repeats_figures import draw_best_so_far, draw_winners

__all__ = [
    "Repeat",
    "RepeatsReport",
    "write_repeats_csv",
    "write_repeats_figures",
    "write_repeats_report",
]


def write_repeats_report(path: Path, report: RepeatsReport) -> None:
    """Writes one HTML page, figures included, atomically; it links to each repeat's own.

    Args:
        path: The file; replaced where it exists.
        report: What to tell. The page is the same, byte for byte, for the same values.
    """
    write_page(
        path,
        "repeats.html.j2",
        _figures(report),
        kind="run",
        report=report,
        summary=repeats_wording.summary(report),
        objective=wording.metric_label(report.objective),
        conditions=repeats_wording.conditions_in_words(report),
        key_figures=repeats_wording.key_figures(report),
        cautions=repeats_wording.notes(report),
        spread_table=repeats_tables.spread_table(report),
        region_table=repeats_tables.region_table(report),
        repeats_table=repeats_tables.repeats_table(report),
        open_table=repeats_tables.open_table(report),
        choices_table=repeats_tables.choices_table(report),
        subjects_table=tables.subjects_table(report.subjects),
        settings_table=tables.settings_table(report.settings),
    )


def write_repeats_figures(folder: Path, report: RepeatsReport) -> list[Path]:
    """Writes the report's figures, `best_so_far` and `winners`, each as PNG and SVG.

    Args:
        folder: Made where it is missing.
        report: What to draw.
    """
    return write_drawn(folder, _figures(report))


def _figures(report: RepeatsReport) -> Iterator[Drawn]:
    best = draw_best_so_far(report)
    yield Drawn("best_so_far", best, repeats_wording.of_best_so_far(report))
    winners, alt = draw_winners(report), repeats_wording.of_winners(report)
    yield Drawn("winners", winners, alt, repeats_wording.winners_caption(report))
