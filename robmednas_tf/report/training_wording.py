"""A training put into words: its summary, its key figures and what its figures show."""

from __future__ import annotations

import math

from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import attack_phrase
from robmednas_tf.report.training_contents import (
    ALIGNMENT,
    DICE,
    LOSSES,
    PGD_OVER_FGSM,
    TrainingReport,
)

# Of networks trained on FGSM, sound ones stay well within both (`docs/checks.md`).
_MOST_HARM, _LEAST_COSINE = 10.0, 0.1


def summary(report: TrainingReport) -> str:
    """Returns the training and what came of it in one paragraph."""
    sentences = [
        _what_was_done(report),
        _what_was_kept(report),
        kept_first(report.best_epoch, report.num_epochs),
        attack_phrase(report.attack),
    ]
    if report.attack.size and report.scores and report.scores[-1].rows:
        sentences.append(wording.what_changed(report.scores[-1]))
    sentences.append(gradients(report))
    return " ".join(text for text in sentences if text)


def key_figures(report: TrainingReport) -> list[tuple[str, str, str]]:
    """Returns the figures to see first: label, value and a remark."""
    cost = estimate_cost(report.architecture, (report.image_size, report.image_size, 1))
    val_loss = value_at_best(report, "val_loss")
    figures = [
        ("Best epoch", str(report.best_epoch + 1), f"of {report.num_epochs}"),
        ("Validation loss", f"{val_loss:.3g}", "at that epoch")
        if not math.isnan(val_loss)
        else None,
        *(
            (
                f"Dice {label}",
                wording.number(value_at_best(report, name), 3),
                "validation, at that epoch",
            )
            for name, label in DICE.items()
            if len(report.history.get(name, ()))
        ),
        ("Parameters", wording.count(cost.parameters), f"{wording.count(cost.flops)} FLOPs"),
        ("Time", wording.duration(report.seconds), "of training"),
    ]
    return [figure for figure in figures if figure is not None]


def value_at_best(report: TrainingReport, name: str) -> float:
    """Returns a value of the history at the best epoch; NaN where there is none."""
    values = report.history.get(name, ())
    return values[report.best_epoch] if report.best_epoch < len(values) else math.nan


def of_curves(report: TrainingReport, what: str) -> str:
    """Describes a figure of curves by epoch.

    Args:
        report: The training.
        what: "loss" or "Dice".
    """
    names, digits = (LOSSES, 4) if what == "loss" else (DICE, 3)
    curves = []
    for name, label in names.items():
        if len(values := report.history.get(name, ())):
            ends = (values[0], values[-1], value_at_best(report, name))
            first, last, best = (wording.number(value, digits) for value in ends)
            curves.append(f"{label} from {first} to {last}, {best} at the best")
    return (
        f"Line plot of {what} by epoch, 1 to {report.num_epochs}; the best is epoch "
        f"{report.best_epoch + 1}. {'; '.join(curves) or 'Nothing was measured'}."
    )


def kept_first(best_epoch: int, num_epochs: int) -> str:
    """Returns a warning where the first of several epochs was kept; else nothing.

    Args:
        best_epoch: From 0.
        num_epochs: Epochs that ended.
    """
    if best_epoch > 0 or num_epochs < 2:
        return ""
    return (
        "No later epoch had a lower validation loss, so that the network is hardly trained. Give "
        "a larger --patience (0 never stops early) or more validation subjects."
    )


def moved(report: TrainingReport) -> str:
    """Returns how far training's attack moved a pixel at the best epoch; empty if unknown."""
    share = value_at_best(report, "perturbation")
    return "" if math.isnan(share) else f"{100 * share:.0f} %"


def gradients(report: TrainingReport) -> str:
    """Returns whether the kept epoch's gradients lead anywhere; empty without such figures."""
    harm, cosine = (value_at_best(report, name) for name in (PGD_OVER_FGSM, ALIGNMENT))
    if math.isnan(harm) or math.isnan(cosine):
        return ""
    verdict = (
        "a network that only hides from FGSM shows far more harm and a cosine near 0"
        if harm <= _MOST_HARM and cosine >= _LEAST_COSINE
        else "this is what a network shows that only hides from FGSM: check it "
        "(run_eval.py --checks) before its robustness is believed"
    )
    return (
        f"In the kept epoch PGD with 10 steps did {harm:.3g} times the harm of FGSM, and the "
        f"cosine between gradients at a slice and near it was {cosine:.2f}; {verdict}."
    )


def _what_was_done(report: TrainingReport) -> str:
    num_train, num_validation = (
        len(report.subjects.get(part, ())) for part in ("train", "validation")
    )
    return (
        f"A U-Net for MR-to-CT synthesis ({report.architecture_name}) was trained on "
        f"{wording.plural(num_train, 'subject')} of the cohort {report.cohort} (axial slices of "
        f"{wording.square(report.image_size)} pixels). Training: {report.training}. After each of "
        f"{wording.plural(report.num_epochs, 'epoch')} it was tried on "
        f"{wording.plural(num_validation, 'other subject')}, the validation part."
    )


def _what_was_kept(report: TrainingReport) -> str:
    kept = f"The weights of epoch {report.best_epoch + 1} were kept"
    loss = value_at_best(report, "val_loss")
    if math.isnan(loss):
        return f"{kept}."
    clean, attacked = (value_at_best(report, name) for name in DICE)
    dice = ""
    if not math.isnan(clean):
        dice = f"; there the mean Dice of validation was {clean:.3f}"
        dice += "" if math.isnan(attacked) else f", and {attacked:.3f} under attack"
    return f"{kept} (validation loss {loss:.3g}){dice}."
