"""Known trainings in disjoint groups, each a random search with and without a pruner."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from pruning_replay import Candidate, Training, replay

from robmednas_tf.evaluation.statistics import mean_interval
from robmednas_tf.search.pruning import HALVING, Pruner

# Of the full search's epochs, what a cut search may spend.
THIRD = 1 / 3
Group = Sequence[Training]


def groups_of(trainings: Mapping[Training, Candidate], size: int) -> list[Group]:
    """Parts trainings into groups of one seed, in the architectures' order; none is in two.

    The last of a seed's trainings, too few for a group, are left out.
    """
    found: list[Group] = []
    for seed in sorted({seed for _, seed in trainings}):
        own = sorted(key for key in trainings if key[1] == seed)
        found += [own[begin : begin + size] for begin in range(0, len(own) - size + 1, size)]
    return found


def within(candidates: Sequence[Candidate], pruner: Pruner, epochs: float) -> list[Candidate]:
    """Returns the first candidates, as many as so many epochs are enough for with a pruner."""
    count = len(candidates)
    while count > 1 and replay(candidates[:count], pruner)[1] > epochs:
        count -= 1
    return list(candidates[:count])


def print_groups(
    trainings: Mapping[Training, Candidate], rungs: Sequence[tuple[int, ...]], size: int
) -> None:
    """Prints what random searches find with and without a pruner, differences with intervals."""
    groups = groups_of(trainings, size)
    whole = max(next(iter(trainings.values())).scores) * size
    again = _others(trainings)
    full = [max(group, key=lambda key: trainings[key].score) for group in groups]
    print(
        f"{len(groups)} groups of {size}, {whole} epochs each when all are trained to the end; "
        f"best score {np.mean([trainings[key].score for key in full]):.4f}, its quality "
        f"{np.mean([trainings[key].quality for key in full]):.4f}.\n"
    )
    print("| search | epochs | same winner | score | quality | of other seeds | n |")
    print("|---|---|---|---|---|---|---|")
    searches: list[tuple[str, list[Training], list[float]]] = []
    for each in rungs:
        pruner = Pruner(HALVING, each)
        name = f"halving at {', '.join(map(str, each))}"
        for limit, text in ((1.0, name), (THIRD, f"{name}, a third of the epochs")):
            found = [_searched(group, trainings, pruner, limit * whole) for group in groups]
            searches.append(
                (text, [winner for winner, _ in found], [spent / whole for _, spent in found])
            )
    third = round(size * THIRD)
    firsts = [max(group[:third], key=lambda key: trainings[key].score) for group in groups]
    searches.append(("a third of the candidates", firsts, [third / size] * len(groups)))
    for text, winners, shares in searches:
        cells = _cells(list(zip(winners, full, strict=True)), trainings, again)
        print(f"| {text} | {np.mean(shares):.2f} | {' | '.join(cells)} |")


def _cells(
    pairs: Sequence[tuple[Training, Training]],
    trainings: Mapping[Training, Candidate],
    again: Mapping[Training, float],
) -> list[str]:
    """Returns how the winners of searches differ from those of full ones, pair by pair."""
    same = sum(one == other for one, other in pairs)
    scores = [trainings[one].score - trainings[other].score for one, other in pairs]
    qualities = [trainings[one].quality - trainings[other].quality for one, other in pairs]
    known = [again[one] - again[other] for one, other in pairs if {one, other} <= again.keys()]
    differences = [_difference(each) for each in (scores, qualities, known)]
    return [f"{same} of {len(pairs)}", *differences, f"{len(pairs)}, {len(known)}"]


def _searched(
    group: Group, trainings: Mapping[Training, Candidate], pruner: Pruner, epochs: float
) -> tuple[Training, int]:
    candidates = within([trainings[key] for key in group], pruner, epochs)
    ended, spent = replay(candidates, pruner)
    best = max(ended, key=lambda candidate: candidate.score)
    return next(key for key in group if trainings[key] is best), spent


def _others(trainings: Mapping[Training, Candidate]) -> dict[Training, float]:
    """Returns the mean quality of an architecture's trainings of other seeds, where it has any."""
    found = {}
    for number, own in itertools.groupby(sorted(trainings), key=lambda key: key[0]):
        seeds = [seed for _, seed in own]
        for seed in seeds if len(seeds) > 1 else ():
            others = [trainings[number, other].quality for other in seeds if other != seed]
            found[number, seed] = float(np.mean(others))
    return found


def _difference(values: Sequence[float]) -> str:
    low, high = mean_interval(list(values))
    return f"{np.mean(values):+.4f} ({low:+.4f} to {high:+.4f})"
