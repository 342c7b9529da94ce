"""Repeated searches put into words: summary, key figures, cautions, and what figures show."""

from __future__ import annotations

from collections.abc import Iterator

from robmednas_tf.report import wording
from robmednas_tf.report.conditions import attack_phrase, condition_label
from robmednas_tf.report.repeats_contents import STAGE_LABELS, RepeatsReport
from robmednas_tf.report.repeats_figures import LEAST_BOXED
from robmednas_tf.search.repeated import Spread, best_so_far, spread

_ORACLES = {"bayesian": "TPE, the paper's RobMedNAS-T", "random": "random, RobMedNAS-R"}
_CHOSEN_BY = {
    "first": "its winner's first score",
    "confirmed": "the mean of its winner's new scores",
}


def summary(report: RepeatsReport) -> str:
    """Returns the repeats and what came of them in one paragraph."""
    return " ".join([_what_was_done(report), *_what_was_found(report)])


def chosen_by(report: RepeatsReport) -> str:
    """Returns how the best repeat was chosen, to stand after "by"."""
    return f"{_CHOSEN_BY[report.deciding_stage]} on the search's test subjects"


def best_in_short(report: RepeatsReport) -> str:
    """Returns in a sentence or two which repeat is the best and how it was chosen."""
    best = report.ranked[0]
    if len(report.ended) == 1:
        return f"Repeat {best.number} is the only one that has ended."
    return (
        f"Repeat {best.number} is the best of {len(report.ended)} by {chosen_by(report)}"
        f"{_tied(report)}; held-out subjects took no part in the choice."
    )


def _tied(report: RepeatsReport) -> str:
    scores = report.values(report.deciding_stage, report.objective)
    best = scores[report.ended.index(report.ranked[0])]
    num_equal = scores.count(best)
    return f", the first of {num_equal} that are equal" if num_equal > 1 else ""


def conditions_in_words(report: RepeatsReport) -> str:
    """Returns the metric that is told attacked and clean, such as "Dice, mean of four regions"."""
    return wording.metric_label(report.conditions["clean"]).replace(" on clean input", "")


def mean_and_sd(metric: str, found: Spread) -> str:
    """Returns a mean with its standard deviation, such as "0.712 ± 0.031"."""
    if found.count < 2:
        return wording.metric(metric, found.mean)
    return f"{wording.metric(metric, found.mean)} ± {wording.metric(metric, found.sd)}"


def interval(metric: str, found: Spread) -> str:
    """Returns the mean's 95 % interval; a dash where it is undefined."""
    ends = [wording.metric(metric, end) for end in (found.low, found.high)]
    return wording.UNDEFINED if wording.UNDEFINED in ends else f"{ends[0]} to {ends[1]}"


def key_figures(report: RepeatsReport) -> list[tuple[str, str, str]]:
    """Returns the figures to see first: label, value and a remark."""
    ended, count = len(report.ended), len(report.repeats)
    figures = [("Repeats ended", str(ended), f"of {count}, {report.num_trials} trials each")]
    if report.ended:
        best = report.ranked[0]
        remark = "the only one" if ended == 1 else f"by {_CHOSEN_BY[report.deciding_stage]}"
        figures.append(("Best repeat", str(best.number), remark))
        figures.append(_figure(report, "Winners' score", report.deciding_stage, report.objective))
        for condition, metric in report.conditions.items():
            figures.append(_figure(report, f"Held out, {condition}", "held_out", metric))
        figures.append(("Time", wording.duration(report.seconds), "trials and confirmations"))
    return figures


def notes(report: RepeatsReport) -> list[str]:
    """Returns what must not be read into the numbers."""
    found = [
        "All repeats share one split: intervals tell how searches of other seeds would scatter on "
        "these very subjects, not what other patients would give.",
    ]
    if len(report.ended) > 1:
        found.append(
            f"{best_in_short(report)} As the best of several it is a lucky one, too: its score is "
            "biased upward, its held-out figures are not."
        )
    return found


def of_best_so_far(report: RepeatsReport) -> str:
    """Describes the figure of best scores so far."""
    if not report.ended:
        return "Line plot without lines: no repeat has ended."
    curves = best_so_far(report.outcomes, report.direction)
    ends = [spread(curves[:, place].tolist()).median for place in (0, -1)]
    first, last = (wording.metric(report.objective, end) for end in ends)
    return (
        f"Line plot: {wording.metric_label(report.objective)}, best so far, by trial in "
        f"{wording.plural(len(curves), 'repeat')}. The median goes from {first} after one trial "
        f"to {last} after {curves.shape[1]}."
    )


def of_winners(report: RepeatsReport) -> str:
    """Describes the figure of final models."""
    kind = "Box plots" if len(report.ended) >= LEAST_BOXED else "Dot plots"
    return (
        f"{kind}: Dice and MAE of the final models of {wording.plural(len(report.ended), 'repeat')}"
        " on held-out subjects, clean and attacked, by region; the means stand in a table of the "
        "same section."
    )


def winners_caption(report: RepeatsReport) -> str:
    """Returns what the page says below the figure of final models."""
    boxes = "quartiles and median, whiskers to the last value within 1.5 times their distance"
    return (
        "Final models on subjects that chose nothing, a point a repeat, in the form of the paper's "
        "Figure 5 (which attacks with FGSM 0.06; here it is "
        f"{condition_label(str(report.attack))}). "
        f"Boxes from {LEAST_BOXED} repeats on: {boxes}."
    )


def _figure(report: RepeatsReport, title: str, stage: str, metric: str) -> tuple[str, str, str]:
    found = spread(report.values(stage, metric))
    ends = interval(metric, found)
    remark = f"mean of {found.count}"
    if ends != wording.UNDEFINED:
        remark += f", SD {wording.metric(metric, found.sd)}; 95 % interval {ends}"
    return title, wording.metric(metric, found.mean), remark


def _what_was_done(report: RepeatsReport) -> str:
    rule = _ORACLES.get(report.oracle, report.oracle)
    return (
        f"{wording.plural(len(report.repeats), 'repeat')} of one search ({rule}) on the cohort "
        f"{report.cohort}, on one split, with seeds of their own: "
        f"{wording.plural(report.num_trials, 'trial')} each, scored by "
        f"{wording.objective_phrase(report.objective)}. {attack_phrase(report.attack)}"
    )


def _what_was_found(report: RepeatsReport) -> Iterator[str]:
    stopped = [repeat for repeat in report.repeats if repeat.fault]
    for repeat in stopped:
        yield f"Repeat {repeat.number} has stopped before its end: {repeat.fault}"
    if not report.ended:
        yield "No repeat has ended yet, so that there is nothing to compare."
        return
    if len(report.ended) < len(report.repeats):
        yield f"{len(report.ended)} of them have ended; the others are left out below."
    yield winners_in_short(report)
    yield best_in_short(report)


def winners_in_short(report: RepeatsReport) -> str:
    """Returns in a sentence or two what the winners score, and how it scatters over repeats."""
    label = wording.metric_label(report.objective)
    score = _in_short(report, report.deciding_stage, report.objective)
    attacked, clean = (
        _in_short(report, "held_out", metric) for metric in report.conditions.values()
    )
    how = " as mean ± SD (95 % interval of the mean)" if len(report.ended) > 1 else ""
    stage = STAGE_LABELS[report.deciding_stage].lower()
    return (
        f"The winners{how}: {stage} ({label}) {score}; their final models on held-out subjects "
        f"({conditions_in_words(report)}) {attacked} under attack, {clean} on clean input."
    )


def _in_short(report: RepeatsReport, stage: str, metric: str) -> str:
    found = spread(report.values(stage, metric))
    ends = interval(metric, found)
    return mean_and_sd(metric, found) + ("" if ends == wording.UNDEFINED else f" ({ends})")
