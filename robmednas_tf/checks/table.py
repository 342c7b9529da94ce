"""The one table of checks: what each looks at, from where on it flags, and what a flag means.

D is how much a perturbation raises the squared error of the normalised CT, averaged over slices.

Source: Carlini et al. 2019, On Evaluating Adversarial Robustness; Croce and Hein 2020 (AutoAttack's
flags); Pintor et al. 2022, Indicators of Attack Failure. Limits: `docs/checks.md`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

ABOVE, BELOW = "above", "below"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        title: What a sound model and a sound attack show.
        quantity: What is measured.
        flags: `ABOVE` or `BELOW`: on which side of the limit it flags.
        limit: The limit, in units of the quantity.
        meaning: What a flag means, as a sentence.
    """

    title: str
    quantity: str
    flags: str
    limit: float
    meaning: str

    def is_flagged(self, figure: float) -> bool:
        """Tells whether a figure is a flag; one that is not defined (NaN) is none."""
        if math.isnan(figure):
            return False
        return figure > self.limit if self.flags == ABOVE else figure < self.limit


@dataclass(frozen=True)
class Finding:
    """What a check found of a model.

    Attributes:
        model: The model's name.
        check: Key of `CHECKS`.
        figure: The quantity; NaN where it is not defined or was not measured.
        note: Why it was not measured; else empty.
    """

    model: str
    check: str
    figure: float
    note: str = ""

    @property
    def is_flagged(self) -> bool:
        """Whether the figure casts doubt on what attacks say of the model."""
        return CHECKS[self.check].is_flagged(self.figure)


_USELESS_GRADIENT = (
    "The gradient does not show the way to harm, and attacks that follow it say nothing: the model "
    "may look robust and not be."
)
_NOT_CONVERGED = "The attack has not found the worst: what it reports is too good."

CHECKS: Mapping[str, Check] = {
    "zero_gradients": Check(
        "The gradient is there",
        "share of pixels whose gradient is exactly zero",
        ABOVE,
        0.01,
        "Pixels without a gradient are not attacked (rounding, clipping, saturated activations).",
    ),
    "repeatability": Check(
        "The same input gives the same output",
        "largest difference between 5 predictions of one slice, relative to its largest value",
        ABOVE,
        1e-4,
        "The model draws lots: an attack sees another model at each step. Average the gradient "
        "over many draws before its robustness is believed.",
    ),
    "steps": Check(
        "Many steps do at least what one does",
        "D of PGD with 20 steps / D of FGSM",
        BELOW,
        0.98,
        _USELESS_GRADIENT,
    ),
    "beats_chance": Check(
        "The gradient does more harm than chance",
        "D of FGSM / D of the worst of 20 random sign images, slice by slice",
        BELOW,
        1.5,
        _USELESS_GRADIENT,
    ),
    "black_box": Check(
        "Who knows the gradient does more harm than who only asks",
        "D of Square / D of the strongest of FGSM, PGD and APGD",
        ABOVE,
        1.02,
        _USELESS_GRADIENT,
    ),
    "transfer": Check(
        "Attacks on another model do less harm than those on the model itself",
        "largest D of PGD transferred from another model / D of the strongest of FGSM, PGD, APGD",
        ABOVE,
        1.0,
        _USELESS_GRADIENT,
    ),
    "convergence": Check(
        "Twice the steps change little",
        "D of PGD with 40 steps / D with 20, less 1",
        ABOVE,
        0.1,
        f"{_NOT_CONVERGED} Take more steps.",
    ),
    "restarts": Check(
        "Other starts change little",
        "D of the worst of 3 starts of PGD / D of one, less 1",
        ABOVE,
        0.1,
        f"{_NOT_CONVERGED} Take more restarts.",
    ),
    "alignment": Check(
        "The gradient points the same way nearby",
        "cosine between the gradients at the slice and at a random point of the ball",
        BELOW,
        0.1,
        "The loss is rugged at the size of the attack: a step along its gradient leads anywhere.",
    ),
    "linearity": Check(
        "A step gains what its gradient promises",
        "D of FGSM / (epsilon times the sum of the gradient's magnitudes)",
        BELOW,
        0.2,
        "The loss is rugged at the size of the attack: a step along its gradient leads anywhere.",
    ),
    "monotone": Check(
        "A larger attack does more harm",
        "smallest rise of D of PGD from one size to the next, of 1/4, 1/2, 1 and 2 epsilon, "
        "relative to the larger",
        BELOW,
        0.0,
        "A larger ball holds the smaller: an attack that does less in it has failed.",
    ),
    "destruction": Check(
        "A huge attack destroys the output",
        "Dice (mean of four regions) under FGSM of size 20",
        ABOVE,
        0.6,
        "Nothing anatomical is left of such an MR: who still sees a CT does not look at it, or the "
        "attack does not reach it.",
    ),
}
