"""What figures, tables and sentences call clean input and each perturbation of it."""

from __future__ import annotations

import re

from robmednas_tf.attacks.notation import CLEAN, Perturbation
from robmednas_tf.report import wording

_LABELS = {"fgsm": "FGSM", "gaussian": "Gaussian noise"}


def condition_label(condition: str) -> str:
    """Returns what figures call a condition, such as "FGSM 0.06"; `clean` stays."""
    if condition == CLEAN:
        return CLEAN
    perturbation = Perturbation.parse(condition)
    return f"{kind_label(perturbation.kind)} {perturbation.size:g}"


def kind_label(kind: str) -> str:
    """Returns what figures call a kind of perturbation."""
    return _LABELS.get(kind, kind)


def size_label(kind: str) -> str:
    """Returns what an axis of a perturbation's size is called."""
    quantity = ", epsilon" if kind == "fgsm" else ""
    return f"{kind_label(kind)}{quantity} (in SD of the MR)"


def condition_phrase(condition: str) -> str:
    """Returns in plain words what a perturbation does to the MR, as a sentence."""
    perturbation = Perturbation.parse(condition)
    size = perturbation.size
    if perturbation.kind == "fgsm":
        return wording.attack_phrase(size)
    if perturbation.kind == "gaussian":
        return (
            f"Gaussian noise {size:g} adds to each pixel of the MR a random amount, on average "
            f"none and typically {100 * size:.3g} % of the MR's standard deviation; unlike an "
            "attack, it knows nothing about the network."
        )
    return f"The perturbation {condition} changes the MR by {size:g} standard deviations."


def file_name(condition: str) -> str:
    """Returns a condition as part of a file's name, such as `fgsm_0.06`."""
    return re.sub(r"[^\w.+-]+", "_", condition)
