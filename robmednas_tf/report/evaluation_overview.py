"""An evaluation at a glance and subject by subject, beside the paper's tables."""

from __future__ import annotations

from collections.abc import Iterator

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.evaluation.metrics import mean_over_regions
from robmednas_tf.evaluation.outcomes import Outcome
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.evaluation.statistics import SIGNIFICANCE, smallest_p, summarize_values
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import condition_label, condition_phrase
from robmednas_tf.report.evaluation_captions import p_value
from robmednas_tf.report.evaluation_contents import EvaluationReport
from robmednas_tf.report.evaluation_tables import MASK_METRICS, METRICS
from robmednas_tf.report.evaluation_wording import mean_of, most_robust, part_of, told_attacks
from robmednas_tf.report.tables import Table


def key_figures(report: EvaluationReport) -> list[tuple[str, str, str]]:
    """Returns the figures to see first: label, value and a remark."""
    figures = [
        ("Subjects", str(len(report.subjects)), part_of(report)),
        ("Networks", str(len(report.models)), f"baseline: {report.baseline}"),
    ]
    condition = report.attacks[0] if report.attacks else CLEAN
    best = most_robust(report, condition)
    if best is not None and best != report.baseline:
        title = "Best Dice" if condition == CLEAN else "Dice of the most robust"
        figures.append((title, *_dice(report, best, condition)))
    figures.append(("Dice of the baseline", *_dice(report, report.baseline, condition)))
    if report.num_comparisons and len(report.subjects) > 1:
        smallest = min(1.0, smallest_p(len(report.subjects)) * report.num_comparisons)
        verdict = "no difference can be significant" if smallest >= SIGNIFICANCE else "corrected"
        figures.append(("Smallest possible p", p_value(smallest), verdict))
    return figures


def _dice(report: EvaluationReport, model: str, condition: str) -> tuple[str, str]:
    dice, clean = (wording.number(mean_of(report, model, each), 3) for each in (condition, CLEAN))
    if condition == CLEAN:
        return dice, f"{model}, mean of four regions"
    return dice, f"{model} under {condition_label(condition)}; {clean} clean"


def change_tables(report: EvaluationReport) -> list[tuple[str, str, Table]]:
    """Returns each attack, what it does unless the summary says so, and what it changed.

    A table has a row a model, "clean → attacked".
    """
    told = told_attacks(report)
    head = [
        f"{REGIONS[region].label}, {METRICS[metric].label}"
        for region in wording.TOLD_REGIONS
        for metric in ("dice", "mae")
    ]
    return [
        (
            condition_label(condition),
            "" if condition in told else condition_phrase(condition),
            Table(
                ["Network", *head],
                [[name, *_changes(report, name, condition)] for name in report.model_names],
            ),
        )
        for condition in report.attacks
    ]


def _changes(report: EvaluationReport, model: str, condition: str) -> Iterator[str]:
    for region in wording.TOLD_REGIONS:
        for metric in ("dice", "mae"):
            ends = [
                summarize_values(report.values(model, each, metric, region)).mean
                for each in (CLEAN, condition)
            ]
            yield " → ".join(wording.metric(metric, mean) for mean in ends)


def models_table(report: EvaluationReport) -> Table:
    """Returns what is known of each model."""
    rows = [
        [
            f"{model.name} (baseline)" if model.name == report.baseline else model.name,
            model.training,
            "not known" if model.parameters is None else wording.count(model.parameters),
            model.source,
        ]
        for model in report.models
    ]
    return Table(["Network", "Training", "Parameters", "Source"], rows)


def subjects_table(report: EvaluationReport) -> Table:
    """Returns every subject's scores under every model in every condition."""
    head = ["Subject", "Network", "Condition"]
    for metric in ("dice", "mae"):
        head.append(f"{METRICS[metric].label}, mean of four")
        head += [f"{region.label}, {METRICS[metric].label}" for region in REGIONS.values()]
    if report.has_mask:
        head += [f"Body mask, {METRICS[metric].label}" for metric in MASK_METRICS]
    order = {name: place for place, name in enumerate(report.subjects)}
    outcomes = sorted(report.outcomes, key=lambda outcome: order.get(outcome.subject, len(order)))
    return Table(head, [list(_scores(report, outcome)) for outcome in outcomes])


def _scores(report: EvaluationReport, outcome: Outcome) -> Iterator[str]:
    yield from (outcome.subject, outcome.model, condition_label(outcome.condition))
    means = mean_over_regions(outcome.regions)
    for place, metric in enumerate(("dice", "mae")):
        yield wording.metric(metric, means[place])
        for score in outcome.regions.values():
            yield wording.metric(metric, getattr(score, metric))
    if report.has_mask:
        for metric in MASK_METRICS:
            value = None if outcome.in_mask is None else getattr(outcome.in_mask, metric)
            yield wording.number(value, METRICS[metric].digits)
