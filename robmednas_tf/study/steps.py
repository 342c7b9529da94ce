"""A study's steps: what each follows and what it reads.

Plain values: a plan knows neither what is done already nor how long anything takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Twin:
    """A step that may have done this one's work already.

    Attributes:
        pick: Step that picks a repeat.
        number: The work is the same if this is the repeat that was picked.
        step: The step that then has done it.
    """

    pick: str
    number: int
    step: str


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: Unique, such as `train/robmednas_t/03`.
        command: "search", "train" or "eval" (a command of this project); "draw", "pick" or
            "collect" (a function of it).
        arguments: Of the command; `{study}` stands for the study's folder.
        after: Names of the steps it follows.
        weights_of: Those of them whose weights it reads.
        arm: Key of `ARMS`; None of a step of all.
        number: Of the repeat, seed or fold, from 1; None where it is none.
        twin: None where there is none.
        is_renewed: Whether it is done anew, instead of refused, where its arguments differ from
            those that it was done with: more repeats make no other study.
    """

    name: str
    command: str
    arguments: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    weights_of: tuple[str, ...] = ()
    arm: str | None = None
    number: int | None = None
    twin: Twin | None = None
    is_renewed: bool = False

    @property
    def folder(self) -> str:
        """Where it leaves its results, from the study's folder on."""
        return f"steps/{self.name}"


@dataclass(frozen=True)
class Plan:
    """Steps in an order in which they can be done.

    Attributes:
        steps: Each after those it follows.

    Raises:
        ValueError: If a name stands twice, or a step follows one that does not precede it.
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for step in self.steps:
            missing = {*step.after, *step.weights_of} - seen
            if step.name in seen or missing:
                raise ValueError(
                    f"Step {step.name!r} must stand once, and after those it follows. "
                    f"Received before it: no {', '.join(sorted(missing)) or 'other'}."
                )
            seen.add(step.name)

    def __getitem__(self, name: str) -> Step:
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The steps' names, in order."""
        return tuple(step.name for step in self.steps)

    @cached_property
    def _by_name(self) -> Mapping[str, Step]:
        return {step.name: step for step in self.steps}

    def readers_of(self, name: str) -> list[Step]:
        """Returns the steps that read the weights of one."""
        return [step for step in self.steps if name in step.weights_of]

    def matching(self, texts: Iterable[str], flag: str) -> set[str]:
        """Returns the names of steps that begin with one of the texts, a whole part at least.

        Raises:
            ValueError: If a text matches none.
        """
        found: set[str] = set()
        for text in texts:
            names = {
                step.name
                for step in self.steps
                if f"{step.name}/".startswith(text.rstrip("/") + "/")
            }
            if not names:
                kinds = dict.fromkeys(step.name.partition("/")[0] for step in self.steps)
                raise ValueError(
                    f"--{flag} must name steps, or the beginning of their names, such as "
                    f"{', '.join(kinds)}. Received: {text!r}. --list shows them all."
                )
            found |= names
        return found

    def followers_of(self, name: str) -> list[Step]:
        """Returns the steps that follow one, directly or by way of others."""
        found = {name}
        for step in self.steps:
            if found & {*step.after}:
                found.add(step.name)
        return [step for step in self.steps if step.name in found - {name}]

    def with_what_they_follow(self, names: Iterable[str]) -> set[str]:
        """Returns steps and all that has to be done before them."""
        found: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self[name].after
        return found
