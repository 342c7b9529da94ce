"""The tables of a model's card, cell by cell, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from robmednas_tf.adversarial import KINDS, AdversarialConfig
from robmednas_tf.data.intensities import CT_MEAN_HU, CT_SCALE_HU
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.report import tables, wording
from robmednas_tf.report.contents import ScoreGroup, SearchReport
from robmednas_tf.report.model_card_contents import Making, Part
from robmednas_tf.report.training_contents import TrainingReport

NORMALISED = f"(HU - {CT_MEAN_HU:g}) / {CT_SCALE_HU:g}"


@dataclass(frozen=True)
class CardScores:
    """A group's scores.

    Attributes:
        title: Who was scored and how many, and what else they served for.
        tables: Title, head and rows of each metric's table; a cell is "clean / attacked".
    """

    title: str
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]]


def network_rows(
    report: TrainingReport | SearchReport, architecture: Architecture
) -> list[list[str]]:
    """Returns what the network is, by property."""
    size = report.image_size
    cost = estimate_cost(architecture, (size, size, 1))
    if isinstance(report, SearchReport):
        name = f"found by a search (trial {report.best_trial_id})"
    else:
        name = report.architecture_name
    return [
        ["Architecture", name],
        ["Depth", str(architecture.depth)],
        ["Parameters", wording.count(cost.parameters)],
        ["FLOPs", f"{wording.count(cost.flops)} a slice of {wording.square(size)} pixels"],
    ]


def blocks(architecture: Architecture) -> list[list[str]]:
    """Returns a row a block: the paper's Table 4, turned on its side."""
    table = tables.architecture_table(architecture)
    return [list(row) for row in zip(table.head, *table.rows, strict=True)][1:]


def training_rows(report: TrainingReport | SearchReport, making: Making) -> list[list[str]]:
    """Returns how the network was trained, by property."""
    config = making.training
    last = "the training CTs' mean" if config.start_at_mean else "at random"
    decay = config.weight_averaging
    return [
        ["Cohort", report.cohort],
        ["Slices", f"axial, {wording.square(report.image_size)} pixels"],
        ["Grid", "padded with the MR's minimum, or cropped, about the centre"],
        ["Voxels", resampling(making.preprocessing)],
        ["MR", zscoring(making.preprocessing)],
        ["Loss", f"mean squared error of CT as {NORMALISED}"],
        ["Optimiser", f"Adam with AMSGrad, learning rate {config.learning_rate:g}"],
        ["Batch", wording.plural(config.batch_size, "slice")],
        ["Epochs", _epochs(making)],
        ["Adversarial training", _adversarial(making.adversarial)],
        ["Cost of a step", _passes(making)],
        ["Weights at the start", f"kernels {config.kernel_initializer}; last layer {last}"],
        ["Weights kept", f"running average, decay {decay:g}" if decay else "as trained"],
        ["Precision", "bfloat16, exported in float32" if making.mixed_precision else "float32"],
        ["Seed", str(making.seed)],
    ]


def part_row(part: Part) -> list[str]:
    """Returns who served for what: name, use, subjects and slices."""
    return [part.name, part.use, str(part.num_subjects), str(part.num_slices)]


def score_groups(groups: Sequence[ScoreGroup]) -> list[CardScores]:
    """Returns each group's scores as the report's tables have them, subjects counted."""
    by_metric = tables.score_tables(groups)
    return [
        CardScores(
            f"{group.title} ({len(group.subjects)}), {group.use}",
            [
                (table.title, ["Network", *table.regions], _in_pairs(table.groups[place][3]))
                for table in by_metric
            ],
        )
        for place, group in enumerate(groups)
    ]


def resampling(preprocessing: Preprocessing) -> str:
    """Returns how volumes are resampled, in words."""
    if not any(preprocessing.spacing_mm):
        return "not resampled"
    axes = ("left to right", "back to front", "foot to head")
    lengths = [
        f"{length:g} mm ({axis})" if length else f"unchanged ({axis})"
        for length, axis in zip(preprocessing.spacing_mm, axes, strict=True)
    ]
    return f"resampled to {', '.join(lengths)}"


def zscoring(preprocessing: Preprocessing) -> str:
    """Returns over which voxels an MR is z-scored, in words."""
    if preprocessing.zscore == "mask":
        return "z-scored by mean and standard deviation inside the body mask"
    return "z-scored over the whole volume"


def _in_pairs(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[name, *_pairs(values)] for name, *values in rows]


def _pairs(values: Sequence[str]) -> Iterator[str]:
    for clean, attacked in zip(values[::2], values[1::2], strict=True):
        yield f"{clean} / {attacked}"


def _epochs(making: Making) -> str:
    text = f"{making.num_epochs} of at most {making.training.epochs}"
    patience = making.training.patience
    if patience:
        text += f" ({patience} without a lower validation loss end it)"
    return f"{text}; the weights of epoch {making.best_epoch + 1} were kept"


def _passes(making: Making) -> str:
    if making.adversarial is None:
        return "1 pass forward and back"
    passes = making.adversarial.passes(making.training.epochs, making.num_epochs)
    return f"{passes:.3g} passes forward and back, on average; 1 without attacks"


def _adversarial(config: AdversarialConfig | None) -> str:
    if config is None:
        return "no"
    kind = KINDS[config.kind]
    return f"{config.in_words}: {kind.summary} ({kind.source})"
