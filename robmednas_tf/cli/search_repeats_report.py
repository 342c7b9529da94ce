"""The report of repeated searches, from what their folders hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robmednas_tf.cli.run_record import read_flags
from robmednas_tf.cli.search_data import PreparedCohort
from robmednas_tf.cli.search_flags import SearchSettings
from robmednas_tf.cli.search_repeats_best import write_best
from robmednas_tf.cli.search_report import PHANTOM_REMARK
from robmednas_tf.config import PHANTOM
from robmednas_tf.objectives import OBJECTIVES
from robmednas_tf.report import repeats_wording
from robmednas_tf.report.repeats import (
    Repeat,
    RepeatsReport,
    write_repeats_csv,
    write_repeats_figures,
    write_repeats_report,
)


def repeats_report(
    settings: SearchSettings,
    cohort: str,
    subjects: PreparedCohort,
    repeats: Sequence[Repeat],
    command: str,
) -> RepeatsReport:
    """Returns what the report tells.

    Args:
        settings: Of the repeats together.
        cohort: What the cohort is called.
        subjects: The subjects, prepared.
        repeats: All that were asked for, by number.
        command: The command line that repeats the run.
    """
    search = settings.search
    notes = [PHANTOM_REMARK] if settings.data.data == PHANTOM else []
    if len(search.objectives) > 1:
        notes.append(
            f"Each search had several objectives ({', '.join(search.objectives)}) and picked its "
            f"winner from their Pareto front ({search.pick}); the best repeat goes by the first "
            "objective alone."
        )
    notes += [
        f"Repeat {each.number}: {each.outcome.note}"
        for each in repeats
        if each.outcome is not None and each.outcome.note
    ]
    return RepeatsReport(
        cohort=cohort,
        subjects=subjects.names,
        repeats=repeats,
        oracle=search.oracle,
        objective=search.objective,
        direction=OBJECTIVES[search.objective],
        num_trials=search.num_trials,
        space=settings.space,
        image_size=settings.data.image_size,
        attack=search.attack,
        command=command,
        settings=read_flags(settings.output_dir),
        notes=notes,
    )


def write_repeats(folder: Path, report: RepeatsReport) -> None:
    """Writes `repeats.csv`, `report.html`, the figures, and the best repeat's result.

    Args:
        folder: Of the repeats together.
        report: What to tell.

    Raises:
        OSError: If the folder cannot be written to.
    """
    write_repeats_csv(folder / "repeats.csv", report)
    write_repeats_figures(folder / "figures", report)
    if report.ended:
        write_best(folder, report)
    write_repeats_report(folder / "report.html", report)


def tell_repeats(folder: Path, report: RepeatsReport) -> None:
    """Says what came of all repeats, and where to look."""
    lines = [
        repeats_wording.winners_in_short(report),
        repeats_wording.best_in_short(report),
        f"Report:  {folder / 'report.html'}",
        f"Model:   {folder / 'best_model'}",
        f"Curves:  tensorboard --logdir {folder}",
        f"Test it: python run_eval.py --models=best={folder}",
    ]
    print("\n".join(lines), flush=True)
