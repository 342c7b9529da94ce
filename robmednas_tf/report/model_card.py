"""A model's card: what it is, how it was made, what it scores, how to call it, where it ends.

Source: Mitchell et al. 2019, Model Cards for Model Reporting.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from robmednas_tf.data.intensities import AIR_HU
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.files import write_text
from robmednas_tf.onnx_export import ONNX_FILE
from robmednas_tf.report import model_card_tables as tables
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import attack_phrase
from robmednas_tf.report.confirmation import confirmation_in_short
from robmednas_tf.report.contents import SearchReport
from robmednas_tf.report.markdown import escape_markdown, markdown_table
from robmednas_tf.report.model_card_contents import Making, Part
from robmednas_tf.report.training_contents import TrainingReport

__all__ = ["CARD_FILE", "Making", "Part", "mr_in_words", "write_model_card"]

CARD_FILE = "model_card.md"


def write_model_card(folder: Path, report: TrainingReport | SearchReport, making: Making) -> None:
    """Writes `model_card.md` into a model's folder, atomically.

    Args:
        folder: Where the model was exported; the card names the files that are there.
        report: The training's, or that of the search which found the model. Subjects are counted,
            not named.
        making: What the report does not hold.

    Raises:
        ValueError: If a search found nothing.
    """
    if report.architecture is None:
        raise ValueError("A model card needs a model. Received: a search without a winner.")
    template = _environment().get_template("model_card.md.j2")
    text = template.render(
        report=report,
        making=making,
        objective=_won_by(report) if isinstance(report, SearchReport) else None,
        confirmation=confirmation_in_short(report) if isinstance(report, SearchReport) else "",
        attack=attack_phrase(report.attack),
        size=report.image_size,
        network=tables.network_rows(report, report.architecture),
        blocks=tables.blocks(report.architecture),
        training=tables.training_rows(report, making),
        parts=[tables.part_row(part) for part in making.parts],
        groups=tables.score_groups(report.scores),
        mr=mr_in_words(making.preprocessing),
        is_resampled=any(making.preprocessing.spacing_mm),
        remarks=[_without_names(text, report.subjects) for text in making.remarks],
        has_onnx=(folder / ONNX_FILE).is_file(),
        command=_without_folder(report.command),
        versions={name: text for name, text in making.versions.items() if text},
        air_hu=f"{AIR_HU:g}",
        normalised=tables.NORMALISED,
    )
    write_text(folder / CARD_FILE, text)


def _won_by(report: SearchReport) -> str:
    objectives = wording.objectives_phrase(report)
    if report.front is None:
        return objectives
    return (
        f"several objectives ({objectives}), picked from their Pareto front ({report.front.rule})"
    )


def _without_folder(command: str) -> str:
    # The card travels with the model; where it was made is nobody's business.
    parts = [
        f"--flagfile={Path(part).name}" if part.startswith("--flagfile=") else part
        for part in shlex.split(command)
    ]
    return shlex.join(parts)


def mr_in_words(preprocessing: Preprocessing) -> str:
    """Returns how an MR becomes what the network was trained on."""
    return f"{tables.resampling(preprocessing)}, {tables.zscoring(preprocessing)}"


def _without_names(text: str, subjects: Mapping[str, Sequence[str]]) -> str:
    # An error that went into a remark may name a subject, or a file of one.
    names = {re.escape(name) for part in subjects.values() for name in part}
    if not names:
        return text
    return re.sub(rf"(?<!\w)(?:{'|'.join(sorted(names, key=len, reverse=True))})(?!\w)", "…", text)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("robmednas_tf.report"),
        # For HTML; here every text passes one of the filters below.
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {"md": escape_markdown, "table": _table}
    environment.filters.update(filters)
    return environment


def _table(rows: Sequence[Sequence[str]], *head: str, num_words: int | None = None) -> str:
    return markdown_table(head, rows, num_words)
