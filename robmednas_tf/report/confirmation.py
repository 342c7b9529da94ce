"""A search's confirmation in a report: what was done, what came of it, and each candidate."""

from __future__ import annotations

from collections.abc import Iterator

from robmednas_tf.report import wording
from robmednas_tf.report.contents import SearchReport
from robmednas_tf.report.tables import Table
from robmednas_tf.search.confirmation import Candidate, Confirmation
from robmednas_tf.search.trials import COMPLETED


def confirmation_table(report: SearchReport, confirmation: Confirmation) -> Table:
    """Returns the candidates, the winner first."""
    head = ["Candidate", "First score", "New scores", "Their mean", "95 % interval", "Luck"]
    return Table(head, [_row(each, report.objective) for each in confirmation.ranked])


def confirmation_text(report: SearchReport, confirmation: Confirmation) -> str:
    """Returns what was confirmed and what came of it, in one paragraph."""
    return " ".join(_sentences(report, confirmation))


def confirmation_in_short(report: SearchReport) -> str:
    """Returns how the winner was confirmed, in a sentence; empty where it was not."""
    found = report.confirmation
    if found is None or found.is_decided_by_first_scores:
        return ""
    return (
        f"{_who_was_trained(report, found)} trained again with {_seeds(found)}, and it has the "
        f"best mean: {wording.metric(report.objective, found.winner.mean)}."
    )


def confirmation_failures(confirmation: Confirmation) -> list[str]:
    """Returns a sentence for each repeat that failed."""
    return [
        f"Trial {record.trial_id}, repeat {record.repeat} failed: {record.message}"
        for candidate in confirmation.ranked
        for record in candidate.failed
    ]


def _row(candidate: Candidate, objective: str) -> list[str]:
    scores = [
        wording.metric(objective, record.score) if record.status == COMPLETED else "failed"
        for record in candidate.repeats
    ]
    ends = [wording.metric(objective, end) for end in candidate.interval]
    undefined = wording.UNDEFINED in ends
    return [
        candidate.trial.trial_id,
        wording.metric(objective, candidate.first_score),
        ", ".join(scores),
        wording.metric(objective, candidate.mean),
        wording.UNDEFINED if undefined else f"{ends[0]} to {ends[1]}",
        wording.metric(objective, candidate.luck),
    ]


def _sentences(report: SearchReport, confirmation: Confirmation) -> Iterator[str]:
    yield (
        "A trial's score is that of one training with one seed, and the best of "
        f"{wording.plural(len(report.scored), 'such score')} is biased upward: it belongs to a "
        f"candidate that is good or lucky. {_who_was_trained(report, confirmation)} therefore "
        f"trained and scored again as before, with {_seeds(confirmation)}: weights and order of "
        "slices were drawn anew."
    )
    if confirmation.is_decided_by_first_scores:
        yield "No repeat gave a score, so that nothing is confirmed: the first scores decided."
        return
    if len(confirmation.candidates) > 1:
        yield "The best mean of the new scores alone chose the winner."
        yield _who_won(report, confirmation)
    yield _how_lucky(report, confirmation)


def _who_was_trained(report: SearchReport, confirmation: Confirmation) -> str:
    number = len(confirmation.candidates)
    if number == 1:
        return "The best trial was" if report.front is None else "The picked trial was"
    place = "" if report.front is None else " of the Pareto front"
    return f"The {number} best trials{place} were"


def _seeds(confirmation: Confirmation) -> str:
    seeds = wording.plural(confirmation.num_repeats, "further seed")
    return f"{seeds} each" if len(confirmation.candidates) > 1 else seeds


def _who_won(report: SearchReport, confirmation: Confirmation) -> str:
    winner, first = confirmation.winner, confirmation.candidates[0]
    mean = wording.metric(report.objective, winner.mean)
    if not confirmation.changed_the_winner:
        return f"It is trial {winner.trial.trial_id}, which had the best first score, too."
    before = wording.metric(report.objective, first.mean)
    fell = f"its new scores average {before}" if first.scores else "none of its repeats has a score"
    return (
        f"The confirmation changed the winner: trial {first.trial.trial_id} had the best first "
        f"score, {wording.metric(report.objective, first.first_score)}, but {fell}; those of trial "
        f"{winner.trial.trial_id} average {mean}."
    )


def _how_lucky(report: SearchReport, confirmation: Confirmation) -> str:
    luck = confirmation.mean_luck
    text = wording.metric(report.objective, abs(luck))
    if not float(text):
        return "The first scores were as good as the new ones on average: luck played no part."
    if luck < 0:
        return f"The first scores were no better than the new ones, which are better by {text}."
    mean = "" if len(confirmation.candidates) == 1 else ", on average over the candidates"
    return f"Of the first scores {text} was luck{mean}."
