"""An evaluation and what came of it in plain words, for readers who do not know the paper."""

from __future__ import annotations

import math
from collections.abc import Iterator

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.evaluation.statistics import compare_paired, summarize_values
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import condition_label, condition_phrase
from robmednas_tf.report.evaluation_captions import p_value, power_phrase
from robmednas_tf.report.evaluation_contents import EvaluationReport

_MOST_TOLD = 2


def summary(report: EvaluationReport) -> list[str]:
    """Returns paragraphs: what was evaluated and attacked, and what was found."""
    done = [_what_was_done(report), *_what_was_attacked(report)]
    found = [
        text
        for place, condition in enumerate(told_attacks(report))
        for text in _what_was_found(report, condition, is_first=place == 0)
    ]
    if not report.attacks:
        found = list(_what_was_found_clean(report))
    paragraphs = (done, found)
    return [text for text in map(" ".join, paragraphs) if text]


def told_attacks(report: EvaluationReport) -> list[str]:
    """Returns the attacks that a summary tells of: all, or of many the first and the hardest."""
    if len(report.attacks) <= _MOST_TOLD:
        return list(report.attacks)
    means = {
        each: [mean_of(report, name, each) for name in report.model_names]
        for each in report.attacks
    }
    defined = {
        each: sum(values) for each, values in means.items() if not any(map(math.isnan, values))
    }
    hardest = min(defined, key=lambda each: defined[each], default=report.attacks[0])
    return list(dict.fromkeys([report.attacks[0], hardest]))


def mean_of(report: EvaluationReport, model: str, condition: str, metric: str = "dice") -> float:
    """Returns a model's Dice or MAE, averaged over the four regions and over subjects."""
    return summarize_values(report.means(model, condition, metric)).mean


def most_robust(report: EvaluationReport, condition: str) -> str | None:
    """Returns the model with the best mean Dice in a condition; None where none is defined."""
    means = {name: mean_of(report, name, condition) for name in report.model_names}
    defined = {name: mean for name, mean in means.items() if not math.isnan(mean)}
    return max(defined, key=lambda name: defined[name], default=None)


def _as_robust(report: EvaluationReport, best: str, condition: str) -> list[str]:
    """Returns the models whose mean Dice cannot be told, in print, from the best one's."""
    highest = wording.number(mean_of(report, best, condition), 3)
    return [
        name
        for name in report.model_names
        if wording.number(mean_of(report, name, condition), 3) == highest
    ]


def part_of(report: EvaluationReport) -> str:
    """Returns which part of which cohort is evaluated."""
    part = "all parts" if report.split == "all" else f"{report.split} part"
    return f"{report.cohort}, {part}"


def _what_was_done(report: EvaluationReport) -> str:
    num_models = len(report.models)
    regions = wording.listed([region.label.lower() for region in REGIONS.values()])
    each = "was" if num_models == 1 else "were"
    limit = report.slices_per_subject
    slices = f"at most {limit} axial slices a subject" if limit else "every axial slice"
    return (
        f"{wording.plural(num_models, 'network')} for MR-to-CT synthesis {each} evaluated on "
        f"{wording.plural(len(report.subjects), 'subject')} of a cohort ({part_of(report)}): a "
        f"synthetic CT was made from {slices} of the MR, of "
        f"{wording.square(report.image_size)} pixels, and compared with the true CT in {regions}, "
        "by overlap (Dice, 1 is perfect) and by mean absolute error (MAE, in HU, 0 is perfect)."
    )


def _what_was_attacked(report: EvaluationReport) -> Iterator[str]:
    if not report.attacks:
        yield "No attack was asked for, so that nothing is said of robustness."
        return
    told = told_attacks(report)
    if len(told) == len(report.attacks):
        yield "Then the MR was perturbed, and everything was done again."
    else:
        labels = wording.listed([condition_label(each) for each in report.attacks])
        yield f"Then the MR was perturbed in {len(report.attacks)} ways, and everything was done "
        yield f"again: {labels}. What each does stands with its figures below."
    yield from map(condition_phrase, told)


def _what_was_found(report: EvaluationReport, condition: str, is_first: bool) -> Iterator[str]:
    best, where = most_robust(report, condition), f"Under {condition_label(condition)}"
    if best is None:
        yield f"{where} no Dice is defined."
        return
    if len(report.models) == 1:
        yield f"{where}, {best} goes {_change(report, best, condition)}."
        return
    tied = _as_robust(report, best, condition)
    if len(tied) > 1:
        change = _change(report, best, condition)
        equals = wording.listed(tied)
        yield f"{where}, {equals} have the same Dice, as printed; {best} goes {change}."
        return
    itself = ", the baseline itself," if best == report.baseline else ""
    yield (
        f"{where}, {best}{itself} is the most robust: averaged over the four regions it goes "
        f"{_change(report, best, condition)}."
    )
    if best != report.baseline:
        change = _change(report, report.baseline, condition)
        named = "" if report.baseline == "baseline" else f", {report.baseline},"
        yield f"The baseline{named} goes {change}."
        # On clean input nothing changes from one attack to the next.
        if is_first or best != most_robust(report, report.attacks[0]):
            yield _clean_cost(report, best)
        yield _significance(report, best, condition)


def _what_was_found_clean(report: EvaluationReport) -> Iterator[str]:
    best = most_robust(report, CLEAN)
    if best is None:
        return
    if best != report.baseline or len(report.models) == 1:
        title = "" if len(report.models) == 1 else ", the best of all,"
        yield f"{best}{title} has {_scores(report, best)}."
    if len(report.models) > 1:
        itself = ", itself the best of all" if best == report.baseline else ""
        yield f"The baseline, {report.baseline}{itself}, has {_scores(report, report.baseline)}."


def _scores(report: EvaluationReport, model: str) -> str:
    dice, mae = (mean_of(report, model, CLEAN, metric) for metric in ("dice", "mae"))
    return (
        f"a Dice of {wording.number(dice, 3)} and an error of {wording.number(mae, 1)} HU, "
        "averaged over the four regions"
    )


def _change(report: EvaluationReport, model: str, condition: str) -> str:
    dice, mae = (
        [mean_of(report, model, each, metric) for each in (CLEAN, condition)]
        for metric in ("dice", "mae")
    )
    return (
        f"from a Dice of {wording.number(dice[0], 3)} to {wording.number(dice[1], 3)} "
        f"and from an error of {wording.number(mae[0], 1)} to {wording.number(mae[1], 1)} HU"
    )


def _clean_cost(report: EvaluationReport, model: str) -> str:
    # Of what is printed above, so that a reader who subtracts finds the same.
    own, other = (round(mean_of(report, name, CLEAN), 3) for name in (model, report.baseline))
    if own == other:
        return "On the MR as it is, both have the same Dice, to three decimals."
    if math.isnan(own - other):
        return ""
    which, cost = ("lower", "accuracy") if own < other else ("higher", "no accuracy")
    return (
        f"On the MR as it is, the Dice of {model} is {abs(own - other):.3f} {which} than the "
        f"baseline's: its robustness costs {cost}."
    )


def _significance(report: EvaluationReport, model: str, condition: str) -> str:
    if len(report.subjects) < 2:
        return "On a single subject no difference can be tested: it may be chance."
    values, baseline = (report.means(name, condition, "dice") for name in (model, report.baseline))
    test = compare_paired(values, baseline, report.num_comparisons)
    if math.isnan(test.p_adjusted):
        return "Under the attack the two do not differ in any subject."
    power = power_phrase(test.num_tested, report.num_comparisons)
    if power:
        return f"Whether their difference under the attack is chance cannot be told: {power}."
    tested = (
        f"(Wilcoxon, p = {p_value(test.p_adjusted)} after correction for "
        f"{wording.plural(report.num_comparisons, 'comparison')})"
    )
    if test.is_significant:
        return f"Their difference in Dice under the attack is statistically significant {tested}."
    return (
        f"Their difference in Dice under the attack is not statistically significant {tested}; "
        "that does not show that they are equally robust."
    )
