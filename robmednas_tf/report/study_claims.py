"""What the paper says, and whether a study's own numbers say the same.

Source: paper abstract, sections 3.1 to 3.5, Tables 2 and 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from robmednas_tf.attacks.notation import CLEAN, CURVES
from robmednas_tf.evaluation.statistics import (
    Difference,
    difference_of_means,
    paired_difference,
    summarize_values,
)
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import condition_label
from robmednas_tf.report.evaluation_wording import mean_of
from robmednas_tf.report.study_contents import ARM, FOLDS, SEEDS, StudyResults
from robmednas_tf.report.study_tables import effect, interval_text, studied_difference
from robmednas_tf.report.tables import Table
from robmednas_tf.study.arms import (
    ADVERSARIAL,
    ARMS,
    BASELINE,
    ORACLES,
    RANDOM,
    ROBMEDNAS_R,
    ROBMEDNAS_T,
)

AGREES, DISAGREES, OPEN = "agrees", "does not agree", "cannot be told"


@dataclass(frozen=True)
class Claim:
    """One statement of the paper, and what was found here.

    Attributes:
        statement: In the paper's sense, with its own numbers.
        found: What this study has measured.
        verdict: `AGREES`, `DISAGREES` or `OPEN`.
    """

    statement: str
    found: str
    verdict: str


def claims(results: StudyResults) -> list[Claim]:
    """Returns every statement that can be held against the study; none without an attack."""
    if results.info.attack == CLEAN:
        return []
    found = [*_of_attack(results), *_of_arms(results), *_of_repeats(results)]
    found += [*_of_studied(results), *_of_curves(results)]
    return found


def claims_table(results: StudyResults) -> Table:
    """Returns the statements, one a row."""
    rows = [[each.statement, each.found, each.verdict] for each in claims(results)]
    return Table(["The paper", "This study", "Verdict"], rows)


def verdict(difference: Difference, sign: int) -> str:
    """Returns whether a difference has the sign that was said, by its interval.

    Args:
        difference: What was measured.
        sign: 1 where it should be above 0, -1 where below.
    """
    if difference.sign == 0:
        return OPEN
    return AGREES if difference.sign == sign else DISAGREES


def _of_attack(results: StudyResults) -> Iterator[Claim]:
    evaluation, attack = results.evaluation, results.info.attack
    sides = [
        evaluation.values(ARMS[BASELINE], condition, "dice", "bone")
        for condition in (attack, CLEAN)
    ]
    lost = paired_difference(*sides)
    yield Claim(
        "FGSM breaks the hand-crafted network: bone Dice 0.786 clean, 0.539 attacked.",
        f"{_mean(sides[1])} clean, {_mean(sides[0])} under {condition_label(attack)}; over test "
        f"subjects {interval_text('dice', lost)}.",
        verdict(lost, -1),
    )


def _of_arms(results: StudyResults) -> Iterator[Claim]:
    attack = results.info.attack
    gained = effect(results, ADVERSARIAL, BASELINE, attack, "dice")
    yield _claim("Adversarial training makes it robust.", gained, 1, "Dice under attack")
    cost = effect(results, ADVERSARIAL, BASELINE, CLEAN, "dice")
    yield _claim(
        "It costs accuracy: bone Dice 0.786 without, 0.775 with it.", cost, -1, "clean Dice"
    )
    for arm in (RANDOM, ROBMEDNAS_R, ROBMEDNAS_T):
        gained = effect(results, arm, BASELINE, attack, "dice")
        yield _claim(
            f"{ARMS[arm]} is more robust than the baseline (starred in its Tables 2 and 3).",
            gained,
            1,
            "Dice under attack",
        )
    kept = effect(results, ROBMEDNAS_T, BASELINE, CLEAN, "dice")
    lower = {1: AGREES, 0: OPEN, -1: DISAGREES}[kept.sign]
    if kept.sign == 0 and abs(kept.low) < 0.01 and abs(kept.high) < 0.01:
        lower = AGREES
    yield Claim(
        "RobMedNAS-T is as accurate as the baseline on clean input (brain 0.970 both; bone 0.782 "
        "and 0.786).",
        f"Difference in clean Dice over repeats {interval_text('dice', kept)}; within 0.01 counts "
        "as equal.",
        lower,
    )


def _of_repeats(results: StudyResults) -> Iterator[Claim]:
    attack = results.info.attack
    base = summarize_values(results.values(ARM, BASELINE, attack, "dice", "bone")).mean
    for arm in ORACLES:
        values = _defined(results.values(ARM, arm, attack, "dice", "bone"))
        above = sum(value > base for value in values)
        yield Claim(
            f"More than half of {ARMS[arm]}'s repeats beat the baseline's bone Dice under attack.",
            f"{above} of {len(values)} do ({wording.number(base, 3)} is its mean).",
            _share_verdict(above, len(values)),
        )
    sides = {
        arm: _defined(results.values(ARM, arm, attack, "dice"))
        for arm in (RANDOM, ROBMEDNAS_R, ROBMEDNAS_T)
    }
    if not all(sides.values()):
        return
    mean = difference_of_means(sides[ROBMEDNAS_R], sides[ROBMEDNAS_T])
    yield _claim("On average RobMedNAS-R is more robust than T.", mean, 1, "Dice under attack")
    for what, of in (("best", max), ("worst", min)):
        ends = {arm: of(values) for arm, values in sides.items()}
        told = ", ".join(f"{ARMS[arm]} {wording.number(end, 3)}" for arm, end in ends.items())
        enough = min(map(len, sides.values())) > 1
        is_so = ends[ROBMEDNAS_T] == max(ends.values())
        yield Claim(
            f"The {what} of RobMedNAS-T's repeats is more robust than the {what} of the others'.",
            f"{told}.",
            (AGREES if is_so else DISAGREES) if enough else OPEN,
        )


def _of_studied(results: StudyResults) -> Iterator[Claim]:
    for part, words in ((SEEDS, "initial weights"), (FOLDS, "training data")):
        sides = [
            _defined(results.values(part, arm, results.info.attack, "dice"))
            for arm in (BASELINE, ROBMEDNAS_T)
        ]
        if not all(sides):
            continue
        yield _claim(
            f"Under other {words} the architecture of RobMedNAS-T stays more robust.",
            studied_difference(results, part, "dice"),
            1,
            "Dice under attack",
        )
        sds = [summarize_values(side).sd for side in sides]
        enough = min(map(len, sides)) > 3
        yield Claim(
            f"It scatters less than the baseline over {words}.",
            f"SD {wording.number(sds[1], 3)}, the baseline's {wording.number(sds[0], 3)}.",
            (AGREES if sds[1] < sds[0] else DISAGREES) if enough else OPEN,
        )


def _of_curves(results: StudyResults) -> Iterator[Claim]:
    if not results.evaluation.curves:
        return
    strongest = {kind: str(levels[-1]) for kind, levels in CURVES.items()}
    for arm, kind, statement in (
        (ADVERSARIAL, "fgsm", "Adversarial training holds out best under growing FGSM."),
        (ROBMEDNAS_T, "gaussian", "RobMedNAS-T holds out under strong Gaussian noise."),
    ):
        condition = strongest[kind]
        dice = {
            each: mean_of(results.evaluation, ARMS[each], condition) for each in (arm, BASELINE)
        }
        difference = paired_difference(
            *(results.evaluation.means(ARMS[each], condition, "dice") for each in (arm, BASELINE))
        )
        yield Claim(
            statement,
            f"{condition_label(condition)}: Dice {wording.number(dice[arm], 3)}, the baseline's "
            f"{wording.number(dice[BASELINE], 3)}; over test subjects "
            f"{interval_text('dice', difference)}.",
            verdict(difference, 1),
        )


def _claim(statement: str, difference: Difference, sign: int, what: str) -> Claim:
    over = f"{difference.num} and {difference.num_baseline} networks"
    found = f"Difference in {what}, of {over}: {interval_text('dice', difference)}."
    return Claim(statement, found, verdict(difference, sign))


def _share_verdict(above: int, count: int) -> str:
    if count < 2:
        return OPEN
    return AGREES if 2 * above > count else DISAGREES


def _defined(values: list[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _mean(values: list[float]) -> str:
    return wording.number(summarize_values(values).mean, 3)
