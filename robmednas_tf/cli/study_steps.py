"""The steps of a study that are functions of the project, and no commands: draw and pick."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

from robmednas_tf.cli.study_checks import has_weights, read_training
from robmednas_tf.evaluation.metrics import mean_over_regions
from robmednas_tf.evaluation.statistics import summarize_values
from robmednas_tf.files import replaced_folder, write_json, write_text
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE
from robmednas_tf.report.metrics_csv import read_metrics_csv
from robmednas_tf.study.marks import MARK_FILE, Marks
from robmednas_tf.study.plan import place
from robmednas_tf.study.steps import Step

PICK_FILE = "pick.json"
_MOST_DRAWS = 1000


def draw_architecture(
    folder: Path, space: SearchSpace, seed: int, image_size: int, batch_size: int, limit_gb: float
) -> None:
    """Draws a random architecture, as the searches draw candidates, into `architecture.json`.

    Like them it passes over those that are estimated to need too much memory to train.

    Args:
        folder: Made where it is missing.
        space: From which it is drawn.
        seed: One seed, one architecture.
        image_size: Pixels a side of a slice.
        batch_size: Slices of a training step.
        limit_gb: Memory that a training may take, in 10^9 bytes.

    Raises:
        ValueError: If none of very many fits.

    Source: paper section 2.2.
    """
    # TensorFlow starts here.
    import keras_tuner

    from robmednas_tf.search.hyperparameters import architecture_of, declare_space
    from robmednas_tf.search.sampling import random_values

    hyperparameters = keras_tuner.HyperParameters()
    declare_space(hyperparameters, space)
    for number in range(_MOST_DRAWS):
        hyperparameters.values = random_values(hyperparameters, seed, number)
        architecture = architecture_of(hyperparameters)
        cost = estimate_cost(architecture, (image_size, image_size, 1))
        if cost.training_bytes(batch_size) <= 1e9 * limit_gb:
            write_text(folder / "architecture.json", architecture.to_json() + "\n")
            return
    raise ValueError(
        f"None of {_MOST_DRAWS} random architectures is estimated to train within {limit_gb:.1f} "
        "GB. Give a smaller --batch_size or --image_size, smaller --filters, or --max_memory_gb."
    )


def pick_repeat(study: Path, step: Step, marks: Marks, select_on: str, condition: str) -> int:
    """Copies the run of an arm's best repeat to where the steps after it look for it.

    Args:
        study: The study's folder.
        step: Which picks.
        marks: Of the study.
        select_on: "validation": by the Dice under attack of the epoch that was kept, on the
            subjects that chose the epoch. "test": by the Dice that is reported.
        condition: On "test", the condition that counts.

    Returns:
        The repeat's number. Of equal ones the first is the best; an undefined Dice is the worst.

    Raises:
        ValueError: If no repeat can be picked.
    """
    names = [name for name in step.after if name.startswith("train/")]
    if select_on == "test":
        of_test = [marks.source_of(name.replace("train/", "evaluate/", 1)) for name in names]
        scores = [_test_dice(folder, condition) for folder in of_test]
    else:
        scores = [_validation_dice(marks.source_of(name)) for name in names]
    ranked = [-math.inf if math.isnan(score) else score for score in scores]
    number = 1 + ranked.index(max(ranked))
    folder = study / step.folder
    found = {"number": number, "select_on": select_on, "scores": _sayable(scores)}
    if picked_number(folder) != number or not has_weights(folder):
        _copy_run(study / f"steps/train/{step.arm}/{place(number)}", folder)
    write_json(folder / PICK_FILE, found)
    return number


def picked_number(folder: Path) -> int | None:
    """Returns which repeat a pick's folder holds; None where it holds none."""
    try:
        return json.loads((folder / PICK_FILE).read_text(encoding="utf-8"))["number"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _copy_run(run: Path, folder: Path) -> None:
    if not has_weights(run):
        raise ValueError(
            f"The best repeat lies in {str(run)!r}, whose weights are gone. Remove that folder, so "
            "that it is trained again."
        )
    with replaced_folder(folder) as temporary:
        ignored = shutil.ignore_patterns(MARK_FILE, "tensorboard", ".lock")
        shutil.copytree(run, temporary, dirs_exist_ok=True, ignore=ignored)


def _validation_dice(folder: Path) -> float:
    made = read_training(folder)
    value = made["history"]["val_dice_adversarial"][made["best_epoch"]]
    return math.nan if value is None else float(value)


def _test_dice(folder: Path, condition: str) -> float:
    values = [
        mean_over_regions(outcome.regions)[0]
        for outcome in read_metrics_csv(folder / "metrics.csv")
        if outcome.condition == condition and outcome.model != LOOKUP_TABLE
    ]
    return summarize_values(values).mean


def _sayable(scores: list[float]) -> list[float | None]:
    return [None if math.isnan(score) else score for score in scores]
