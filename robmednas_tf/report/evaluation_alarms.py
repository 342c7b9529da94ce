"""Whether networks are of any use on clean input, without which robustness is worth nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.report import wording
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE, EvaluationReport
from robmednas_tf.report.evaluation_wording import mean_of


@dataclass(frozen=True)
class Remark:
    """A paragraph for the head of a report.

    Attributes:
        text: What it says.
        is_alarm: Whether it is shown as one.
    """

    text: str
    is_alarm: bool


def remarks(report: EvaluationReport) -> list[Remark]:
    """Returns what to know of the networks before their robustness is believed."""
    found = []
    if report.has_lookup_table:
        worse = beaten_by_lookup_table(report)
        found.append(Remark(_against_lookup_table(report, worse), bool(worse)))
    missed = missed_regions(report)
    if missed:
        found.append(Remark(_of_missed(missed), True))
    return found


def beaten_by_lookup_table(report: EvaluationReport) -> list[str]:
    """Returns the models that on clean input do not beat the look-up table in Dice and MAE."""
    dice, mae = (mean_of(report, LOOKUP_TABLE, CLEAN, metric) for metric in ("dice", "mae"))
    return [
        name
        for name in report.model_names
        if mean_of(report, name, CLEAN, "dice") <= dice
        or mean_of(report, name, CLEAN, "mae") >= mae
    ]


def missed_regions(report: EvaluationReport) -> dict[str, list[str]]:
    """Returns by model the regions whose Dice on clean input is 0 in every subject that has it."""
    found = {}
    for name in report.model_names:
        missed = [
            region for region in REGIONS if _all_zero(report.values(name, CLEAN, "dice", region))
        ]
        if missed:
            found[name] = missed
    return found


def _all_zero(values: list[float]) -> bool:
    defined = [value for value in values if not math.isnan(value)]
    return bool(defined) and not any(defined)


def _of_missed(missed: dict[str, list[str]]) -> str:
    by_regions: dict[str, list[str]] = {}
    for name, regions in missed.items():
        labels = [REGIONS[region].label.lower() for region in regions]
        by_regions.setdefault(" and no ".join(labels), []).append(name)
    told = "; ".join(
        f"{wording.listed(names)} {'finds' if len(names) == 1 else 'find'} no {regions}"
        for regions, names in by_regions.items()
    )
    return (
        f"{told}, in any subject (Dice 0 on the MR as it is). No attack can take away what is not "
        "there: that Dice does not fall is not robustness."
    )


def _against_lookup_table(report: EvaluationReport, worse: list[str]) -> str:
    scores = (
        f"(mean Dice {wording.number(mean_of(report, LOOKUP_TABLE, CLEAN), 3)}, error "
        f"{wording.number(mean_of(report, LOOKUP_TABLE, CLEAN, 'mae'), 1)} HU)"
    )
    if not worse:
        subject = "Every network" if len(report.models) > 1 else "The network"
        return (
            f"{subject} beats the intensity look-up table {scores}, which knows grey values and "
            "no anatomy: the least that is asked of it."
        )
    verb = "does" if len(worse) == 1 else "do"
    return (
        f"{wording.listed(worse)} {verb} not beat an intensity look-up table {scores}, which knows "
        "grey values and no anatomy, in both Dice and error: robust or not, of little use."
    )
