"""What each figure of an evaluation shows, in words, for those who cannot see it."""

from __future__ import annotations

from collections.abc import Iterator

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import condition_label, kind_label
from robmednas_tf.report.evaluation_contents import EvaluationReport
from robmednas_tf.report.evaluation_figures import levels
from robmednas_tf.report.evaluation_slices import places, slices_in
from robmednas_tf.report.evaluation_wording import mean_of
from robmednas_tf.report.panels import mean_dice


def of_slices(report: EvaluationReport, condition: str) -> str:
    """Describes the synthetic CT of the slices in a condition."""
    names = [f"{subject} slice {number}" for subject, number in places(report)]
    scores = []
    for model, shown in slices_in(report, condition).items():
        dice = [mean_dice(one.ct, one.synthetic_ct) for one in shown.values()]
        scores.append(f"{model} {', '.join(wording.number(each, 3) for each in dice)}")
    where = "from the MR as it is" if condition == CLEAN else f"under {condition_label(condition)}"
    return (
        f"Axial slices of {wording.listed(names)}: MR, CT and synthetic CT {where}. "
        f"Mean Dice slice by slice: {'; '.join(scores)}."
    )


def of_perturbations(report: EvaluationReport, condition: str) -> str:
    """Describes what a perturbation looks like."""
    subject, number = places(report)[len(places(report)) // 2]
    return (
        f"One axial slice of MR, {subject} slice {number}, as it is and as perturbed by "
        f"{condition_label(condition)} for {wording.listed(report.model_names)}, in the same grey "
        "window; below each, the perturbation alone."
    )


def of_curves(report: EvaluationReport) -> str:
    """Describes the curves by their two ends."""
    return " ".join(_of_curve(report, kind) for kind in levels(report))


def _of_curve(report: EvaluationReport, kind: str) -> str:
    last = str(levels(report)[kind][-1])
    ends = []
    for name in report.model_names:
        dice, mae = (
            " to ".join(_number(report, name, condition, metric) for condition in (CLEAN, last))
            for metric in ("dice", "mae")
        )
        ends.append(f"{name} Dice {dice}, MAE {mae} HU")
    return (
        f"Line plots by strength of {kind_label(kind)}, from none to {last.partition(':')[2]}: "
        f"{'; '.join(ends)}."
    )


def of_accuracy_vs_robustness(report: EvaluationReport) -> str:
    """Describes attacked against clean Dice."""
    points = [
        f"{name} {_number(report, name, CLEAN, 'dice')} clean, {attacked}"
        for name in report.model_names
        for attacked in [", ".join(_attacked(report, name))]
    ]
    return f"Scatter plot of attacked against clean Dice: {'; '.join(points)}."


def _attacked(report: EvaluationReport, name: str) -> Iterator[str]:
    for condition in report.attacks:
        yield f"{_number(report, name, condition, 'dice')} under {condition_label(condition)}"


def _number(report: EvaluationReport, name: str, condition: str, metric: str) -> str:
    return wording.metric(metric, mean_of(report, name, condition, metric))
