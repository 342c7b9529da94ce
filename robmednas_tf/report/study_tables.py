"""The tables of a study, cell by cell: repeats, what they differ by, seeds, folds, searches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.evaluation.statistics import (
    Difference,
    difference_of_means,
    paired_difference,
    summarize_values,
)
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import condition_label
from robmednas_tf.report.evaluation_captions import p_value
from robmednas_tf.report.evaluation_tables import PLUS_MINUS
from robmednas_tf.report.study_contents import ARM, FOLDS, StudyResults
from robmednas_tf.report.tables import Table, architecture_table, blocks_in_short
from robmednas_tf.search.repeated import spread
from robmednas_tf.study.arms import ARMS, BASELINE, ORACLES, ROBMEDNAS_R, ROBMEDNAS_T, STUDIED

MINUS = "\N{MINUS SIGN}"
# What is compared over repeats: condition, metric, region; of a condition None is the attack.
_COMPARED = ((None, "dice", ""), (None, "dice", "bone"), (None, "mae", ""), (CLEAN, "dice", ""))


def repeats_table(results: StudyResults) -> Table:
    """Returns how each arm's repeats scatter: a mean over test subjects of each."""
    names = [_label(results, *each) for each in _COMPARED]
    head = ["Arm", "Repeats", *(part for name in names for part in (name, "smallest to largest"))]
    rows = []
    for arm, label in ARMS.items():
        row = [label, str(len(results.keys(ARM, arm)))]
        for condition, metric, region in _COMPARED:
            values = results.values(ARM, arm, condition or results.info.attack, metric, region)
            row += _spread_cells(metric, values)
        rows.append(row)
    return Table(head, rows)


def effects_table(results: StudyResults) -> Table:
    """Returns how far each arm's repeats lie from the baseline's, and T's from R's."""
    head = ["Difference over repeats", "Measure", "95 % interval", "p", "p, corrected"]
    pairs = [(arm, BASELINE) for arm in ARMS if arm != BASELINE]
    rows = [row for arm, base in pairs for row in _effect_rows(results, arm, base, len(pairs))]
    rows += _effect_rows(results, ROBMEDNAS_T, ROBMEDNAS_R, 1)
    return Table(head, rows)


def effect(
    results: StudyResults, arm: str, base: str, condition: str, metric: str, region: str = ""
) -> Difference:
    """Returns how far an arm's repeats lie from another's: independent values, one a repeat."""
    return difference_of_means(
        *(results.values(ARM, each, condition, metric, region) for each in (arm, base))
    )


def studied_table(results: StudyResults, part: str) -> Table:
    """Returns the study of seeds or of folds: robustness of both architectures by region.

    Args:
        results: All that was found.
        part: `SEEDS`, whose networks are compared as independent ones, or `FOLDS`, of which each
            pair has learnt from the same subjects.
    """
    head = ["Under attack"]
    for arm in STUDIED:
        head += [f"{ARMS[arm]}: mean {PLUS_MINUS} SD"]
    head += [f"{ARMS[ROBMEDNAS_T]} {MINUS} {ARMS[BASELINE]}, 95 % interval", "p"]
    rows = []
    for metric in ("dice", "mae"):
        for region in ("", *REGIONS):
            sides = [
                results.values(part, arm, results.info.attack, metric, region) for arm in STUDIED
            ]
            difference = studied_difference(results, part, metric, region)
            label = REGIONS[region].label if region else "Mean of four"
            unit = "MAE (HU)" if metric == "mae" else "Dice"
            rows.append(
                [
                    f"{label}, {unit}",
                    *(mean_and_sd(metric, values) for values in sides),
                    interval_text(metric, difference),
                    p_text(difference.p_value),
                ]
            )
    return Table(head, rows)


def studied_difference(
    results: StudyResults, part: str, metric: str, region: str = ""
) -> Difference:
    """Returns RobMedNAS-T's robustness less the baseline's over seeds, or pairwise over folds."""
    attack = results.info.attack
    sides = [results.values(part, arm, attack, metric, region) for arm in (ROBMEDNAS_T, BASELINE)]
    compare = paired_difference if part == FOLDS else difference_of_means
    if part == FOLDS and len(sides[0]) != len(sides[1]):
        return difference_of_means([], [])
    return compare(*sides)


def picked_table(results: StudyResults) -> Table:
    """Returns the networks that the paper's tables are of."""
    head = ["Arm", "Repeat", "Validation Dice clean", "Validation Dice attacked", "Epoch kept"]
    rows = []
    for arm, label in ARMS.items():
        run = results.picked(arm)
        rows.append(
            [
                label,
                f"{run.number} of {len(results.keys(ARM, arm))}",
                wording.number(run.validation_dice_clean, 3),
                wording.number(run.validation_dice_attacked, 3),
                f"{run.best_epoch} of {run.epochs}",
                wording.count(run.parameters),
                wording.duration(run.seconds),
                blocks_in_short(run.architecture, "\n"),
            ]
        )
    return Table([*head, "Parameters", "Training", "Blocks: encoder, decoder"], rows)


def table_4(results: StudyResults) -> Table:
    """Returns the architecture of the reported RobMedNAS-T network, as the paper's Table 4."""
    return architecture_table(results.best_architecture)


def searches_table(results: StudyResults) -> Table:
    """Returns what the searches have found: the best first score of each, summed up."""
    head = ["Searches", "Repeats", "Trials scored", "Failed", "Best first score", "Time of one"]
    rows = []
    for arm in ORACLES:
        found = [search for search in results.searches if search.arm == arm]
        scored = [[s for s in search.scores if not math.isnan(s)] for search in found]
        best_of = min if results.info.is_error else max
        best = [best_of(scores) for scores in scored if scores]
        seconds = summarize_values([search.seconds for search in found]).mean
        rows.append(
            [
                ARMS[arm],
                str(len(found)),
                str(sum(map(len, scored))),
                str(sum(search.num_failed for search in found)),
                mean_and_sd(results.info.settings["objective"], best),
                wording.duration(seconds),
            ]
        )
    return Table(head, rows)


def mean_and_sd(metric: str, values: Sequence[float]) -> str:
    """Returns mean and standard deviation over networks as tables show them."""
    summary = summarize_values(values)
    mean = wording.metric(metric, summary.mean)
    if math.isnan(summary.sd):
        return mean
    return f"{mean} {PLUS_MINUS} {wording.metric(metric, summary.sd)}"


def interval_text(metric: str, difference: Difference) -> str:
    """Returns a difference and its interval, signed, such as "+0.012 [−0.003, +0.027]"."""
    value, low, high = (
        _signed(metric, each) for each in (difference.value, difference.low, difference.high)
    )
    return value if math.isnan(difference.low) else f"{value} [{low}, {high}]"


def p_text(value: float) -> str:
    """Returns a p-value; a dash where nothing could be tested."""
    return wording.UNDEFINED if math.isnan(value) else p_value(value)


def _effect_rows(
    results: StudyResults, arm: str, base: str, num_comparisons: int
) -> Iterator[list[str]]:
    # Whether it holds under the other attacks too.
    others = [(each, "dice", "") for each in results.info.conditions[2:]]
    for condition, metric, region in (*_COMPARED[:-1], *others, _COMPARED[-1]):
        found = effect(results, arm, base, condition or results.info.attack, metric, region)
        # Of what could not be tested nothing can be corrected.
        corrected = num_comparisons * found.p_value
        yield [
            f"{ARMS[arm]} {MINUS} {ARMS[base]}",
            _label(results, condition, metric, region),
            interval_text(metric, found),
            p_text(found.p_value),
            p_text(min(corrected, 1.0)),
        ]


def _label(results: StudyResults, condition: str | None, metric: str, region: str) -> str:
    attack = condition or results.info.attack
    where = "clean" if attack == CLEAN else f"under {condition_label(attack)}"
    what = "MAE (HU)" if metric == "mae" else "Dice"
    return f"{REGIONS[region].label + ' ' if region else ''}{what} {where}"


def _spread_cells(metric: str, values: Sequence[float]) -> Iterator[str]:
    found = spread(values)
    yield mean_and_sd(metric, values)
    yield (f"{wording.metric(metric, found.smallest)} to {wording.metric(metric, found.largest)}")


def _signed(metric: str, value: float) -> str:
    text = wording.metric(metric, abs(value))
    if math.isnan(value):
        return text
    # What rounds to nothing has no sign.
    return text if not float(text) else f"{MINUS if value < 0 else '+'}{text}"
