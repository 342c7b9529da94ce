"""What the report of a study is made from, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from robmednas_tf.attacks.notation import CLEAN, CURVES
from robmednas_tf.evaluation.metrics import mean_over_regions
from robmednas_tf.evaluation.outcomes import Outcome
from robmednas_tf.evaluation.statistics import summarize_values
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE, EvaluatedModel, EvaluationReport
from robmednas_tf.study.arms import ARMS, BASELINE, ROBMEDNAS_T

# Parts of a study: an arm's repeats, further seeds, folds, and the networks that are reported.
ARM, SEEDS, FOLDS, REPORTED = "arm", "seeds", "folds", "reported"


@dataclass(frozen=True)
class NetworkRun:
    """One network that was trained on the cohort's training subjects.

    Attributes:
        part: `ARM`, `SEEDS` or `FOLDS`.
        arm: Key of `ARMS`.
        number: Of the repeat, seed or fold, from 1.
        seed: Of its training.
        picked: Whether it is the one of its arm that is reported.
        validation_dice_clean: Of the epoch that was kept, on the subjects that chose it.
        validation_dice_attacked: The same under attack.
        epochs: Epochs trained.
        best_epoch: The one that was kept, from 1.
        seconds: How long its training took.
        parameters: Its trainable parameters.
        architecture: Its blocks.
    """

    part: str
    arm: str
    number: int
    seed: int
    picked: bool
    validation_dice_clean: float
    validation_dice_attacked: float
    epochs: int
    best_epoch: int
    seconds: float
    parameters: int
    architecture: Architecture


@dataclass(frozen=True)
class SearchRun:
    """One search.

    Attributes:
        arm: Key of `ARMS`.
        number: Of the repeat, from 1.
        seed: The search's.
        num_failed: Trials that failed, and do not count.
        seconds: How long its trials took.
        scores: Of every trial that counts, in their order; NaN of one that was stopped.
    """

    arm: str
    number: int
    seed: int
    num_failed: int
    seconds: float
    scores: tuple[float, ...]


@dataclass(frozen=True)
class StudyInfo:
    """How a study was done.

    Attributes:
        cohort: What the cohort is called.
        subjects: Names of the subjects by part.
        conditions: `clean` first, then the attacks.
        repeats: Of the searched arms.
        baseline_repeats: Of the two baseline arms.
        seeds: Of the study of weight initialisation; 0 where it was left out.
        folds: Of the study of training data; 0 where it was left out.
        select_on: Which subjects chose the repeat that is reported: "validation" or "test".
        settings: Flags and their values.
        seconds: How long all steps took.
        num_machines: On how many machines they were done.
        versions: Of the software, by package.
        is_phantom: Whether the subjects are made up.
    """

    cohort: str
    subjects: Mapping[str, Sequence[str]]
    conditions: Sequence[str]
    repeats: int
    baseline_repeats: int
    seeds: int
    folds: int
    select_on: str
    settings: Mapping[str, str]
    seconds: float
    num_machines: int
    versions: Mapping[str, str | None]
    is_phantom: bool

    @property
    def attack(self) -> str:
        """The condition that robustness is told by: the first attack, `clean` without any."""
        return self.conditions[1] if len(self.conditions) > 1 else CLEAN

    @property
    def is_error(self) -> bool:
        """Whether the searches minimise their score."""
        return "mae" in self.settings["objective"]

    def number(self, name: str) -> float:
        """Returns a setting that is a number."""
        return float(self.settings[name])


@dataclass(frozen=True)
class StudyResults:
    """All that a study has found.

    Attributes:
        info: How it was done.
        runs: Every network.
        searches: Every search.
        outcomes: By part, arm and number; of `REPORTED` under the arm "" and the number 0, those
            of all reported networks and of the look-up table, under the names of `ARMS`.
        panels: Pictures of slices.
    """

    info: StudyInfo
    runs: Sequence[NetworkRun]
    searches: Sequence[SearchRun]
    outcomes: Mapping[tuple[str, str, int], Sequence[Outcome]]
    panels: Sequence[Path] = field(default=())

    def values(
        self, part: str, arm: str, condition: str, metric: str, region: str = ""
    ) -> list[float]:
        """Returns a metric of an arm's networks: a mean over test subjects for each.

        Args:
            part: `ARM`, `SEEDS` or `FOLDS`.
            arm: Key of `ARMS`.
            condition: `clean` or a perturbation.
            metric: "dice" or "mae".
            region: Key of `REGIONS`; empty for each subject's mean over the four.
        """
        return [
            summarize_values(
                [
                    _score(outcome, metric, region)
                    for outcome in self.outcomes[key]
                    if outcome.condition == condition and outcome.model != LOOKUP_TABLE
                ]
            ).mean
            for key in self.keys(part, arm)
        ]

    def keys(self, part: str, arm: str) -> list[tuple[str, str, int]]:
        """Returns which outcomes a part of the study compares, by number."""
        parts = (ARM, SEEDS) if part == SEEDS and arm == BASELINE else (part,)
        most = self.info.seeds if part == SEEDS else math.inf
        found = [
            key for key in self.outcomes if key[0] in parts and key[1] == arm and key[2] <= most
        ]
        return sorted(found, key=lambda key: key[2])

    def picked(self, arm: str) -> NetworkRun:
        """Returns the network of an arm that is reported.

        Raises:
            ValueError: If there is none.
        """
        for run in self.runs:
            if run.arm == arm and run.picked:
                return run
        raise ValueError(f"A study's runs must say which one is picked. Received: none of {arm}.")

    @property
    def best_architecture(self) -> Architecture:
        """The architecture of the RobMedNAS-T network that is reported."""
        return self.picked(ROBMEDNAS_T).architecture

    @cached_property
    def evaluation(self) -> EvaluationReport:
        """The reported networks as one evaluation: the paper's Tables 2 and 3, and Figure 7."""
        info, outcomes = self.info, self.outcomes[REPORTED, "", 0]
        levels = {str(level) for levels in CURVES.values() for level in levels}
        has_curves = any(outcome.condition not in info.conditions for outcome in outcomes)
        return EvaluationReport(
            cohort=info.cohort,
            split="test",
            subjects=info.subjects["test"],
            models=[self._model(arm) for arm in ARMS],
            baseline=ARMS[BASELINE],
            conditions=info.conditions,
            outcomes=[each for each in outcomes if each.condition in info.conditions],
            curves=[each for each in outcomes if has_curves and each.condition in levels],
            image_size=int(info.number("image_size")),
            slices_per_subject=0 if info.is_phantom else int(info.number("slices_per_subject")),
            remarks=[how_picked(info)],
        )

    def _model(self, arm: str) -> EvaluatedModel:
        run = self.picked(arm)
        training = "adversarial" if arm == "adversarial" else "regular"
        return EvaluatedModel(ARMS[arm], f"repeat {run.number}", training, run.parameters)


def how_picked(info: StudyInfo) -> str:
    """Returns in a sentence how the networks in the tables were picked among an arm's repeats."""
    repeats = f"{info.baseline_repeats} (baselines) and {info.repeats} (the others)"
    if info.select_on == "test":
        return (
            f"Each arm's network is the best of its repeats, {repeats}, by Dice under "
            f"{info.attack} on these very test subjects, as in the paper: its figures are better "
            "than it is."
        )
    return (
        f"Each arm's network is the best of its repeats, {repeats}, by Dice under attack on the "
        "validation subjects; the test subjects chose nothing."
    )


def _score(outcome: Outcome, metric: str, region: str) -> float:
    if region:
        return getattr(outcome.regions[region], metric)
    return mean_over_regions(outcome.regions)[("dice", "mae").index(metric)]


def as_settings(flags: Mapping[str, Any], without: Sequence[str]) -> dict[str, str]:
    """Returns a run's flags as its report shows them: without those that say where it ran."""
    return {name: str(value) for name, value in flags.items() if name not in without}
