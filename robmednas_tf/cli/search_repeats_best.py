"""The best of repeated searches, where whoever goes on with it looks for a search's result."""

from __future__ import annotations

import shutil
from pathlib import Path

from robmednas_tf.files import replaced_folder, write_json, write_text
from robmednas_tf.report.markdown import escape_markdown
from robmednas_tf.report.model_card import CARD_FILE
from robmednas_tf.report.repeats import RepeatsReport
from robmednas_tf.report.repeats_wording import best_in_short, chosen_by
from robmednas_tf.search.repeated import metric_at


def write_best(folder: Path, report: RepeatsReport) -> None:
    """Writes `best_repeat.json`, and copies the best repeat's architecture and model.

    Args:
        folder: Of the repeats together, which then serves as a single search's does.
        report: At least one repeat has ended.

    Raises:
        OSError: If the copies cannot be written.
    """
    best = report.ranked[0]
    if best.outcome is None:
        raise ValueError("Only a repeat that has ended can be the best.")
    architecture = best.outcome.architecture
    with replaced_folder(folder / "best_model") as temporary:
        shutil.copytree(folder / best.folder / "best_model", temporary, dirs_exist_ok=True)
        card = (temporary / CARD_FILE).read_text(encoding="utf-8")
        write_text(temporary / CARD_FILE, f"{card}{_card_section(report)}")
    write_text(folder / "best_architecture.json", architecture.to_json() + "\n")
    # Last: what it names is there.
    write_json(
        folder / "best_repeat.json",
        {
            "repeat": best.number,
            "folder": best.folder,
            "seed": best.seed,
            "trial": best.outcome.trial_id,
            "chosen_by": chosen_by(report),
            "objective": report.objective,
            "score": metric_at(best.outcome, report.deciding_stage, report.objective),
            "of_repeats": len(report.ended),
            "architecture": architecture.to_dict(),
        },
    )


def _card_section(report: RepeatsReport) -> str:
    text = escape_markdown(best_in_short(report))
    return f"\n## Repeats\n\nThe search was one of several with seeds of their own. {text}\n"
