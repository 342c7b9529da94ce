"""The tables of repeated searches, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.report import repeats_wording, wording
from robmednas_tf.report.repeats_contents import STAGE_LABELS, Repeat, RepeatsReport
from robmednas_tf.report.tables import Table, blocks_in_short
from robmednas_tf.search.repeated import Choice, choices, metric_at, spread

_FACTORS = {
    "depth": "Depth",
    "pattern": "Connection pattern",
    "filters": "Filters",
    "se": "Squeeze-and-excitation",
    "reduction_ratio": "Reduction ratio",
}


def spread_table(report: RepeatsReport) -> Table:
    """Returns how the winners' scores scatter over the repeats, attacked and clean."""
    head = ["Winners' score", "Input", "n", "Mean", "SD", "Median", "95 % interval", "Range"]
    rows = [
        [STAGE_LABELS[stage], condition, *_spread_cells(metric, report.values(stage, metric))]
        for stage in report.stages
        for condition, metric in report.conditions.items()
    ]
    return Table(head, rows)


def _spread_cells(metric: str, values: Sequence[float]) -> list[str]:
    found = spread(values)
    mean, sd, median, smallest, largest = (
        wording.metric(metric, value)
        for value in (found.mean, found.sd, found.median, found.smallest, found.largest)
    )
    interval = repeats_wording.interval(metric, found)
    return [str(found.count), mean, sd, median, interval, f"{smallest} to {largest}"]


def region_table(report: RepeatsReport) -> Table:
    """Returns mean and standard deviation of the final models' figures on held-out subjects."""
    columns = {
        f"{condition}_{kind}": f"{label} {word}"
        for kind, label in (("dice", "Dice"), ("mae", "MAE (HU)"))
        for condition, word in (("clean", "clean"), ("adversarial", "attacked"))
    }
    places = {"": "Mean of four", **{f"_{name}": each.label for name, each in REGIONS.items()}}
    rows = [
        [
            label,
            *(
                repeats_wording.mean_and_sd(name, spread(report.values("held_out", name + suffix)))
                for name in columns
            ),
        ]
        for suffix, label in places.items()
    ]
    return Table(["Region", *columns.values()], rows)


def repeats_table(report: RepeatsReport) -> Table:
    """Returns the repeats that have ended, the best first."""
    attacked, clean = report.conditions["attacked"], report.conditions["clean"]
    columns = {
        "First score": ("first", report.objective),
        "Mean of new scores": ("confirmed", report.objective),
        "Held out, attacked": ("held_out", attacked),
        "Held out, clean": ("held_out", clean),
    }
    if "confirmed" not in report.stages:
        del columns["Mean of new scores"]
    head = ["Repeat", *columns, "Trials", "Stopped", "Failed", "Parameters", "Time", "Seed"]
    rows = [
        [
            str(repeat.number),
            *(
                wording.metric(metric, metric_at(repeat.outcome, stage, metric))
                for stage, metric in columns.values()
            ),
            str(len(repeat.outcome.scores)),
            str(repeat.outcome.num_stopped),
            str(repeat.outcome.num_failed),
            wording.count(repeat.outcome.parameters),
            wording.duration(repeat.outcome.seconds),
            str(repeat.seed),
            blocks_in_short(repeat.outcome.architecture, "\n"),
        ]
        for repeat in report.ranked
        if repeat.outcome is not None
    ]
    return Table([*head, "Winner's blocks: encoder, decoder"], rows)


def open_table(report: RepeatsReport) -> Table:
    """Returns the repeats that have not ended, each with the reason where there is one."""
    rows = [_open_row(repeat) for repeat in report.repeats if repeat.outcome is None]
    return Table(["Repeat", "Status", "Reason", "Seed"], rows)


def _open_row(repeat: Repeat) -> list[str]:
    reason = repeat.fault or wording.UNDEFINED
    return [str(repeat.number), repeat.status, reason, str(repeat.seed)]


def choices_table(report: RepeatsReport) -> Table:
    """Returns how often the winners have made each choice, beside what chance gives."""
    head = ["Choice", "Level", "Winners", "Blocks", "Share", "Share by chance"]
    if not report.ended:
        return Table(head, [])
    architectures = [outcome.architecture for outcome in report.outcomes]
    return Table(head, [_choice_row(each) for each in choices(architectures, report.space)])


def _choice_row(choice: Choice) -> list[str]:
    blocks = wording.UNDEFINED if choice.factor == "depth" else str(choice.num_blocks)
    shares = [wording.number(100 * share, 0) for share in (choice.share, choice.expected)]
    share, expected = (each if each == wording.UNDEFINED else f"{each} %" for each in shares)
    label = _FACTORS[choice.factor]
    return [label, choice.level, str(choice.num_winners), blocks, share, expected]
