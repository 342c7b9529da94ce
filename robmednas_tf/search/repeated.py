"""What independent repeats of one search say together: their winners' scores, and the best one.

Source: paper section 2.3 (each method is repeated 15 times), Figure 5.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robmednas_tf.evaluation.statistics import mean_interval, summarize_values
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.outcome import SearchOutcome

# What a winner's metrics were measured on -> how an outcome is asked for them; as they come about.
STAGES: Mapping[str, Callable[[SearchOutcome], Mapping[str, float]]] = {
    "first": lambda outcome: outcome.first,
    "confirmed": lambda outcome: outcome.confirmed,
    "search_test": lambda outcome: outcome.search_test,
    "held_out": lambda outcome: outcome.held_out,
}


@dataclass(frozen=True)
class Spread:
    """How a value scatters over repeats.

    Attributes:
        count: Repeats in which it is defined.
        mean: NaN without any.
        sd: Sample standard deviation (n - 1); NaN with fewer than two.
        median: NaN without any.
        low: Lower end of the mean's 95 % interval by Student's t; NaN with fewer than two.
        high: Its upper end.
        smallest: NaN without any.
        largest: NaN without any.
    """

    count: int
    mean: float
    sd: float
    median: float
    low: float
    high: float
    smallest: float
    largest: float


def spread(values: Sequence[float]) -> Spread:
    """Returns how values scatter, NaN left out."""
    defined = [value for value in values if not math.isnan(value)]
    summary, (low, high) = summarize_values(defined), mean_interval(defined)
    median, smallest, largest = (
        float(of(defined)) if defined else math.nan for of in (np.median, min, max)
    )
    return Spread(
        summary.num_defined, summary.mean, summary.sd, median, low, high, smallest, largest
    )


def metric_at(outcome: SearchOutcome, stage: str, metric: str) -> float:
    """Returns a winner's metric at one of `STAGES`; NaN where it was not measured."""
    return STAGES[stage](outcome).get(metric, math.nan)


def deciding_stage(outcomes: Sequence[SearchOutcome]) -> str:
    """Returns the stage whose score chose the winners within the searches.

    That is the mean of new scores where winners were trained again, else the first score.
    """
    return "confirmed" if any(outcome.confirmed for outcome in outcomes) else "first"


def ranked(outcomes: Sequence[SearchOutcome], objective: str, direction: str) -> list[int]:
    """Returns the places of the outcomes, the best first, by what chose within the searches.

    Subjects that are held out take no part. A winner without a score at the deciding stage, since
    all its new trainings failed, is worse than any. Of equal scores the earlier comes first.

    Args:
        outcomes: Of repeats of one search.
        objective: The metric that it optimises.
        direction: "max" or "min".
    """
    stage, sign = deciding_stage(outcomes), -1.0 if direction == "max" else 1.0
    scores = [sign * metric_at(outcome, stage, objective) for outcome in outcomes]
    badness = [math.inf if math.isnan(score) else score for score in scores]
    return sorted(range(len(outcomes)), key=badness.__getitem__)


def best_so_far(outcomes: Sequence[SearchOutcome], direction: str) -> np.ndarray:
    """Returns the best score after each trial of each repeat, failed ones left out.

    Args:
        outcomes: At least one.
        direction: "max" or "min".

    Returns:
        float64 `(repeats, trials)`, NaN before the first score. A search that ended earlier, since
        its space holds no more architectures, keeps its best.
    """
    # These pass over NaN.
    best = np.fmax if direction == "max" else np.fmin
    curves = [best.accumulate(np.array(outcome.scores, np.float64)) for outcome in outcomes]
    longest = max(map(len, curves))
    return np.stack([np.pad(curve, (0, longest - len(curve)), "edge") for curve in curves])


@dataclass(frozen=True)
class Choice:
    """How often winners have made a choice.

    Attributes:
        factor: "depth", "pattern", "filters", "se" or "reduction_ratio".
        level: The choice.
        num_winners: Winners that have it, blocks' choices in at least one block.
        num_blocks: Blocks that have it; 0 for a depth.
        share: Of all winners (a depth), of their blocks, or of those with squeeze-and-excitation
            (a ratio); NaN where there is none.
        expected: The same share among architectures drawn at random.
    """

    factor: str
    level: str
    num_winners: int
    num_blocks: int
    share: float
    expected: float


def choices(winners: Sequence[Architecture], space: SearchSpace) -> list[Choice]:
    """Counts the winners' choices: every level of the space, those that none has made too.

    Args:
        winners: At least one.
        space: Where they were searched.
    """
    depths = range(1, space.max_depth + 1)
    counts = [sum(winner.depth == depth for winner in winners) for depth in depths]
    found = [
        Choice("depth", str(depth), count, 0, count / len(winners), 1 / len(depths))
        for depth, count in zip(depths, counts, strict=True)
    ]
    return [*found, *_block_choices(winners, space)]


def _block_choices(winners: Sequence[Architecture], space: SearchSpace) -> Iterator[Choice]:
    ratios = space.reduction_ratios
    yield from _levels("pattern", winners, space.patterns, lambda block: block.pattern)
    yield from _levels("filters", winners, space.filters, lambda block: block.filters)
    if ratios:
        yield from _levels("se", winners, (True, False), lambda block: bool(block.reduction_ratio))
        yield from _levels("reduction_ratio", winners, ratios, lambda block: block.reduction_ratio)


def _levels(
    factor: str,
    winners: Sequence[Architecture],
    levels: Sequence[str | int],
    level_of: Callable[[Block], str | int | None],
) -> Iterator[Choice]:
    made = [[level_of(block) for block in winner.encoder + winner.decoder] for winner in winners]
    # A block without squeeze-and-excitation has no ratio.
    every = [level for level in itertools.chain(*made) if level is not None]
    for level in levels:
        name = {True: "on", False: "off"}[bool(level)] if factor == "se" else str(level)
        num_winners, num_blocks = sum(level in each for each in made), every.count(level)
        share = num_blocks / len(every) if every else math.nan
        yield Choice(factor, name, num_winners, num_blocks, share, 1 / len(levels))
