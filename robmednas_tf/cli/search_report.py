"""The report of a search, from what its folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robmednas_tf.cli.environment import software_versions
from robmednas_tf.cli.run_record import read_flags
from robmednas_tf.cli.search_data import PreparedCohort
from robmednas_tf.cli.search_flags import SearchSettings
from robmednas_tf.cli.search_result import FinalModel
from robmednas_tf.cli.search_scores import score_groups
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.split import Split
from robmednas_tf.evaluation.inference import AttackedInference, evenly_spread_panels
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.objectives import OBJECTIVES
from robmednas_tf.report.contents import SearchReport
from robmednas_tf.report.model_card import Making, Part, write_model_card
from robmednas_tf.report.search import write_analysis_csv, write_figures, write_search_report
from robmednas_tf.search.confirmation import Confirmation
from robmednas_tf.search.front import Front
from robmednas_tf.search.trials import TrialRecord

PHANTOM_REMARK = "The subjects are made-up heads: the figures say nothing of patients."


@dataclass(frozen=True)
class SearchedRun:
    """What a search was done with, and its trials.

    Attributes:
        settings: All settings.
        cohort: What the cohort is called.
        whole: The cohort's split.
        sub: The search's sub-dataset.
        subjects: The subjects, prepared.
        records: The trials.
        command: The command line that repeats the run.
        fault: Why the search has stopped before its end, if it has.
        confirmation: Of the best trials; None where none was trained again.
        front: The Pareto front; None where there is one objective.
    """

    settings: SearchSettings
    cohort: str
    whole: Split
    sub: Split
    subjects: PreparedCohort
    records: Sequence[TrialRecord]
    command: str
    fault: str | None
    confirmation: Confirmation | None
    front: Front | None


@dataclass(frozen=True)
class Winner:
    """The best trial.

    Attributes:
        trial: Its record.
        result: The model it became.
    """

    trial: TrialRecord
    result: FinalModel


def write_report(folder: Path, run: SearchedRun, winner: Winner | None) -> SearchReport:
    """Writes `report.html`, the figures, `analysis.csv`, and the model's card beside the model.

    Args:
        folder: The run's.
        run: What the search was done with.
        winner: None where no trial was scored; then there is no card.

    Returns:
        What the report tells.
    """
    objective = run.settings.search.objective
    report = SearchReport(
        cohort=run.cohort,
        subjects=run.subjects.names,
        records=run.records,
        objective=objective,
        direction=OBJECTIVES[objective],
        image_size=run.settings.data.image_size,
        attack=run.settings.search.attack,
        seconds=_seconds(run),
        confirmation=run.confirmation,
        front=run.front,
        command=run.command,
        settings=read_flags(folder),
        notes=_notes(run, winner),
        **_found(run, winner),
    )
    write_search_report(folder / "report.html", report)
    write_figures(folder / "figures", report)
    write_analysis_csv(folder / "analysis.csv", report)
    if winner is not None:
        write_model_card(folder / "best_model", report, _making(run, winner))
    return report


def _seconds(run: SearchedRun) -> float:
    trials = sum(record.seconds or 0 for record in run.records)
    return trials + (run.confirmation.seconds if run.confirmation else 0)


def _found(run: SearchedRun, winner: Winner | None) -> dict[str, Any]:
    if winner is None:
        return {"best_trial_id": None, "architecture": None}
    inference = AttackedInference(
        winner.result.model, run.settings.search.attack, run.settings.training.batch_size
    )
    label = "Best trial" if run.front is None else "Picked trial"
    return {
        "best_trial_id": winner.trial.trial_id,
        "architecture": Architecture.from_dict(winner.trial.details["architecture"]),
        "scores": score_groups(run.subjects, inference, winner.trial, run.records, label),
        "panels": evenly_spread_panels(inference, run.subjects.held_out[0]),
    }


def _making(run: SearchedRun, winner: Winner) -> Making:
    settings, history = run.settings, winner.result.history
    is_anew = history is not None
    if history is None:
        history = winner.trial.details["history"]
    losses = history["val_loss"]
    return Making(
        training=(settings.final_training if is_anew else None) or settings.training,
        adversarial=None,
        preprocessing=settings.data.preprocessing,
        seed=settings.search.seed,
        num_epochs=len(losses),
        best_epoch=losses.index(min(losses)),
        parts=_parts(run.subjects, is_anew),
        versions=software_versions(),
        is_anew=is_anew,
        remarks=_remarks(run, winner),
    )


def _parts(subjects: PreparedCohort, is_anew: bool) -> list[Part]:
    search, final = subjects.search, subjects.final
    used = final if is_anew else search
    parts = [
        Part.of("Training", "the weights", used.train),
        Part.of("Validation", "choosing the epoch", used.validation),
        Part.of("Search's test", "choosing the architecture", search.test),
        Part.of("Held-out test", "the scores below alone", subjects.held_out),
    ]
    if is_anew:
        candidates = (*search.train, *search.validation)
        use = "the search's trials; all are among those for training"
        parts.insert(2, Part.of("Search's training and validation", use, candidates))
    return parts


def _notes(run: SearchedRun, winner: Winner | None) -> list[str]:
    confirmation = run.confirmation
    if (
        confirmation is None
        or confirmation.is_decided_by_first_scores
        or len(confirmation.candidates) == 1
    ):
        chosen = "by its score" if run.front is None else "by its objectives"
    else:
        chosen = "by further scores"
    return [
        f"The winner was chosen {chosen} on the search's test subjects, so its figures "
        "there are better than it is; those on the held-out subjects are fair.",
        *_remarks(run, winner),
    ]


def _remarks(run: SearchedRun, winner: Winner | None) -> list[str]:
    remarks = []
    if run.settings.data.data == PHANTOM:
        remarks.append(PHANTOM_REMARK)
    return remarks + [each for each in (run.fault, winner and winner.result.note) if each]
