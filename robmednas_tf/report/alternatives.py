"""What each figure shows, in words, for those who cannot see it."""

from __future__ import annotations

from collections.abc import Sequence

from robmednas_tf.evaluation.inference import Panel
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.report import tables, wording
from robmednas_tf.report.contents import SearchReport, number_of, score_of
from robmednas_tf.report.panels import mean_dice


def of_search_curve(report: SearchReport) -> str:
    """Describes the search curve."""
    trials = wording.plural(len(report.scored), "scored trial")
    stopped = f", {len(report.stopped)} stopped early" if report.stopped else ""
    return (
        f"Scatter plot: {wording.metric_label(report.objective)} of {trials} by trial number, "
        f"{len(report.failed)} failed{stopped}. {_best(report)}"
    )


def of_clean_vs_adversarial(report: SearchReport) -> str:
    """Describes attacked against clean Dice."""
    text = (
        f"Scatter plot: attacked against clean Dice of {_scored(report)}, coloured by parameters."
    )
    if report.best is None:
        return text
    metrics, region = report.best.metrics, f"_{report.region}" if report.region else ""
    clean = wording.number(metrics.get(f"clean_dice{region}"), 3)
    attacked = wording.number(metrics.get(f"adversarial_dice{region}"), 3)
    return f"{text} The best trial lies at {clean} clean and {attacked} attacked."


def of_score_vs_parameters(report: SearchReport) -> str:
    """Describes score against size."""
    text = (
        f"Scatter plot: {wording.metric_label(report.objective)} of {_scored(report)} by "
        "trainable parameters, coloured by depth."
    )
    if report.best is None:
        return text
    return f"{text} The best has {wording.count(number_of(report.best, 'parameters'))} parameters."


def of_architecture(architecture: Architecture) -> str:
    """Describes an architecture's drawing."""
    return (
        f"Diagram of a U-Net of depth {architecture.depth}. Encoder / decoder blocks, each as "
        f"pattern·filters·SE ratio: {tables.blocks_in_short(architecture)}."
    )


def of_panels(panels: Sequence[Panel]) -> str:
    """Describes the slices."""
    slices = [
        f"{panel.subject} slice {panel.slice_index}, mean Dice "
        f"{wording.number(mean_dice(panel.ct, panel.synthetic_ct), 3)} clean and "
        f"{wording.number(mean_dice(panel.ct, panel.attacked_synthetic_ct), 3)} attacked"
        for panel in panels
    ]
    return (
        "Axial slices: MR, attacked MR, perturbation and CT; synthetic CT clean and attacked, and "
        f"their errors. {'; '.join(slices)}."
    )


def _scored(report: SearchReport) -> str:
    return wording.plural(len(report.scored), "scored trial")


def _best(report: SearchReport) -> str:
    if report.best is None:
        return "There is no best."
    score = wording.metric(report.objective, score_of(report.best))
    return f"The {wording.best_word(report)} is trial {report.best.trial_id} with {score}."
