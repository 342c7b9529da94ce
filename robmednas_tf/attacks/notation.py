"""Perturbations in short notation, `fgsm:0.06`: what a user types and what tables call them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CLEAN = "clean"

# Name -> what its size is. Each is carried out in `perturbations.py`.
KINDS: Mapping[str, str] = {
    "fgsm": "L-infinity size of the signed-gradient step",
    "gaussian": "standard deviation of the added noise",
}


@dataclass(frozen=True)
class Perturbation:
    """One way to spoil an MR, and how strongly.

    Attributes:
        kind: Key of `KINDS`.
        size: In z-score units, >= 0.

    Raises:
        ValueError: If a value is outside its domain.
    """

    kind: str
    size: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            near = difflib.get_close_matches(self.kind, KINDS, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"An attack must be one of {', '.join(KINDS)}. Received: {self.kind!r}.{guess}"
            )
        if not (math.isfinite(self.size) and self.size >= 0):
            raise ValueError(
                f"The size of attack {self.kind!r} must be a number >= 0, in standard deviations "
                f"of the MR. Received: {self.size}."
            )

    def __str__(self) -> str:
        # More digits than anyone gives, fewer than rounding shows.
        return f"{self.kind}:{self.size:.12g}"

    @classmethod
    def parse(cls, text: str) -> Perturbation:
        """Reads the short notation, `kind:size`.

        Raises:
            ValueError: If it is malformed, or names no kind.
        """
        kind, colon, size = text.strip().partition(":")
        try:
            value = float(size)
        except ValueError:
            value = None
        # An unknown name is the likelier mistake to be told of.
        if not colon or value is None:
            cls(kind, 0.0)
            raise ValueError(
                f"An attack must be written as name:size, such as fgsm:0.06. Received: {text!r}."
            )
        return cls(kind, value)


def parse_perturbations(texts: Iterable[str]) -> tuple[Perturbation, ...]:
    """Reads several perturbations, in order.

    Raises:
        ValueError: If one is malformed or stands twice.
    """
    parsed = [Perturbation.parse(text) for text in texts]
    names = [str(each) for each in parsed]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Attacks must differ. Received twice: {', '.join(twice)}.")
    return tuple(parsed)


def _steps(kind: str, step: float, count: int) -> tuple[Perturbation, ...]:
    return tuple(Perturbation(kind, round(step * number, 6)) for number in range(1, count + 1))


# The paper's progressive corruptions, section 2.7 and Figure 7.
CURVES: Mapping[str, tuple[Perturbation, ...]] = {
    "fgsm": _steps("fgsm", 0.02, 10),
    "gaussian": _steps("gaussian", 0.025, 10),
}
