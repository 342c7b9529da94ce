"""Perturbations in short notation, `pgd:0.06:steps=20`: what is typed and what tables say."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from robmednas_tf.attacks.kinds import (
    ATTACK,
    CORRUPTIONS,
    INFINITY,
    KINDS,
    SUITES,
    WORST,
    Kind,
    Value,
)

CLEAN = "clean"

_FORM = "name:size or name:size:option=value, such as fgsm:0.06 or pgd:0.06:steps=20"


@dataclass(frozen=True)
class Perturbation:
    """One way to spoil an MR, and how strongly.

    Attributes:
        kind: Key of `KINDS`.
        size: In z-score units, >= 0.
        options: Name and value of the options that differ from their defaults, in the table's
            order; `perturbation[name]` gives any option's value.

    Raises:
        ValueError: If a value is outside its domain.
    """

    kind: str
    size: float
    options: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        if self.kind in SUITES:
            names = ", ".join(member.split(":")[0] for member in SUITES[self.kind])
            raise ValueError(
                f"A single attack must be given here. Received: {self.kind!r}, which stands for "
                f"{names}."
            )
        if self.kind not in KINDS:
            raise ValueError(
                f"An attack must be one of {', '.join([*KINDS, *SUITES])}. "
                f"Received: {self.kind!r}.{_guess(self.kind, [*KINDS, *SUITES])}"
            )
        if not (math.isfinite(self.size) and self.size >= 0):
            raise ValueError(
                f"The size of attack {self.kind!r} must be a number >= 0, in standard deviations "
                f"of the MR. Received: {self.size}."
            )
        given = dict(self.options)
        for name, option in self.table.options.items():
            if option.is_required and name not in given:
                raise ValueError(
                    f"Attack {self.kind!r} must have the option {name!r}, {option.rule}, such as "
                    f"{self.kind}:{self.size:g}:{name}=baseline. Received: none."
                )

    def __str__(self) -> str:
        # More digits than anyone gives, fewer than rounding shows.
        parts = [f"{name}={_written(value)}" for name, value in self.options]
        return ":".join([self.kind, f"{self.size:.12g}", *parts])

    def __getitem__(self, option: str) -> Value | None:
        """Returns an option's value: given, its default, or None where it has neither."""
        return dict(self.options).get(option, self.table.options[option].default)

    @property
    def table(self) -> Kind:
        """The kind's entry in the table."""
        return KINDS[self.kind]

    @property
    def ball(self) -> tuple[float, str]:
        """Size and norm of the change."""
        has_norm = "norm" in self.table.options
        return self.size, str(self["norm"]) if has_norm else INFINITY

    @property
    def plain(self) -> bool:
        """Whether every option has its default."""
        return not self.options

    @property
    def draws_lots(self) -> bool:
        """Whether it depends on chance."""
        return self.kind == "square" or self._number("restarts") > 1

    @property
    def num_gradients(self) -> float:
        """Passes forward and back that making it takes; predictions count a third of one."""
        if self.kind == "square":
            return float(self._number("queries")) / 3
        if self.table.made_by != ATTACK:
            return 0.0
        return self._number("steps") * self._number("restarts")

    def _number(self, option: str) -> float:
        return float(self[option] or 1) if option in self.table.options else 1.0

    @classmethod
    def parse(cls, text: str) -> Perturbation:
        """Reads the short notation, `kind:size` or `kind:size:option=value:...`.

        Raises:
            ValueError: If it is malformed, names no kind, or no option of its kind.
        """
        kind, *parts = (part.strip() for part in text.strip().split(":"))
        # An unknown name is the likelier mistake to be told of.
        if kind not in KINDS:
            cls(kind, 0.0)
        try:
            size = float(parts[0])
        except (IndexError, ValueError):
            raise ValueError(f"An attack must be written as {_FORM}. Received: {text!r}.") from None
        given = dict(_read_option(kind, part) for part in parts[1:])
        if len(given) < len(parts) - 1:
            raise ValueError(f"An option must be given once. Received: {text!r}.")
        # One form for one perturbation.
        options = KINDS[kind].options
        differing = tuple(
            (name, given[name])
            for name, option in options.items()
            if name in given and given[name] != option.default
        )
        return cls(kind, size, differing)


def _read_option(kind: str, part: str) -> tuple[str, Value]:
    name, _, text = part.partition("=")
    options = KINDS[kind].options
    if name not in options:
        names = f"among {', '.join(options)}" if options else "none: it takes none"
        raise ValueError(
            f"The options of attack {kind!r} must be {names}. Received: {part!r}."
            f"{_guess(name, options)}"
        )
    try:
        return name, options[name].read(text)
    except ValueError:
        remedy = " Take pgd for fewer." if (kind, name) == ("apgd", "steps") else ""
        raise ValueError(
            f"Option {name!r} of attack {kind!r} must be {options[name].rule}. "
            f"Received: {text!r}.{remedy}"
        ) from None


def _guess(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _written(value: Value) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def described() -> str:
    """Returns every name with the options that it takes, for a flag's help."""
    names = (
        f"{name} ({', '.join(kind.options)})" if kind.options else name
        for name, kind in KINDS.items()
    )
    suites = (
        f"{name} for {', '.join(member.split(':')[0] for member in members)}"
        for name, members in SUITES.items()
    )
    return "; ".join((f"names, with their options: {', '.join(names)}", *suites))


def parse_perturbations(texts: Iterable[str]) -> tuple[Perturbation, ...]:
    """Reads several perturbations, in order; a suite stands for its attacks.

    Raises:
        ValueError: If one is malformed or stands twice, or has no others to be the worst of.
    """
    parsed = [Perturbation.parse(each) for text in texts for each in _members(text)]
    names = [str(each) for each in parsed]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"Attacks must differ. Received twice: {', '.join(twice)}. Leave one out; a suite "
            "stands for several."
        )
    for each in parsed:
        if each.table.made_by == WORST and len(rivals(each, parsed)) < 2:
            raise ValueError(
                f"{each} must have two attacks of its size beside it, such as fgsm:{each.size:g}. "
                f"Received: {', '.join(names)}."
            )
    return tuple(parsed)


def rivals(worst: Perturbation, among: Iterable[Perturbation]) -> tuple[Perturbation, ...]:
    """Returns the attacks, among others, that `worst` is the worst of: those in its own ball."""
    return tuple(each for each in among if each.table.made_by == ATTACK and each.ball == worst.ball)


def _members(text: str) -> list[str]:
    kind, _, size = text.strip().partition(":")
    if kind not in SUITES:
        return [text]
    return [each.format(size) for each in SUITES[kind]]


def _steps(kind: str, step: float, count: int) -> tuple[Perturbation, ...]:
    return tuple(Perturbation(kind, round(step * number, 6)) for number in range(1, count + 1))


# The paper's progressive corruptions, section 2.7 and Figure 7.
CURVES: Mapping[str, tuple[Perturbation, ...]] = {
    "fgsm": _steps("fgsm", 0.02, 10),
    "gaussian": _steps("gaussian", 0.025, 10),
}
# Five severities of each corruption, which change an MR as much as FGSM of these epsilons does.
CORRUPTION_CURVES: Mapping[str, tuple[Perturbation, ...]] = {
    kind: _steps(kind, 0.04, 5) for kind in CORRUPTIONS
}
