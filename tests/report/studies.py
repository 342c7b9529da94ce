"""Studies made up for the report: what a real one leaves, without a network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from robmednas_tf.attacks.notation import CLEAN, CURVES
from robmednas_tf.evaluation.metrics import RegionScore
from robmednas_tf.evaluation.outcomes import MaskScore, Outcome
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE
from robmednas_tf.report.study_contents import (
    ARM,
    FOLDS,
    REPORTED,
    SEEDS,
    NetworkRun,
    SearchRun,
    StudyInfo,
    StudyResults,
)
from robmednas_tf.study.arms import ARMS, BASELINE, ORACLES, ROBMEDNAS_T, STUDIED

ATTACK, STRONGER = "fgsm:0.06", "pgd:0.06"
# Of the mean of four regions, clean and what the attack takes.
DICE = {"baseline": 0.90, "adversarial": 0.89, "random": 0.885, "robmednas_r": 0.9}
LOSS = {"baseline": 0.10, "adversarial": 0.01, "random": 0.07, "robmednas_r": 0.05}
DICE["robmednas_t"], LOSS["robmednas_t"] = 0.902, 0.04
ARCHITECTURE = Architecture((Block("1000", 8),), (Block("0110", 8, 4),))
SETTINGS = {
    **{"image_size": "16", "slices_per_subject": "8", "num_subjects": "6", "zscore": "volume"},
    **{"max_depth": "3", "patterns": "1000,0110", "filters": "8,16", "reduction_ratios": "2,4"},
    **{"num_trials": "20", "trial_epochs": "10", "attack": "fgsm:0.2", "confirm_top": "2"},
    **{"confirm_seeds": "3", "pruner": "none", "objective": "adversarial_dice"},
    **{"epochs": "150", "patience": "5", "learning_rate": "0.0001", "batch_size": "6"},
    **{"kernel_initializer": "he_normal", "start_at_mean": "true", "weight_averaging": "0.96"},
    **{"train_attack": "fgsm:0.2", "seed": "0"},
}


def wobble(*numbers: float) -> float:
    """Something like chance, the same each time."""
    return math.sin(12.9898 * sum(n * (7 + place) for place, n in enumerate(numbers)))


def network(arm: str, number: int, shift: float = 0.0) -> dict[str, float]:
    """The mean Dice of one network, clean and attacked."""
    luck = 0.004 * wobble(number, len(arm))
    clean = DICE[arm] + luck + shift
    loss = LOSS[arm] * (1 + 0.1 * wobble(number, 3))
    return {CLEAN: clean, ATTACK: clean - loss, STRONGER: clean - 1.5 * loss}


def outcome(name: str, subject: int, condition: str, dice: float) -> Outcome:
    """One subject's scores about a mean Dice; the second subject has no bone."""
    regions = {}
    for place, region in enumerate(REGIONS):
        value = dice + 0.002 * wobble(subject, place) - 0.02 * (region == "bone")
        score = RegionScore(value, 400 * (1 - value))
        if region == "bone" and subject == 1:
            score = RegionScore(math.nan, math.nan)
        regions[region] = score
    mask = MaskScore(30.0, 28.0, 0.9, 0.95) if condition in (CLEAN, ATTACK, STRONGER) else None
    return Outcome(f"P{subject}", name, condition, regions, mask)


def outcomes(name: str, means: Mapping[str, float], num_test: int) -> list[Outcome]:
    """The outcomes of one network in all conditions."""
    return [
        outcome(name, subject, condition, dice)
        for subject in range(num_test)
        for condition, dice in means.items()
    ]


def reported(num_test: int, has_curves: bool) -> list[Outcome]:
    """The outcomes of the reported networks and of the look-up table."""
    found = []
    for arm, label in ARMS.items():
        means = network(arm, 1)
        if has_curves:
            for levels in CURVES.values():
                for level in levels:
                    share = level.size / 0.06 * (0.2 if level.kind == "gaussian" else 1)
                    means.setdefault(str(level), means[CLEAN] - LOSS[arm] * share)
        found += outcomes(label, means, num_test)
    return found + outcomes(LOOKUP_TABLE, {CLEAN: 0.7}, num_test)


def make_study(
    repeats: int = 6,
    seeds: int = 5,
    folds: int = 5,
    num_test: int = 7,
    has_curves: bool = True,
    **changes: Any,
) -> StudyResults:
    """A study; keywords replace what its info holds."""
    keys = [(ARM, arm, n) for arm in ARMS for n in range(1, repeats + 1)]
    keys += [(SEEDS, BASELINE, n) for n in range(repeats + 1, seeds + 1)]
    keys += [(SEEDS, ROBMEDNAS_T, n) for n in range(1, seeds + 1)]
    keys += [(FOLDS, arm, n) for arm in STUDIED for n in range(1, folds + 1)]
    found = {
        (part, arm, n): outcomes(
            # What a fold has learnt from is the same for both.
            arm,
            network(arm, n, 0.02 * wobble(n, 5) if part == FOLDS else 0.0),
            num_test,
        )
        for part, arm, n in keys
    }
    found[REPORTED, "", 0] = reported(num_test, has_curves)
    runs = [
        NetworkRun(
            *(part, arm, n, 100 + n, part == ARM and n == 1, 0.91, 0.8 + 0.001 * n),
            *(40, 30, 123.4, 1234, ARCHITECTURE),
        )
        for part, arm, n in keys
    ]
    searches = [
        SearchRun(arm, n, n, 1, 60.5, (0.5, math.nan, 0.6 + 0.01 * n, 0.55))
        for arm in ORACLES
        for n in range(1, repeats + 1)
    ]
    values: dict[str, Any] = {
        **{"cohort": "phantom", "conditions": [CLEAN, ATTACK, STRONGER], "repeats": repeats},
        **{"baseline_repeats": repeats, "seeds": seeds, "folds": folds},
        **{"select_on": "validation", "settings": SETTINGS, "seconds": 5000.0},
        **{"num_machines": 1, "versions": {"python": "3.11"}, "is_phantom": True},
    }
    values["subjects"] = {
        "train": ["a", "b", "c"],
        "validation": ["d"],
        "test": [f"P{subject}" for subject in range(num_test)],
    }
    return StudyResults(StudyInfo(**{**values, **changes}), runs, searches, found)
