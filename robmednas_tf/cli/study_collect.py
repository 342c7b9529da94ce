"""From the steps of a study that are done to its results, tables, figures and report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.cli.environment import software_versions
from robmednas_tf.cli.run_record import read_flags
from robmednas_tf.cli.study_checks import read_training
from robmednas_tf.cli.study_steps import picked_number
from robmednas_tf.config import PHANTOM
from robmednas_tf.evaluation.outcomes import Outcome
from robmednas_tf.files import replaced_folder
from robmednas_tf.models.architecture import load_architecture
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE
from robmednas_tf.report.metrics_csv import read_metrics_csv
from robmednas_tf.report.study_contents import (
    ARM,
    FOLDS,
    REPORTED,
    SEEDS,
    NetworkRun,
    SearchRun,
    StudyInfo,
    StudyResults,
    as_settings,
)
from robmednas_tf.report.study_results import PANELS, read_results, write_results
from robmednas_tf.search.outcome import OUTCOME_FILE
from robmednas_tf.study.arms import ARMS, StudyConfig
from robmednas_tf.study.marks import Marks
from robmednas_tf.study.steps import Plan, Step

# Of this machine, not of the study.
_OF_PLACE = ("output_dir", "cache_dir", "data", "ray_address")


def collect(folder: Path, config: StudyConfig, plan: Plan) -> None:
    """Writes `results`, then from these alone the tables, the figures and the report.

    Args:
        folder: The study's; all steps but this one are done.
        config: How much was done.
        plan: The steps.

    Raises:
        ValueError: If a step's results cannot be read.
    """
    from robmednas_tf.report.study import write_study

    marks = Marks(folder, plan)
    write_results(folder / "results", _gathered(folder, config, marks))
    figures = folder / plan["compare"].folder / "figures"
    with replaced_folder(folder / "results" / PANELS) as temporary:
        for pattern in ("slices_*.png", "perturbed_*.png"):
            for path in figures.glob(pattern):
                shutil.copyfile(path, temporary / path.name)
    # As whoever makes the tables anew reads them.
    write_study(folder, read_results(folder / "results"))
    (folder / plan["collect"].folder).mkdir(parents=True, exist_ok=True)


def _gathered(folder: Path, config: StudyConfig, marks: Marks) -> StudyResults:
    plan = marks.plan
    outcomes: dict[tuple[str, str, int], list[Outcome]] = {}
    for step in plan.steps:
        if step.command == "eval" and step.number is not None:
            key = (_part(step, config), str(step.arm), step.number)
            found = read_metrics_csv(marks.source_of(step.name) / "metrics.csv")
            outcomes[key] = [each for each in found if each.model != LOOKUP_TABLE]
    outcomes[REPORTED, "", 0] = read_metrics_csv(folder / plan["compare"].folder / "metrics.csv")
    picked = {arm: picked_number(folder / plan[f"pick/{arm}"].folder) for arm in ARMS}
    runs = [
        _network_run(step, config, marks, picked[str(step.arm)])
        for step in plan.steps
        if step.command == "train"
    ]
    searches = [_search_run(step, marks) for step in plan.steps if step.command == "search"]
    return StudyResults(_info(folder, config, marks), runs, searches, outcomes)


def _part(step: Step, config: StudyConfig) -> str:
    for part in (SEEDS, FOLDS):
        if f"/{part}/" in step.name:
            return part
    is_repeat = step.number is not None and step.number <= config.repeats_of(str(step.arm))
    return ARM if is_repeat else SEEDS


def _network_run(step: Step, config: StudyConfig, marks: Marks, picked: int | None) -> NetworkRun:
    folder = marks.source_of(step.name)
    made = read_training(folder)
    history, best = made["history"], made["best_epoch"]
    architecture = load_architecture(folder / "architecture.json")
    size = made["recipe"]["image_size"]
    part = _part(step, config)
    return NetworkRun(
        part=part,
        arm=str(step.arm),
        number=step.number or 0,
        seed=made["recipe"]["seed"],
        picked=part == ARM and step.number == picked,
        validation_dice_clean=history["val_dice_clean"][best],
        validation_dice_attacked=history["val_dice_adversarial"][best],
        epochs=len(history["loss"]),
        best_epoch=best + 1,
        seconds=made["seconds"],
        parameters=estimate_cost(architecture, (size, size, 1)).parameters,
        architecture=architecture,
    )


def _search_run(step: Step, marks: Marks) -> SearchRun:
    path = marks.source_of(step.name) / OUTCOME_FILE
    outcome = json.loads(path.read_text(encoding="utf-8"))
    scores = tuple(float("nan") if score is None else score for score in outcome["scores"])
    return SearchRun(
        str(step.arm),
        step.number or 0,
        outcome["seed"],
        outcome["num_failed"],
        outcome["seconds"],
        scores,
    )


def _info(folder: Path, config: StudyConfig, marks: Marks) -> StudyInfo:
    flags = read_flags(folder)
    split = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    known = [mark for name in marks.plan.names for mark in [marks.read(name)] if mark is not None]
    return StudyInfo(
        cohort=split["name"],
        subjects=split["study"],
        conditions=[CLEAN, *(each for each in flags["attacks"].split(",") if each)],
        repeats=config.repeats,
        baseline_repeats=config.repeats_of("baseline"),
        seeds=config.seeds,
        folds=config.folds,
        select_on=config.select_on,
        settings=as_settings(flags, _OF_PLACE),
        seconds=sum(mark.seconds for mark in known),
        num_machines=len({mark.host for mark in known}),
        versions=software_versions(),
        is_phantom=flags["data"] == PHANTOM,
    )
