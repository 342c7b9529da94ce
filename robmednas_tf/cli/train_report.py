"""The report of a training, from what its folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robmednas_tf.cli.environment import software_versions
from robmednas_tf.cli.run_record import describe_training, read_flags
from robmednas_tf.cli.score_rows import lookup_table_row, network_row
from robmednas_tf.cli.train_flags import TrainSettings
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.data.split import Split
from robmednas_tf.evaluation.inference import AttackedInference, evenly_spread_panels
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.report.contents import ScoreGroup
from robmednas_tf.report.model_card import Making, Part, write_model_card
from robmednas_tf.report.training import (
    TrainingReport,
    write_training_figures,
    write_training_report,
)


@dataclass(frozen=True)
class TrainedRun:
    """What a training was done with.

    Attributes:
        settings: All settings.
        architecture: What was trained.
        cohort: What the cohort is called.
        split: Its split.
        train: The training subjects, prepared.
        validation: The validation subjects, prepared.
        test: The test subjects, prepared, but not looked at.
        command: The command line that repeats the run.
    """

    settings: TrainSettings
    architecture: Architecture
    cohort: str
    split: Split
    train: Sequence[PreparedSubject]
    validation: Sequence[PreparedSubject]
    test: Sequence[PreparedSubject]
    command: str


def write_report(
    folder: Path, run: TrainedRun, inference: AttackedInference, made: Mapping[str, Any]
) -> None:
    """Writes `report.html`, the figures, and the model's card beside the model.

    Args:
        folder: The run's.
        run: What the training was done with.
        inference: The kept network under attack.
        made: What `training.json` says.
    """
    report = TrainingReport(
        cohort=run.cohort,
        subjects={
            "train": run.split.train,
            "validation": run.split.validation,
            "test (not looked at)": run.split.test,
        },
        architecture=run.architecture,
        architecture_name=run.settings.architecture,
        training=describe_training(made["recipe"]),
        history=made["history"],
        best_epoch=made["best_epoch"],
        attack=run.settings.attack,
        image_size=run.settings.data.image_size,
        seconds=made["seconds"],
        command=run.command,
        scores=[_scores(run, inference)],
        panels=evenly_spread_panels(inference, run.validation[0]),
        settings=read_flags(folder),
        notes=_notes(run, made["note"]),
    )
    write_training_report(folder / "report.html", report)
    write_training_figures(folder / "figures", report)
    write_model_card(folder / "model", report, _making(run, made))


def _scores(run: TrainedRun, inference: AttackedInference) -> ScoreGroup:
    return ScoreGroup(
        "Validation subjects",
        "used to choose the epoch",
        run.split.validation,
        [
            network_row("Trained network", inference, run.validation),
            lookup_table_row(run.train, run.validation),
        ],
    )


def _making(run: TrainedRun, made: Mapping[str, Any]) -> Making:
    settings = run.settings
    return Making(
        training=settings.training,
        adversarial=settings.adversarial,
        preprocessing=settings.data.preprocessing,
        seed=settings.seed,
        num_epochs=len(made["history"]["loss"]),
        best_epoch=made["best_epoch"],
        parts=[
            Part.of("Training", "the weights", run.train),
            Part.of("Validation", "choosing the epoch", run.validation),
            Part.of("Test", "nothing: kept for an evaluation", run.test),
        ],
        versions=software_versions(),
        mixed_precision=settings.mixed_precision,
        remarks=_remarks(run, made["note"]),
    )


def _notes(run: TrainedRun, own: str | None) -> list[str]:
    return [
        "The epoch was chosen on the validation subjects, so that its figures there are better "
        "than it is. run_eval.py scores it on the test subjects, which were not looked at here.",
        *_remarks(run, own),
    ]


def _remarks(run: TrainedRun, own: str | None) -> list[str]:
    remarks = [own] if own else []
    if run.settings.data.data == PHANTOM:
        remarks.append("The subjects are made-up heads: the figures say nothing of patients.")
    return remarks
