"""What a study leaves to read: its tables, its figures and `report.html`, a short paper."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from robmednas_tf.files import replaced_atomically
from robmednas_tf.report import study_tables as tables
from robmednas_tf.report import study_wording as wording
from robmednas_tf.report.conditions import condition_label
from robmednas_tf.report.evaluation_alarms import remarks
from robmednas_tf.report.evaluation_alternatives import of_accuracy_vs_robustness, of_curves
from robmednas_tf.report.evaluation_captions import own_notes, shared_notes
from robmednas_tf.report.evaluation_figures import draw_accuracy_vs_robustness, draw_curves
from robmednas_tf.report.evaluation_tables import result_tables
from robmednas_tf.report.evaluation_wording import summary
from robmednas_tf.report.network import drawn_architecture
from robmednas_tf.report.page import Drawn, write_drawn, write_page
from robmednas_tf.report.study_claims import claims_table
from robmednas_tf.report.study_contents import ARM, FOLDS, SEEDS, StudyResults
from robmednas_tf.report.study_figures import draw_repeats, draw_searches, draw_studied
from robmednas_tf.report.table_files import write_plain_table, write_tables
from robmednas_tf.report.tables import Table, settings_table, subjects_table

_COMMAND = "python run_study.py --flagfile=flags.cfg"


@dataclass(frozen=True)
class _Page:
    """What the page's frame asks for."""

    command: str
    notes: list[str]
    cohort: str


def write_study(folder: Path, results: StudyResults) -> None:
    """Writes `tables`, `figures` and `report.html`, the same for the same results.

    Args:
        folder: Made where it is missing.
        results: What was found.
    """
    write_tables(folder / "tables", results.evaluation)
    for name, (title, table) in _plain_tables(results).items():
        write_plain_table(folder / "tables", name, table, title)
    write_drawn(folder / "figures", _figures(results))
    for path in results.panels:
        with replaced_atomically(folder / "figures" / path.name) as temporary:
            shutil.copyfile(path, temporary)
    write_study_report(folder / "report.html", results)


def write_study_report(path: Path, results: StudyResults) -> None:
    """Writes one HTML page, figures included, atomically.

    Args:
        path: The file; replaced where it exists.
        results: What was found.
    """
    evaluation = results.evaluation
    write_page(
        path,
        "study.html.j2",
        _figures(results),
        kind="study",
        report=_Page(_COMMAND, wording.notes(results), results.info.cohort),
        evaluation=evaluation,
        question=wording.question(),
        abstract=wording.abstract(results),
        agreement=wording.agreement(results),
        data=wording.data_paragraph(results.info),
        method=wording.method(results.info),
        findings=summary(evaluation),
        remarks=remarks(evaluation),
        key_figures=wording.key_figures(results),
        results=[(table, own_notes(evaluation, table)) for table in result_tables(evaluation)],
        shared_notes=shared_notes(evaluation),
        plain_tables=_plain_tables(results),
        picked_table=tables.picked_table(results),
        searches_table=tables.searches_table(results),
        claims_table=claims_table(results),
        panels=[(_panel_title(path), _embedded(path)) for path in results.panels],
        subjects_table=subjects_table(results.info.subjects),
        settings_table=settings_table(results.info.settings),
    )


def _plain_tables(results: StudyResults) -> dict[str, tuple[str, Table]]:
    """The tables of plain text: titles and cells by the names of their files."""
    attack = condition_label(results.info.attack)
    found = {
        "table4": (
            "The architecture of the reported RobMedNAS-T network",
            tables.table_4(results),
        ),
        "repeats": (
            "Repeats: each a mean over test subjects; mean and standard deviation over repeats",
            tables.repeats_table(results),
        ),
        "effects": ("How far arms lie apart, over their repeats", tables.effects_table(results)),
    }
    if results.info.seeds:
        title = f"Weight initialisation: {results.info.seeds} seeds, under {attack}"
        found[SEEDS] = (title, tables.studied_table(results, SEEDS))
    if results.info.folds:
        title = f"Training data: {results.info.folds} folds, under {attack}"
        found[FOLDS] = (title, tables.studied_table(results, FOLDS))
    return found


def _figures(results: StudyResults) -> Iterator[Drawn]:
    arms = "; ".join(wording.alternatives(results, ARM))
    yield Drawn("repeats", draw_repeats(results), f"Dice under attack of each repeat: {arms}.")
    for part, has in ((SEEDS, results.info.seeds), (FOLDS, results.info.folds)):
        if has:
            told = "; ".join(wording.alternatives(results, part))
            figure = draw_studied(results, part)
            yield Drawn(part, figure, f"Dice under attack, by {part}: {told}.")
    yield Drawn("searches", draw_searches(results), "Best score so far by trial, of each search.")
    evaluation = results.evaluation
    if evaluation.attacks:
        figure = draw_accuracy_vs_robustness(evaluation)
        alternative = of_accuracy_vs_robustness(evaluation)
        yield Drawn("accuracy_vs_robustness", figure, alternative)
    if evaluation.curves:
        yield Drawn("curves", draw_curves(evaluation), of_curves(evaluation))
    yield drawn_architecture(results.best_architecture, int(results.info.number("image_size")))


def _panel_title(path: Path) -> str:
    kind, _, condition = path.stem.partition("_")
    what = "Synthetic CT" if kind == "slices" else "Perturbed MR"
    name, _, size = condition.partition("_")
    where = "from the MR as it is" if not size else f"under {condition_label(f'{name}:{size}')}"
    return f"{what} {where}"


def _embedded(path: Path) -> Markup:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return Markup(f"data:image/png;base64,{data}")
