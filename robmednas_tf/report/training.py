"""What a single training leaves to read: `report.html` and the report's figures as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from robmednas_tf.report import tables
from robmednas_tf.report import training_wording as wording
from robmednas_tf.report.network import drawn_architecture, drawn_panels
from robmednas_tf.report.page import Drawn, write_drawn, write_page
from robmednas_tf.report.panels import CT_WINDOW_HU, ERROR_MAX_HU
from robmednas_tf.report.training_contents import TrainingReport
from robmednas_tf.report.training_figures import draw_learning_curve, draw_validation_dice

__all__ = ["TrainingReport", "write_training_figures", "write_training_report"]


def write_training_report(path: Path, report: TrainingReport) -> None:
    """Writes one self-contained HTML page, figures included, atomically.

    Args:
        path: The file; replaced where it exists.
        report: What to tell. The page is the same, byte for byte, for the same values.
    """
    write_page(
        path,
        "training.html.j2",
        _figures(report),
        kind="training",
        report=report,
        summary=wording.summary(report),
        key_figures=wording.key_figures(report),
        moved=wording.moved(report),
        score_tables=tables.score_tables(report.scores),
        architecture_table=tables.architecture_table(report.architecture),
        subjects_table=tables.subjects_table(report.subjects),
        settings_table=tables.settings_table(report.settings),
        ct_window_hu=CT_WINDOW_HU,
        error_max_hu=ERROR_MAX_HU,
    )


def write_training_figures(folder: Path, report: TrainingReport) -> list[Path]:
    """Writes the report's figures, each as PNG and SVG.

    Args:
        folder: Made where it is missing.
        report: What to draw.

    Returns:
        The files: `learning_curve`, `validation_dice` where Dice was measured, `architecture`,
        and `panels` where there are slices.
    """
    return write_drawn(folder, _figures(report))


def _figures(report: TrainingReport) -> Iterator[Drawn]:
    loss = draw_learning_curve(report)
    yield Drawn("learning_curve", loss, wording.of_curves(report, "loss"))
    if report.has_dice:
        dice = draw_validation_dice(report)
        yield Drawn("validation_dice", dice, wording.of_curves(report, "Dice"))
    yield drawn_architecture(report.architecture, report.image_size)
    if report.panels:
        yield drawn_panels(report.panels, report.attack.size)
