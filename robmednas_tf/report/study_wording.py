"""A study in plain words: its question, its method with every number, what limits it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.evaluation.statistics import smallest_p
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import condition_label
from robmednas_tf.report.study_claims import AGREES, DISAGREES, OPEN, claims
from robmednas_tf.report.study_contents import ARM, StudyInfo, StudyResults, how_picked
from robmednas_tf.report.study_tables import effect, interval_text
from robmednas_tf.study.arms import ARMS, BASELINE, ROBMEDNAS_R, ROBMEDNAS_T


def question() -> str:
    """Returns what is asked."""
    return (
        "Networks that turn an MR slice into a synthetic CT slice can be broken by changes of the "
        "MR that nobody sees. Is robustness a property of the architecture, so that a search can "
        "find a U-Net that holds out without adversarial training, and loses no accuracy? Zhang "
        "et al. (RobMedNAS, 2024) say so. This study repeats their comparison of five arms: a "
        "hand-crafted U-Net, the same with adversarial training, random architectures, and the "
        "winners of a random search (RobMedNAS-R) and of a tree-structured Parzen estimator "
        "(RobMedNAS-T)."
    )


def abstract(results: StudyResults) -> str:
    """Returns the main result in a paragraph."""
    attack = results.info.attack
    sentences = []
    for arm in (ROBMEDNAS_T, ROBMEDNAS_R):
        gained = effect(results, arm, BASELINE, attack, "dice")
        kept = effect(results, arm, BASELINE, CLEAN, "dice")
        sentences.append(
            f"{ARMS[arm]} differs from the baseline by {interval_text('dice', gained)} in Dice "
            f"under {condition_label(attack)} and by {interval_text('dice', kept)} on clean input"
        )
    others = [
        f"{interval_text('dice', effect(results, ROBMEDNAS_T, BASELINE, each, 'dice'))} under "
        f"{condition_label(each)}"
        for each in results.info.conditions[2:]
    ]
    stronger = f" {ARMS[ROBMEDNAS_T]}'s difference is {', '.join(others)}." if others else ""
    return f"Over repeats, {'; '.join(sentences)} (mean of four regions, 95 % intervals).{stronger}"


def agreement(results: StudyResults) -> str:
    """Returns in a sentence how many of the paper's statements hold here."""
    found = [each.verdict for each in claims(results)]
    if not found:
        return "Nothing was attacked, so that no statement of the paper can be held against it."
    counts = {word: found.count(word) for word in (AGREES, DISAGREES, OPEN)}
    return (
        f"Of {len(found)} statements of the paper this study agrees with {counts[AGREES]}, does "
        f"not agree with {counts[DISAGREES]}, and cannot tell of {counts[OPEN]}."
    )


def data_paragraph(info: StudyInfo) -> str:
    """Returns who was studied, and how the subjects were parted."""
    parts = {name: len(names) for name, names in info.subjects.items()}
    who = (
        f"{sum(parts.values())} made-up heads of the built-in phantom: nothing here says anything "
        "of patients"
        if info.is_phantom
        else f"{sum(parts.values())} subjects of the cohort {info.cohort}"
    )
    size, limit = int(info.number("image_size")), int(info.number("slices_per_subject"))
    slices = f"{limit} axial slices of each at most" if limit else "all axial slices"
    return (
        f"{who}. {parts['train']} train, {parts['validation']} choose the epoch, {parts['test']} "
        f"are tested and take part in nothing else: no training, search, or choice of an epoch, "
        f"and no fold. {slices}, {wording.square(size)} pixels; MR z-scored over the "
        f"{info.settings['zscore']}, CT as (HU - 1250) / 2500. The searches see "
        f"{int(info.number('num_subjects'))} training subjects (parted 4 : 1 : 1) and no others."
    )


def method(info: StudyInfo) -> list[str]:
    """Returns how it was done, a paragraph each, with every number."""
    return [
        _of_searches(info),
        _of_trainings(info),
        _of_repeats(info),
        _of_studies(info),
        _of_statistics(info),
    ]


def _of_searches(info: StudyInfo) -> str:
    settings = info.settings
    space = SearchSpace(
        int(settings["max_depth"]),
        tuple(settings["patterns"].split(",")),
        tuple(map(int, settings["filters"].split(","))),
        tuple(int(each) for each in settings["reduction_ratios"].split(",") if each),
    )
    confirm = (
        "the best first score wins"
        if settings["confirm_top"] == "0"
        else f"the best {settings['confirm_top']} are trained again with "
        f"{settings['confirm_seeds']} new seeds each, and the best mean of the new scores wins"
    )
    pruner = "" if settings["pruner"] == "none" else f" Pruner: {settings['pruner']}."
    return (
        f"Search. {space.size:.3g} architectures (depth 1 to {space.max_depth}, "
        f"{len(space.patterns)} connection patterns, {settings['filters'].replace(',', ', ')} "
        f"filters). Each of {settings['num_trials']} candidates is trained for "
        f"{wording.plural(int(settings['trial_epochs']), 'epoch')} and scored by "
        f"{wording.objective_phrase(settings['objective'])} "
        f"({condition_label(settings['attack'])}); {confirm}.{pruner}"
    )


def _of_trainings(info: StudyInfo) -> str:
    settings = info.settings
    average = info.number("weight_averaging")
    return (
        f"Training. Every network alike: at most {settings['epochs']} epochs, stopped after "
        f"{settings['patience']} without a lower validation loss; mean squared error, Adam with "
        f"AMSGrad, step size {info.number('learning_rate'):g}, batches of "
        f"{settings['batch_size']}; kernels {settings['kernel_initializer']}"
        f"{', the last layer from the mean CT' if 'start_at_mean' in settings else ''}; "
        + (f"a running average of the weights (decay {average:g}) is kept. " if average else "")
        + "Adversarial training replaces each slice with probability "
        f"{settings.get('replacement_probability') or '0.5'} by its version under "
        f"{condition_label(settings['train_attack'])}."
    )


def _of_repeats(info: StudyInfo) -> str:
    baselines = wording.plural(info.baseline_repeats, "training")
    return (
        f"Repeats. {info.repeats} of Random, RobMedNAS-R and RobMedNAS-T, each an independent draw "
        f"or search and a training of its winner; {baselines} of either baseline; all with seeds "
        f"of their own, drawn from {info.settings['seed']}. {how_picked(info)}"
    )


def _of_studies(info: StudyInfo) -> str:
    done = []
    if info.seeds:
        done.append(f"{info.seeds} seeds of the initial weights")
    if info.folds:
        done.append(
            f"{info.folds} cross-validation folds of the training and validation subjects, of "
            "which one validates and the others train"
        )
    if not done:
        return "Studies of initial weights and of training data were left out."
    return (
        f"Studies. The picked RobMedNAS-T architecture and the baseline under "
        f"{wording.listed(done)}; all tested on the same subjects."
    )


def _of_statistics(info: StudyInfo) -> str:
    num_test = len(info.subjects["test"])
    return (
        "Statistics. Dice and MAE are of a subject's whole volume, then averaged over the "
        f"{wording.plural(num_test, 'test subject')}. Reported networks are compared over test "
        "subjects: Wilcoxon's signed-rank test, Bonferroni's correction (smallest p there is: "
        f"{smallest_p(num_test):.2g} before it). Arms are compared over their repeats, which are "
        "independent: Welch's interval, Mann and Whitney's test; a baseline of a single repeat is "
        "taken as it is. Seeds likewise; folds pair by pair. Intervals over repeats say how far "
        "luck of search and training reaches; they say nothing of other subjects."
    )


def notes(results: StudyResults) -> list[str]:
    """Returns the limits of this very study, a sentence or two each."""
    info = results.info
    found = []
    if info.is_phantom:
        found.append("The subjects are made-up heads: the figures say nothing of patients.")
    fewest = min(len(results.keys(ARM, arm)) for arm in ARMS)
    if fewest < 5:
        found.append(
            f"Some arm has {wording.plural(fewest, 'repeat')}: intervals over so few are wide, and "
            "rest on the assumption that repeats scatter normally."
        )
    if smallest_p(len(info.subjects["test"])) * (len(ARMS) - 1) >= 0.05:
        found.append(
            f"With {wording.plural(len(info.subjects['test']), 'test subject')} no difference "
            "between reported networks can be significant."
        )
    if info.select_on == "test":
        found.append(how_picked(info))
    found += _of_epochs(results)
    found.append(
        "The verdicts go by 95 % intervals, uncorrected: of twenty statements about nothing one "
        "would be judged by chance."
    )
    return found


def _of_epochs(results: StudyResults) -> Iterator[str]:
    first = sum(run.best_epoch == 1 < run.epochs for run in results.runs)
    limit = int(results.info.number("epochs"))
    last = sum(run.best_epoch == limit for run in results.runs)
    of_all = f"of {wording.plural(len(results.runs), 'training')}"
    if first:
        yield (
            f"In {first} {of_all} no later epoch had a lower validation loss than the first: these "
            "networks are hardly trained. Give a larger --patience (0 never stops early)."
        )
    if 2 * last > len(results.runs):
        yield (
            f"In {last} {of_all} the last epoch allowed was the best: they had not converged, and "
            "the figures are of a short budget."
        )


def key_figures(results: StudyResults) -> list[tuple[str, str, str]]:
    """Returns the figures to see first: label, value and a remark."""
    attack = results.info.attack
    figures = [
        ("Networks trained", str(len(results.runs)), f"{len(results.searches)} searches"),
        ("Test subjects", str(len(results.info.subjects["test"])), results.info.cohort),
    ]
    for arm in (BASELINE, ROBMEDNAS_R, ROBMEDNAS_T):
        values = [v for v in results.values(ARM, arm, attack, "dice") if not math.isnan(v)]
        mean = sum(values) / len(values) if values else math.nan
        remark = (
            f"Dice under {condition_label(attack)}, mean of {wording.plural(len(values), 'repeat')}"
        )
        figures.append((ARMS[arm], wording.number(mean, 3), remark))
    figures.append(("Time", wording.duration(results.info.seconds), "all steps"))
    return figures


def alternatives(results: StudyResults, part: str) -> Iterator[str]:
    """Yields for each arm in a part of the study its mean Dice under attack, in words."""
    for arm, label in ARMS.items():
        values = results.values(part, arm, results.info.attack, "dice")
        told = ", ".join(wording.number(value, 3) for value in values)
        if told:
            yield f"{label} {told}"
