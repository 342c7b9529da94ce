"""What figures, tables and sentences call clean input and each perturbation of it."""

from __future__ import annotations

import re

from robmednas_tf.attacks.kinds import ATTACK, CORRUPTIONS, INFINITY, KINDS
from robmednas_tf.attacks.notation import CLEAN, Perturbation

# What an option is called in figures, where its value does not speak for itself.
_OPTIONS = {
    "steps": "{} steps",
    "restarts": "{} restarts",
    "norm": "L{}",
    "queries": "{} queries",
    "from": "from {}",
    "mask": "in the {}",
    "target": "towards {}",
    "step_size": "step {:g}",
    "decay": "decay {:g}",
    "share": "share {:g}",
}
# What each corruption does to the MR.
_CORRUPTIONS = {
    "rician": "adds noise to both channels of the receiver",
    "bias_field": "makes the MR brighter and darker by a field that varies smoothly",
    "motion": "moves the patient between lines of k-space",
    "ghosting": "weakens every fourth line of k-space, which leaves four ghosts",
    "spike": "adds a spike to k-space, which leaves stripes",
    "gibbs": "leaves out the outer k-space, which blurs and leaves rings at edges",
}
# What each kind does to a pixel, as the rest of a sentence.
_PHRASES = {
    "pgd": "takes {steps} steps along the sign of the gradient",
    "mifgsm": "takes {steps} steps along the sign of a running sum of gradients",
    "apgd": "takes {steps} steps whose size it chooses as it goes",
    "square": "tries {queries} random squares and keeps those that do harm, without any gradient",
}


def condition_label(condition: str) -> str:
    """Returns what figures call a condition, such as "FGSM 0.06"; `clean` stays."""
    if condition == CLEAN:
        return CLEAN
    perturbation = Perturbation.parse(condition)
    options = [
        _OPTIONS[name].format(str(value).replace("_", " ") if name == "target" else value)
        for name, value in perturbation.options
    ]
    return ", ".join([f"{kind_label(perturbation.kind)} {perturbation.size:g}", *options])


def kind_label(kind: str) -> str:
    """Returns what figures call a kind of perturbation."""
    return KINDS[kind].label


def size_label(kind: str) -> str:
    """Returns what an axis of a perturbation's size is called."""
    quantity = ", epsilon" if KINDS[kind].made_by == ATTACK else ""
    if kind in CORRUPTIONS:
        quantity = ", RMS change"
    return f"{kind_label(kind)}{quantity} (in SD of the MR)"


def condition_phrase(condition: str) -> str:
    """Returns in plain words what a perturbation does to the MR, as a sentence."""
    return attack_phrase(Perturbation.parse(condition))


def attack_phrase(perturbation: Perturbation) -> str:
    """Returns in plain words what a perturbation does, as a sentence."""
    condition, size = str(perturbation), perturbation.size
    if size == 0:
        return "The attack was switched off (epsilon 0), so that attacked equals clean."
    if perturbation.kind == "fgsm" and perturbation.plain:
        return (
            f"The attack (FGSM, epsilon {size:g}) moves each pixel of the MR up or down by "
            f"{100 * size:.3g} % of the MR's standard deviation, whichever way raises the "
            "network's error."
        )
    if perturbation.kind == "gaussian":
        return (
            f"Gaussian noise {size:g} adds to each pixel of the MR a random amount, on average "
            f"none and typically {100 * size:.3g} % of the MR's standard deviation; unlike an "
            "attack, it knows nothing about the network."
        )
    if perturbation.kind in CORRUPTIONS:
        return (
            f"{condition_label(condition)} {_CORRUPTIONS[perturbation.kind]}, as much as changes "
            f"the MR by {100 * size:.3g} % of its standard deviation (root mean squared), which is "
            "then z-scored again; unlike an attack, it knows nothing about the network."
        )
    if perturbation.kind == "worst":
        return (
            f"{condition_label(condition)} is, for each slice, whichever of the attacks of size "
            f"{size:g} raised its error most."
        )
    if perturbation.kind == "transfer":
        return (
            f"{condition_label(condition)} shows each network the MR as PGD spoils it for "
            f"{perturbation['from']}: a network that its own gradient cannot fool may be fooled so."
        )
    return _ascent_phrase(perturbation)


def _ascent_phrase(perturbation: Perturbation) -> str:
    size, norm = perturbation.ball
    values = {name: perturbation[name] for name in perturbation.table.options}
    does = _PHRASES.get(perturbation.kind, "takes one step along the gradient").format(**values)
    bound = f"{100 * size:.3g} % of the MR's standard deviation a pixel"
    if norm != INFINITY:
        bound = f"{size:g} in all (the root of the sum of squares over the slice)"
    aim = {
        None: "the network's error",
        "no_bone": "the likeness to a CT whose bone is soft tissue",
        "bone": "the likeness to a CT whose soft tissue is bone",
    }[None if values["target"] is None else str(values["target"])]
    where = " inside the body" if values["mask"] else ""
    return (
        f"{condition_label(str(perturbation))} {does}, to raise {aim}; it changes the MR{where} by "
        f"at most {bound}."
    )


def has_many_steps(condition: str) -> bool:
    """Tells whether a condition is an attack of more than one step on the network itself."""
    return Perturbation.parse(condition).num_gradients > 1


def file_name(condition: str) -> str:
    """Returns a condition as part of a file's name, such as `fgsm_0.06`."""
    return re.sub(r"[^\w.+-]+", "_", condition)
