"""The tables of a search's report, cell by cell."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robmednas_tf.evaluation.inference import CONDITIONS
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.report import wording
from robmednas_tf.report.contents import (
    ScoreGroup,
    SearchReport,
    architecture_of,
    number_of,
    score_of,
)
from robmednas_tf.search.pruning import stopped_at
from robmednas_tf.search.trials import COMPLETED, FAILED, PRUNED, TrialRecord, best

# A trial's metrics in the table of all trials; the objective stands there as its score.
_TRIAL_METRICS = {
    "clean_dice": "Dice clean",
    "adversarial_dice": "Dice attacked",
    "clean_dice_bone": "Bone Dice clean",
    "adversarial_dice_bone": "Bone Dice attacked",
    "adversarial_mae": "MAE attacked (HU)",
}


@dataclass(frozen=True)
class Table:
    """A table of plain text.

    Attributes:
        head: Column titles.
        rows: Cells of each row, its name first.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one metric, clean and attacked in each region.

    Attributes:
        title: The metric, its unit and which way is better.
        regions: Labels of the columns, two of each (clean, attacked).
        groups: Title, use and subjects of a group, and its rows.
    """

    title: str
    regions: Sequence[str]
    groups: Sequence[tuple[str, str, str, Sequence[Sequence[str]]]]


def score_tables(groups: Sequence[ScoreGroup]) -> list[ScoreTable]:
    """Returns the scores of every group: Dice, then MAE."""
    titles = {"dice": "Dice (1 is perfect)", "mae": "MAE in HU (0 is perfect)"}
    regions = ["Mean of four", *(region.label for region in REGIONS.values())]
    return [
        ScoreTable(
            title,
            regions,
            [
                (
                    group.title,
                    group.use,
                    ", ".join(group.subjects),
                    [[row.label, *_scores(row.metrics, metric)] for row in group.rows],
                )
                for group in groups
            ],
        )
        for metric, title in titles.items()
    ]


def _scores(metrics: Mapping[str, float], metric: str) -> list[str]:
    names = [
        f"{condition}_{metric}{region}"
        for region in ("", *(f"_{name}" for name in REGIONS))
        for condition in CONDITIONS
    ]
    return [
        wording.metric(name, metrics[name]) if name in metrics else wording.UNMEASURED
        for name in names
    ]


def architecture_table(architecture: Architecture) -> Table:
    """Returns an architecture in the form of the paper's Table 4."""
    blocks = [*architecture.encoder, *architecture.decoder]
    places = range(1, architecture.depth + 1)
    names = [f"{half}{place}" for half in ("Enc", "Dec") for place in places]
    ratios = [block.reduction_ratio for block in blocks]
    return Table(
        ["Hyperparameters", *names],
        [
            ["Connection Pattern", *(block.pattern for block in blocks)],
            ["Number of Filters", *(str(block.filters) for block in blocks)],
            ["SE Block", *(str(ratio is not None) for ratio in ratios)],
            ["Reduction Ratio", *("—" if ratio is None else str(ratio) for ratio in ratios)],
        ],
    )


def scored_trials(report: SearchReport) -> Table:
    """Returns the completed trials, the best first."""
    metrics = {name: title for name, title in _TRIAL_METRICS.items() if name != report.objective}
    head = ["Trial", "Score", *metrics.values()]
    head += ["Parameters", "Time", "Source", "Blocks: encoder, decoder"]
    ranked = best(report.records, report.direction, len(report.records))
    return Table(head, [_trial_row(record, report.objective, metrics) for record in ranked])


def _trial_row(record: TrialRecord, objective: str, metrics: Iterable[str]) -> list[str]:
    return [
        record.trial_id,
        wording.metric(objective, score_of(record)),
        *(wording.metric(name, record.metrics.get(name)) for name in metrics),
        wording.count(number_of(record, "parameters")),
        wording.duration(record.seconds),
        record.source,
        blocks_in_short(architecture_of(record), "\n"),
    ]


def unscored_trials(report: SearchReport) -> Table:
    """Returns the trials that failed, were stopped or never ended, each with its reason."""
    rows = [
        [
            record.trial_id,
            *_why_unscored(record, report.objective),
            wording.count(number_of(record, "parameters")),
            wording.number(number_of(record, "memory_gb"), 1),
            blocks_in_short(architecture_of(record), "\n"),
        ]
        for record in report.records
        if record.status != COMPLETED
    ]
    head = ["Trial", "Status", "Reason", "Parameters", "Memory (GB)", "Blocks: encoder, decoder"]
    return Table(head, rows)


def _why_unscored(record: TrialRecord, objective: str) -> tuple[str, str]:
    rung = stopped_at(record)
    if record.status == PRUNED and rung is not None:
        score = wording.metric(objective, rung.score)
        return f"stopped at epoch {rung.epoch}", f"{score}, {rung.shortfall}"
    status = "failed" if record.status == FAILED else "not ended"
    return status, record.message or wording.UNDEFINED


def settings_table(settings: Mapping[str, Any]) -> Table:
    """Returns the settings by name, structured values as JSON."""
    rows = [
        [name, value if isinstance(value, str) else json.dumps(value, default=str)]
        for name, value in sorted(settings.items())
    ]
    return Table(["Setting", "Value"], rows)


def subjects_table(subjects: Mapping[str, Sequence[str]]) -> Table:
    """Returns which subjects served for what."""
    rows = [
        [part, str(len(names)), ", ".join(names) or wording.UNDEFINED]
        for part, names in subjects.items()
    ]
    return Table(["Part", "Number", "Subjects"], rows)


def key_figures(report: SearchReport) -> list[tuple[str, str, str]]:
    """Returns the figures to see first: label, value and a remark."""
    trial, figures = report.best, []
    if trial is not None:
        clean = trial.metrics.get("clean_dice", math.nan)
        flops = wording.count(number_of(trial, "flops"))
        figures = [
            (
                "Best trial" if report.front is None else "Picked trial",
                trial.trial_id,
                f"depth {wording.number(number_of(trial, 'depth'), 0)}",
            ),
            _score_figure(report, wording.metric(report.objective, score_of(trial))),
            ("Its clean Dice", wording.number(clean, 3), "mean of four regions"),
            ("Its parameters", wording.count(number_of(trial, "parameters")), f"{flops} FLOPs"),
        ]
    unended = len(report.records) - sum(map(len, (report.scored, report.stopped, report.failed)))
    remark = f"{len(report.failed)} failed" + (f", {unended} not ended" if unended else "")
    if report.stopped:
        remark = f"{len(report.stopped)} stopped early, {remark}"
    figures.append(("Trials scored", str(len(report.scored)), remark))
    figures.append(("Time", wording.duration(report.seconds), "the whole search"))
    return figures


def _score_figure(report: SearchReport, first: str) -> tuple[str, str, str]:
    if report.confirmation is None or not report.confirmation.winner.scores:
        return "Its score", first, wording.metric_label(report.objective)
    winner = report.confirmation.winner
    remark = f"of {wording.plural(len(winner.scores), 'new seed')}; {first} at first"
    return "Its mean score", wording.metric(report.objective, winner.mean), remark


def blocks_in_short(architecture: Architecture | None, between: str = " / ") -> str:
    """Returns encoder and decoder blocks: pattern·filters, and the ratio where there is SE."""
    if architecture is None:
        return wording.UNDEFINED
    halves = (architecture.encoder, architecture.decoder)
    return between.join(" ".join(_in_short(block) for block in half) for half in halves)


def _in_short(block: Block) -> str:
    squeeze = "" if block.reduction_ratio is None else f"·se{block.reduction_ratio}"
    return f"{block.pattern}·{block.filters}{squeeze}"
