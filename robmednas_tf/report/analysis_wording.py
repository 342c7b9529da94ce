"""What a search has learnt put into words: factors, findings and how far they go."""

from __future__ import annotations

import math

from robmednas_tf.report import wording
from robmednas_tf.report.contents import SearchReport
from robmednas_tf.report.drawing import branch_name
from robmednas_tf.search.analysis import MIN_TRIALS, Analysis, Association, analysable
from robmednas_tf.search.bootstrap import MIN_VALUES, Estimate
from robmednas_tf.search.descriptors import BRANCH_SHARES, DEPTH, LOG2_FILTERS, SE_SHARE

_FACTORS = {
    DEPTH: "depth",
    LOG2_FILTERS: "filters, geometric mean of the blocks",
    SE_SHARE: "blocks with squeeze-and-excitation",
    **{name: f"blocks with branch {branch_name(at)}" for at, name in enumerate(BRANCH_SHARES)},
}


def factor(name: str) -> str:
    """Returns what a factor is called."""
    return _FACTORS[name]


def percent(share: float) -> str:
    """Returns a share as whole per cent, without the sign; a dash where it is undefined."""
    return wording.number(100 * share, 0)


def rho(association: Association) -> str:
    """Returns a rank correlation with its interval."""
    estimate = association.rho
    return f"Spearman's rho {wording.number(estimate.value, 2)}{_in_brackets(estimate)}"


def interval(estimate: Estimate, digits: int) -> str:
    """Returns the ends of an interval; a dash where there is none."""
    if math.isnan(estimate.low):
        return wording.UNDEFINED
    return f"{estimate.low:.{digits}f} to {estimate.high:.{digits}f}"


def nothing_to_learn(report: SearchReport) -> str:
    """Returns why nothing is told of what the search has learnt."""
    num_trials = len(analysable(report.records, report.objective))
    if num_trials >= MIN_TRIALS:
        return f"All {num_trials} scored trials have the same score: nothing can be learnt from it."
    return (
        f"{wording.plural(num_trials, 'trial')} with a score and an architecture: too few to tell "
        f"which choices matter. From {MIN_TRIALS} such trials on, this section says it."
    )


def findings(analysis: Analysis) -> str:
    """Returns what can be told from chance, in a sentence or two."""
    explained, above = analysis.importances.explained, analysis.importances.above_chance
    if above:
        found = [
            f"{factor(name)} ({percent(explained[name].value)} %, 95 % interval "
            f"{percent(explained[name].low)} to {percent(explained[name].high)} %)"
            for name in above
        ]
        text = (
            f"What explains, better than chance, which of the {len(analysis.trials)} trials are "
            f"among the best quarter: {'; '.join(found)}."
        )
    else:
        text = (
            f"With {len(analysis.trials)} trials no choice can be told from chance: none explains "
            "more of which trials are among the best quarter than shuffled scores do."
        )
    if analysis.unvaried:
        alike = "; ".join(map(factor, analysis.unvaried))
        text += f" On one level in all trials, so that nothing can be said of it: {alike}."
    return text


def cautions(analysis: Analysis, num_failed: int, num_stopped: int = 0) -> list[str]:
    """Returns what must not be read into the figures.

    Args:
        analysis: What was found.
        num_failed: Trials that failed.
        num_stopped: Trials that were stopped at a rung.
    """
    if analysis.is_random:
        first = (
            "Every architecture was drawn at random: the search's choice confounds nothing here. "
            "Shares over the few blocks of a small depth vary more, so that extreme ones go with "
            "it."
        )
    else:
        first = (
            "Associations, not effects: TPE does not draw at random but proposes more of what has "
            "scored well, so that choices go together as the search has put them together. A "
            "random search (oracle=random) gives figures that are not confounded in this way."
        )
    failed = wording.plural(num_failed, "failed trial")
    is_left_out = "is" if num_failed == 1 else "are"
    trials = wording.plural(num_stopped, "trial")
    stopped = (
        f"Without the {trials} that the pruner stopped: those that are left were selected by their "
        "scores on the way, so that whatever makes a candidate bad from the start is understated."
    )
    return (
        [first]
        + [f"The {failed} {is_left_out} left out."] * bool(num_failed)
        + [stopped] * bool(num_stopped)
    )


def importance_caption(analysis: Analysis) -> str:
    """Returns how to read the importance of the factors."""
    return (
        "How much of the variance of being among the best quarter of the trials, by "
        f"{wording.metric_label(analysis.objective)}, each factor explains by itself (PED-ANOVA on "
        "the levels of the next figure), with 95 % bootstrap intervals over trials. Dashed: what "
        "the strongest factor reaches in 95 % of shuffles of the scores; a point left of it "
        "cannot be told from chance. Blocks are summed up over the U-Net, for most single choices "
        "exist at some depths only."
    )


def levels_caption(report: SearchReport) -> str:
    """Returns how to read the scores by level."""
    return (
        f"Means with 95 % bootstrap intervals, for {MIN_VALUES} trials or more; {_better(report)} "
        "is better. The upright line is the mean of all trials."
    )


def size_caption(report: SearchReport) -> str:
    """Returns how to read robustness against size."""
    return (
        "A point is a trial. In brackets the 95 % bootstrap interval over trials: where it holds "
        "0, size and robustness may as well have nothing to do with one another. "
        f"{_better(report).capitalize()} is better."
    )


def _better(report: SearchReport) -> str:
    return "higher" if report.direction == "max" else "lower"


def _in_brackets(estimate: Estimate) -> str:
    return "" if math.isnan(estimate.low) else f" ({interval(estimate, 2)})"
