"""The one table of perturbations' names: what each is, and the options that it takes.

Parameters are called as in the Adversarial Robustness Toolbox. Each kind is carried out by the
module that is named after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# What makes a perturbation: an attack on the network itself or on another one, chance, or the
# choice of the worst among the others.
ATTACK, TRANSFER, CHANCE, WORST = "attack", "transfer", "chance", "worst"

Value = int | float | str


@dataclass(frozen=True)
class Option:
    """One option of a kind.

    Attributes:
        rule: What its value must be.
        read: Makes the value of a text; raises ValueError where there is none.
        default: None where it follows from the others, or must be given.
        is_required: Whether it must be given.
    """

    rule: str
    read: Callable[[str], Value]
    default: Value | None = None
    is_required: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of perturbation.

    Attributes:
        label: What figures call it.
        size: What its size is.
        made_by: `ATTACK`, `TRANSFER`, `CHANCE` or `WORST`.
        options: By name, in the order in which they are written.
        source: Where it comes from.
    """

    label: str
    size: str
    made_by: str
    options: Mapping[str, Option] = field(default_factory=dict)
    source: str = ""


def _whole(least: int, default: int) -> Option:
    def read(text: str) -> int:
        if int(text) < least:
            raise ValueError
        return int(text)

    return Option(f"a whole number >= {least}", read, default)


def _number(rule: str, allows: Callable[[float], bool], default: float | None = None) -> Option:
    def read(text: str) -> float:
        value = float(text)
        if not (math.isfinite(value) and allows(value)):
            raise ValueError
        return value

    return Option(f"a number {rule}", read, default)


def _one_of(names: tuple[str, ...], default: str | None = None) -> Option:
    def read(text: str) -> str:
        if text not in names:
            raise ValueError
        return text

    return Option(f"one of {', '.join(names)}", read, default)


def _name(text: str) -> str:
    if not text:
        raise ValueError
    return text


def _corruption(label: str, source: str) -> Kind:
    return Kind(label, "root mean squared change of the MR", CHANCE, {}, source)


INFINITY, TWO = "inf", "2"
NO_BONE, BONE = "no_bone", "bone"
BODY = "body"

_NORM = _one_of((INFINITY, TWO), INFINITY)
_STEP_SIZE = _number("> 0", lambda value: value > 0)
# Where an attack may change the MR, and what it wants to see instead of the true CT.
_AIMS = {"target": _one_of((NO_BONE, BONE)), "mask": _one_of((BODY,))}

# APGD reconsiders its step at checkpoints that lie 0.06 of the steps apart in the end.
APGD_LEAST_STEPS = 17

_BALL = "L-infinity size of the change, or its L2 norm over the slice with norm=2"

KINDS: Mapping[str, Kind] = {
    "fgsm": Kind(
        "FGSM", _BALL, ATTACK, {"norm": _NORM, **_AIMS}, "paper section 2.1; Goodfellow et al. 2015"
    ),
    "pgd": Kind(
        "PGD",
        _BALL,
        ATTACK,
        {
            "steps": _whole(1, 20),
            "step_size": _STEP_SIZE,
            "norm": _NORM,
            "restarts": _whole(1, 1),
            **_AIMS,
        },
        "Madry et al. 2018",
    ),
    "mifgsm": Kind(
        "MI-FGSM",
        _BALL,
        ATTACK,
        {
            "steps": _whole(1, 10),
            "step_size": _STEP_SIZE,
            "decay": _number(">= 0", lambda value: value >= 0, 1.0),
            "norm": _NORM,
            **_AIMS,
        },
        "Dong et al. 2018",
    ),
    "apgd": Kind(
        "APGD",
        _BALL,
        ATTACK,
        {
            "steps": _whole(APGD_LEAST_STEPS, 40),
            "norm": _NORM,
            "restarts": _whole(1, 1),
            **_AIMS,
        },
        "Croce and Hein 2020, with the squared error",
    ),
    "square": Kind(
        "Square",
        "L-infinity size of the change",
        ATTACK,
        {
            "queries": _whole(1, 600),
            "share": _number("> 0, at most 1", lambda value: 0 < value <= 1, 0.1),
            **_AIMS,
        },
        "Andriushchenko et al. 2020",
    ),
    "transfer": Kind(
        "Transferred PGD",
        "L-infinity size of the change",
        TRANSFER,
        {"from": Option("the name of another model", _name, None, True), "steps": _whole(1, 20)},
        "Papernot et al. 2016; PGD against the other model",
    ),
    "worst": Kind(
        "Worst attack",
        "L-infinity size of the attacks among which each slice's worst is taken",
        WORST,
        {},
        "Croce and Hein 2020 (the worst case of an ensemble)",
    ),
    "gaussian": Kind(
        "Gaussian noise", "standard deviation of the added noise", CHANCE, {}, "paper section 2.7"
    ),
    "rician": _corruption("Rician noise", "Gudbjartsson and Patz 1995"),
    "bias_field": _corruption("Bias field", "Van Leemput et al. 1999"),
    "motion": _corruption("Motion", "Shaw et al. 2019"),
    "ghosting": _corruption("Ghosting", "Perez-Garcia et al. 2021"),
    "spike": _corruption("Spike", "Perez-Garcia et al. 2021"),
    "gibbs": _corruption("Gibbs ringing", "Czervionke et al. 1988"),
}
# What befalls an MR in the scanner; carried out by `robmednas_tf.corruptions`.
CORRUPTIONS = ("rician", "bias_field", "motion", "ghosting", "spike", "gibbs")

# Several attacks under one name; `{}` stands for the size.
SUITES: Mapping[str, tuple[str, ...]] = {
    "suite": ("fgsm:{}", "pgd:{}:steps=40", "apgd:{}", "square:{}", "worst:{}"),
}
