"""What a search can optimise, in which direction, and how a front's winner is picked."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robmednas_tf.evaluation.regions import REGIONS


def _objectives() -> dict[str, str]:
    names = [""] + [f"_{region}" for region in REGIONS]
    directions = {"dice": "max", "mae": "min"}
    return {
        f"{condition}_{metric}{name}": direction
        for condition in ("adversarial", "clean")
        for metric, direction in directions.items()
        for name in names
    }


# Every metric of a trial that a search can optimise, and its direction. Without a region's name it
# is the mean over the four regions.
OBJECTIVES: Mapping[str, str] = _objectives()
# What is known of a candidate without training it.
COSTS: Mapping[str, str] = {"flops": "min", "parameters": "min"}
DIRECTIONS: Mapping[str, str] = {**OBJECTIVES, **COSTS}

PICK_RULES = ("first", "knee", "within")


def require_objectives(names: Sequence[str]) -> None:
    """Refuses objectives that a search cannot have, the first of them being its score.

    Raises:
        ValueError: If there is none, one is unknown or stands twice, or the first is a cost.
    """
    if not names:
        raise ValueError("A search needs an objective. Received: none.")
    for name in names:
        if name not in DIRECTIONS:
            near = difflib.get_close_matches(name, DIRECTIONS, n=1, cutoff=0.0)
            raise ValueError(
                f"An objective must be one of {', '.join(sorted(DIRECTIONS))}. "
                f"Received: {name!r}. Did you mean {near[0]!r}?"
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Objectives must differ. Received twice: {', '.join(twice)}.")
    if names[0] in COSTS:
        raise ValueError(
            "The first objective must be a score: a cost is known without any training. "
            f"Received: {names[0]!r}. Put a Dice or an MAE before it."
        )


@dataclass(frozen=True)
class PickRule:
    """How one trial is picked from a Pareto front.

    Attributes:
        name: One of `PICK_RULES`. "first" picks the best first objective. "knee" picks the
            smallest Manhattan distance to the point that is best in everything, each objective
            scaled so that the front's best is 0 and its worst 1; with two objectives that is the
            point farthest, towards this ideal, from the line through the front's ends. "within"
            picks, among those whose first objective is at most `tolerance` worse than the best,
            the best second objective, of equal ones the best third, and so on.
        tolerance: In units of the first objective, >= 0; of "within" alone.

    Raises:
        ValueError: If a value is outside its domain.

    Source: Das 1999, On characterizing the "knee" of the Pareto curve based on Normal-Boundary
    Intersection; for any number of objectives Chiu, Yen and Juan 2016, Minimum Manhattan distance
    approach to multiple criteria decision making in multiobjective optimization problems.
    """

    name: str = "first"
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in PICK_RULES:
            raise ValueError(
                "A front's pick must be first, knee or within:SIZE, such as within:0.01. "
                f"Received: {self.name!r}."
            )
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(
                "The size in within:SIZE must be a number >= 0, in units of the first objective. "
                f"Received: {self.tolerance}."
            )

    def __str__(self) -> str:
        return f"within:{self.tolerance:.12g}" if self.name == "within" else self.name

    @classmethod
    def parse(cls, text: str) -> PickRule:
        """Reads `first`, `knee` or `within:SIZE`.

        Raises:
            ValueError: If it is none of them.
        """
        name, _, size = text.strip().partition(":")
        if name != "within":
            # Neither of the others has a size: what follows a colon makes the name unknown.
            return cls(text.strip())
        try:
            return cls(name, float(size))
        except ValueError as error:
            raise ValueError(
                "A front's pick must be first, knee or within:SIZE with a SIZE >= 0, in units of "
                f"the first objective, such as within:0.01. Received: {text!r}."
            ) from error


FIRST = PickRule()
