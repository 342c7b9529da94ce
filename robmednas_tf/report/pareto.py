"""The Pareto front's section of a search's report: what it is, who is on it, who was picked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from robmednas_tf.objectives import COSTS
from robmednas_tf.report import wording
from robmednas_tf.report.contents import SearchReport, architecture_of, number_of
from robmednas_tf.report.tables import Table, blocks_in_short
from robmednas_tf.search.front import Front, values_of


@dataclass(frozen=True)
class ParetoSection:
    """The section's words and table.

    Attributes:
        text: What the front is, and who was picked by which rule.
        title: Of the table.
        table: The front's members.
        caution: How far it is to be believed.
    """

    text: str
    title: str
    table: Table
    caution: str


def pareto_section(report: SearchReport) -> ParetoSection | None:
    """Returns what the page says of the front; None where there is none to show."""
    front = report.front
    if front is None or not front.members:
        return None
    return ParetoSection(
        " ".join(_sentences(report, front)),
        f"The front, the best first by {wording.metric_label(report.objective)}",
        _table(report, front),
        _caution(front),
    )


def _sentences(report: SearchReport, front: Front) -> Iterator[str]:
    trials = wording.plural(len(report.scored), "scored trial")
    on_it = "lies" if len(front.members) == 1 else "lie"
    yield (
        f"{len(front.members)} of {trials} {on_it} on the Pareto front: no other trial is at "
        f"least as good in each objective ({wording.objectives_phrase(report)}) and better in one."
    )
    picked, winner = front.picked, report.best
    if picked is None or winner is None:
        return
    yield f"The rule --pick={front.rule} takes {_rule(front)}: trial {picked.trial_id}."
    if winner.trial_id != picked.trial_id:
        yield f"Its confirmation with new seeds picked trial {winner.trial_id} instead."


def _rule(front: Front) -> str:
    first, *others = front.directions
    if front.rule.name == "knee":
        return (
            "the smallest Manhattan distance to the point that is best in everything, each "
            "objective scaled linearly so that the front's best is 0 and its worst 1"
        )
    if front.rule.name == "first":
        return _in_order([first, *others])
    return (
        f"{_in_order([*others, first])}, among the trials at most {front.rule.tolerance:g} worse "
        f"than the best in {wording.metric_label(first)}"
    )


def _in_order(names: list[str]) -> str:
    labels = [wording.metric_label(name) for name in names]
    rest = f" (of equal ones the best {', then '.join(labels[1:])})"
    return f"the best {labels[0]}{rest}"


def _table(report: SearchReport, front: Front) -> Table:
    costs = [name for name in COSTS if name not in front.directions]
    names = [*front.directions, *costs]
    head = [
        "Trial",
        *(_upper(wording.metric_label(name)) for name in names),
        "Depth",
        "Blocks: encoder, decoder",
    ]
    rows = []
    for record in front.members:
        mark = ", picked" if record.trial_id == report.best_trial_id else ""
        values = zip(names, values_of(record, names), strict=True)
        rows.append(
            [
                f"{record.trial_id}{mark}",
                *(wording.metric(name, value) for name, value in values),
                wording.number(number_of(record, "depth"), 0),
                blocks_in_short(architecture_of(record), "\n"),
            ]
        )
    return Table(head, rows)


def _caution(front: Front) -> str:
    costs = [wording.metric_label(name) for name in front.directions if name in COSTS]
    exact = f" {_upper(wording.listed(costs))} are exact." if costs else ""
    return (
        "Each score is that of one training with one seed, and a front keeps the best of many: its "
        "scores are biased upward, and who lies on it, or just off it, is partly luck."
        f"{exact}"
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
