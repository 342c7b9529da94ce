"""The arms of the paper's comparison, how much of each is done, and their seeds.

Source: paper sections 2.2 and 2.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from robmednas_tf.search.seeding import repeat_seed

# Key -> what tables and figures call it: the paper's names, "w/AT" written out.
ARMS: Mapping[str, str] = {
    "baseline": "Baseline",
    "adversarial": "Baseline with AT",
    "random": "Random",
    "robmednas_r": "RobMedNAS-R",
    "robmednas_t": "RobMedNAS-T",
}
BASELINE, ADVERSARIAL, RANDOM, ROBMEDNAS_R, ROBMEDNAS_T = ARMS
# Arm -> the rule that proposes candidates in its searches.
ORACLES: Mapping[str, str] = {ROBMEDNAS_R: "random", ROBMEDNAS_T: "bayesian"}
# The arms whose networks are trained under further seeds and on further data.
STUDIED = (BASELINE, ROBMEDNAS_T)
SELECT_ON = ("validation", "test")
# Each arm's seeds are drawn from a stream of its own: arms share no candidate by construction.
_STREAMS = {ROBMEDNAS_R: 0, ROBMEDNAS_T: 1, RANDOM: 2}


@dataclass(frozen=True)
class StudyConfig:
    """How much is done.

    Attributes:
        repeats: Independent repeats of Random, RobMedNAS-R and RobMedNAS-T.
        baseline_repeats: Trainings of the baseline, and as many adversarial ones; 0 for `repeats`.
        seeds: Seeds of the study of weight initialisation; 0 leaves it out.
        folds: Folds of the study of training data; 0 leaves it out.
        seed: From which all other seeds are drawn.
        select_on: Which subjects choose the repeat that tables report: "validation" or "test".
        curves: Whether the progressive corruptions are evaluated.

    Raises:
        ValueError: If a value is outside its domain.

    Source: paper sections 2.2 and 2.6.
    """

    repeats: int = 15
    baseline_repeats: int = 0
    seeds: int = 11
    folds: int = 8
    seed: int = 0
    select_on: str = "validation"
    curves: bool = True

    def __post_init__(self) -> None:
        for name, least in (("repeats", 1), ("baseline_repeats", 0), ("seeds", 0), ("seed", 0)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"--{name} must be at least {least}. Received: {value}.")
        if self.folds < 0 or self.folds == 1:
            raise ValueError(f"--folds must be at least 2, or 0 for none. Received: {self.folds}.")
        if self.select_on not in SELECT_ON:
            raise ValueError(
                f"--select_on must be one of {', '.join(SELECT_ON)}. Received: {self.select_on!r}."
            )

    def repeats_of(self, arm: str) -> int:
        """Returns how many repeats an arm has."""
        is_baseline = arm in (BASELINE, ADVERSARIAL)
        return (self.baseline_repeats or self.repeats) if is_baseline else self.repeats

    def training_seed(self, number: int) -> int:
        """Returns the seed of a training; of one number in all arms and in the study of seeds."""
        return repeat_seed(self.seed, number)

    def own_seed(self, arm: str, number: int) -> int:
        """Returns the seed of an arm's search, or of its random draw."""
        # Hashed: the streams of one seed are not those of its neighbours.
        source = np.random.SeedSequence(self.seed, spawn_key=(0, _STREAMS[arm]))
        return repeat_seed(int(source.generate_state(1)[0]), number)
