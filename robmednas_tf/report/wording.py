"""Numbers and findings of a search put into words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.objectives import COSTS
from robmednas_tf.report.conditions import attack_phrase
from robmednas_tf.report.contents import ScoreGroup, SearchReport, score_of
from robmednas_tf.search.confirmation import Confirmation
from robmednas_tf.search.front import Front, values_of
from robmednas_tf.search.trials import TrialRecord

UNDEFINED = "\N{EN DASH}"
UNMEASURED = "n/a"

_COST_LABELS = {"parameters": "trainable parameters", "flops": "FLOPs of a slice"}
_CONDITIONS = {"adversarial": "under attack", "clean": "on clean input"}
# The regions a change of which says most: the whole head is the complement of air.
TOLD_REGIONS = ("bone", "air", "soft_tissue")


def number(value: float | None, digits: int) -> str:
    """Returns a number with so many decimals; a dash where it is undefined."""
    if value is None or math.isnan(value):
        return UNDEFINED
    return f"{value:.{digits}f}"


def metric(name: str, value: float | None) -> str:
    """Returns a value as tables show it: Dice with three decimals, MAE with one, costs in short."""
    if name in COSTS:
        return count(math.nan if value is None else value)
    return number(value, 1 if "mae" in name else 3)


def count(value: float) -> str:
    """Returns a large number in short, such as 1.24 M; a dash where it is unknown."""
    if math.isnan(value):
        return UNDEFINED
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        # What three digits would round up to the next unit belongs to it.
        if value >= 0.9995 * size:
            return (
                f"{value / size:.3g} {unit}"
                if value < 999.5 * size
                else f"{value / size:.0f} {unit}"
            )
    return f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """Returns a time as precisely as one wants to read it, such as 9 min 5 s or 3 h 12 min."""
    if seconds is None or math.isnan(seconds):
        return UNDEFINED
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 600:
        return _two_units(round(seconds), "min", "s")
    return _two_units(round(seconds / 60), "h", "min")


def _two_units(number: int, large: str, small: str) -> str:
    wholes, rest = divmod(number, 60)
    parts = [f"{wholes} {large}"] * bool(wholes) + [f"{rest} {small}"] * bool(rest)
    return " ".join(parts)


def square(size: int) -> str:
    """Returns a square grid or kernel as figures write it."""
    return f"{size} \N{MULTIPLICATION SIGN} {size}"


def metric_label(name: str) -> str:
    """Returns what figures call a metric or cost, such as "Dice under attack, bone"."""
    if name in COSTS:
        return _COST_LABELS[name]
    condition, kind, *region = name.split("_")
    place = REGIONS["_".join(region)].label.lower() if region else "mean of four regions"
    unit = "MAE (HU)" if kind == "mae" else "Dice"
    return f"{unit} {_CONDITIONS[condition]}, {place}"


def objective_phrase(name: str) -> str:
    """Returns what a search optimised, to stand in a sentence."""
    if name in COSTS:
        return f"the {_COST_LABELS[name]}"
    condition, kind, *region = name.split("_")
    what = "mean absolute error in HU" if kind == "mae" else "Dice overlap"
    where = (
        f"of {REGIONS['_'.join(region)].label.lower()}" if region else "averaged over four regions"
    )
    return f"the {what} {where}, {_CONDITIONS[condition]}"


def objectives_phrase(report: SearchReport) -> str:
    """Returns all that a search optimised, to stand in a sentence."""
    names = report.front.directions if report.front is not None else [report.objective]
    # The phrases have commas of their own.
    return "; ".join(objective_phrase(name) for name in names)


def best_word(report: SearchReport) -> str:
    """Returns what the best trial is called where its first score need not be the best."""
    if report.confirmation is not None:
        return "winner"
    return "best" if report.front is None else "pick"


def summary(report: SearchReport) -> str:
    """Returns the search and what came of it in one paragraph."""
    sentences = [_what_was_done(report), attack_phrase(report.attack), _what_was_found(report)]
    if report.attack.size and report.scores and report.scores[-1].rows:
        sentences.append(what_changed(report.scores[-1]))
    return " ".join(sentences)


def main_reason(report: SearchReport) -> tuple[str, int]:
    """Returns the most frequent reason for a failure, and in how many trials; at least one failed.

    Reasons that differ by numbers alone count as one; the first of them speaks for all.
    """
    messages = [record.message or "no reason was given" for record in report.failed]
    kinds = [re.sub(r"\d[\d.]*", "#", message) for message in messages]
    kind, times = Counter(kinds).most_common(1)[0]
    return messages[kinds.index(kind)], times


def plural(number: int, noun: str) -> str:
    """Returns a count with its noun, such as "1 trial" or "2 trials"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _what_was_done(report: SearchReport) -> str:
    num_train = len(report.subjects.get("train", ()))
    num_test = len(report.subjects.get("test", ()))
    size = square(report.image_size)
    num_trials = len(report.records)
    each = "was" if num_trials == 1 else "were each"
    return (
        f"{plural(num_trials, 'U-Net architecture')} for MR-to-CT synthesis {each} trained"
        f"{_how_far(report)} on "
        f"{plural(num_train, 'subject')} of the cohort {report.cohort} (axial slices of {size} "
        f"pixels) and scored on {plural(num_test, 'other subject')} by "
        f"{objectives_phrase(report)}."
    )


def _how_far(report: SearchReport) -> str:
    if not report.stopped:
        return ""
    return f" ({len(report.stopped)} of them not to the end)"


def _what_was_found(report: SearchReport) -> str:
    best = report.best
    if best is None:
        found = "No trial has a score yet, so that there is no best architecture."
        if report.failed:
            text, times = main_reason(report)
            found = (
                "No trial gave a score, so that there is no best architecture. The most frequent "
                f"reason, in {times} of {plural(len(report.failed), 'failed trial')}: {text}"
            )
        return found
    score = metric(report.objective, score_of(best))
    if report.front is not None:
        return _what_was_picked(report, best, report.front)
    if report.confirmation is not None and not report.confirmation.is_decided_by_first_scores:
        return _what_was_confirmed(report, report.confirmation)
    if len(report.scored) == 1:
        return f"The one that gave a score, trial {best.trial_id}, reached {score}."
    return (
        f"The best of the {len(report.scored)} that gave a score, trial {best.trial_id}, reached "
        f"{score}; the median is {metric(report.objective, report.median_score)}."
    )


def _what_was_picked(report: SearchReport, winner: TrialRecord, front: Front) -> str:
    values = zip(front.directions, values_of(winner, front.directions), strict=True)
    reached = listed([f"{metric_label(name)}: {metric(name, value)}" for name, value in values])
    found = (
        f"Of the {len(report.scored)} that gave a score, {len(front.members)} "
        f"{'lies' if len(front.members) == 1 else 'lie'} on the Pareto front, from which trial "
        f"{winner.trial_id} was picked ({front.rule}). It reached, in its trial, {reached}."
    )
    confirmation = report.confirmation
    if confirmation is None or confirmation.is_decided_by_first_scores:
        return found
    mean = metric(report.objective, confirmation.winner.mean)
    again = plural(len(confirmation.winner.scores), "new seed")
    return f"{found} Its first objective averages {mean} over {again}."


def _what_was_confirmed(report: SearchReport, confirmation: Confirmation) -> str:
    winner = confirmation.winner
    mean, first, median = (
        metric(report.objective, value)
        for value in (winner.mean, winner.first_score, report.median_score)
    )
    num_candidates = len(confirmation.candidates)
    again = f"the {num_candidates} best were" if num_candidates > 1 else "the best one was"
    return (
        f"Of the {len(report.scored)} that gave a score (median {median}), {again} trained again "
        f"with {plural(confirmation.num_repeats, 'new seed')}: trial {winner.trial.trial_id} has "
        f"won with a mean of {mean}, its first score being {first}."
    )


def what_changed(group: ScoreGroup) -> str:
    """Returns what the attack does to the first network of a group; empty where it is unknown."""
    row = group.rows[0]
    changes = [
        f"from {number(clean, 3)} to {number(attacked, 3)} in {REGIONS[region].label.lower()}"
        for region in TOLD_REGIONS
        for clean, attacked in [_dice(row.metrics, region)]
        if not (math.isnan(clean) or math.isnan(attacked))
    ]
    if not changes:
        return ""
    return (
        f"On the {group.title[:1].lower()}{group.title[1:]} the attack takes the "
        f"{row.label.lower()}'s Dice {listed(changes)}."
    )


def _dice(metrics: Mapping[str, float], region: str) -> tuple[float, float]:
    return (
        metrics.get(f"clean_dice_{region}", math.nan),
        metrics.get(f"adversarial_dice_{region}", math.nan),
    )


def listed(words: Sequence[str]) -> str:
    """Returns words as a list in a sentence: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
