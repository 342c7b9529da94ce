"""What the searches of `strategies.py` come to: curves, paired differences, a figure, tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.stats

from robmednas_tf.search.bootstrap import Estimate, mean_estimate

CHECKPOINTS = (25, 50, 100, 200)
_COLOURS = {
    "bayesian": "#0b5fa5",
    "random": "#8a8a8a",
    "optuna": "#c8641b",
    "kerastuner": "#3f8f4f",
}


@dataclass(frozen=True)
class Search:
    """One search.

    Attributes:
        landscape: Its name.
        fingerprint: The landscape's.
        strategy: Key of `STRATEGIES`.
        seed: The search's.
        scores: What each trial scored, in order.
        values: The same without luck.
        duplicates: Trials of an architecture that had been tried.
    """

    landscape: str
    fingerprint: str
    strategy: str
    seed: int
    scores: Sequence[float]
    values: Sequence[float]
    duplicates: int

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells it from other searches."""
        return self.landscape, self.fingerprint, self.strategy, self.seed

    @property
    def winners(self) -> np.ndarray:
        """After each trial, the value without luck of the trial with the best score so far."""
        best = np.maximum.accumulate(self.scores)
        # The first trial that reached the best score so far.
        return np.asarray(self.values)[np.searchsorted(best, best)]

    def to_json(self) -> str:
        """Returns the search as one line."""
        rounded = {
            name: [round(each, 6) for each in getattr(self, name)] for name in ("scores", "values")
        }
        return json.dumps({**dataclasses.asdict(self), **rounded})


@dataclass(frozen=True)
class Comparison:
    """A strategy against another, paired by seed.

    Attributes:
        difference: Mean of the first less the second.
        p_value: Of Wilcoxon's signed-rank test, two-sided.
        num_pairs: Seeds that both have.
        num_better: Seeds in which the first is better.
    """

    difference: Estimate
    p_value: float
    num_pairs: int
    num_better: int


def final_winner(search: Search) -> float:
    """Returns the value without luck of the winner: what a strategy is judged by."""
    return float(search.winners[-1])


def best_score(search: Search) -> float:
    """Returns the best score seen, luck included."""
    return max(search.scores)


def half_way_winner(search: Search) -> float:
    """Returns the value without luck of the trial that led after half of the trials."""
    return float(search.winners[len(search.scores) // 2 - 1])


# First, second, what of them is compared: whether proposals are worth more than chance, and as much
# as Optuna's, and what Optuna's are worth, which says how large a difference is.
_WINNER, _SEEN = ("winner", final_winner), ("best score seen", best_score)
COMPARISONS = (
    ("bayesian", "random", (_WINNER, _SEEN)),
    ("bayesian", "optuna", (_WINNER, _SEEN)),
    ("bayesian", "kerastuner", (_WINNER, _SEEN)),
    ("optuna", "random", (_WINNER,)),
)


def compare(
    firsts: Sequence[Search],
    seconds: Sequence[Search],
    measure: Callable[[Search], float] = final_winner,
    of_second: Callable[[Search], float] | None = None,
) -> Comparison:
    """Compares searches of the same seeds on one landscape.

    Args:
        firsts: Of one strategy.
        seconds: Of another.
        measure: What is compared.
        of_second: The same of the second strategy; `measure` where it is None.

    Raises:
        ValueError: If no seed is in both.
    """
    found = {each.seed: (of_second or measure)(each) for each in seconds}
    pairs = [(measure(each), found[each.seed]) for each in firsts if each.seed in found]
    if not pairs:
        raise ValueError("Searches can only be compared where both have a seed in common.")
    differences = np.array([one - other for one, other in pairs])
    p_value = scipy.stats.wilcoxon(differences).pvalue if differences.any() else 1.0
    return Comparison(
        mean_estimate(differences), float(p_value), len(pairs), int((differences > 0).sum())
    )


def markdown(searches: Sequence[Search]) -> str:
    """Returns tables of all landscapes."""
    return "\n".join(
        part
        for name in dict.fromkeys(each.landscape for each in searches)
        for part in _tables(name, [each for each in searches if each.landscape == name])
    )


def draw(searches: Sequence[Search], path: Path) -> None:
    """Draws medians and quartiles of the winners' values over trials, a panel a landscape."""
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(each.landscape for each in searches))
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 3.6), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        for strategy, found in _by_strategy([each for each in searches if each.landscape == name]):
            low, middle, high = np.quantile([each.winners for each in found], (0.25, 0.5, 0.75), 0)
            trials = np.arange(1, middle.size + 1)
            label = f"{strategy} ({len(found)} seeds)"
            axis.plot(trials, middle, color=_COLOURS[strategy], label=label, linewidth=1.4)
            axis.fill_between(trials, low, high, color=_COLOURS[strategy], alpha=0.15, linewidth=0)
        axis.set(title=name, xlabel="trials", xlim=(1, middle.size))
        axis.set_ylim(bottom=_after(5, searches, name))
        axis.legend(loc="lower right", fontsize=7, frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("the winner's value without luck")
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _after(trials: int, searches: Sequence[Search], name: str) -> float:
    # What the first few trials find is not what curves are looked at for.
    return float(
        np.quantile([each.winners[trials - 1] for each in searches if each.landscape == name], 0.1)
    )


def _by_strategy(searches: Sequence[Search]) -> list[tuple[str, list[Search]]]:
    ranked = [(name, [each for each in searches if each.strategy == name]) for name in _COLOURS]
    return [(name, found) for name, found in ranked if found]


def _tables(name: str, searches: Sequence[Search]) -> list[str]:
    by_strategy = _by_strategy(searches)
    heads = " | ".join(f"after {trials}" for trials in CHECKPOINTS)
    rows = [
        f"`{name}`: median [quartiles] of the winner's value without luck\n",
        f"| strategy | seeds | {heads} | best score seen | repeats |",
        "|---|---|" + "---|" * (len(CHECKPOINTS) + 2),
    ]
    for strategy, found in by_strategy:
        cells = [_quartiles([each.winners[trials - 1] for each in found]) for trials in CHECKPOINTS]
        cells.append(_quartiles([best_score(each) for each in found]))
        repeats = sum(each.duplicates for each in found) / len(found)
        rows.append(f"| {strategy} | {len(found)} | {' | '.join(cells)} | {repeats:.1f} |")
    return [*rows, "", *_comparisons(dict(by_strategy)), ""]


def _comparisons(every: Mapping[str, Sequence[Search]]) -> list[str]:
    columns = "mean difference [95 %] | better in | Wilcoxon p"
    rows = [f"| difference | of | {columns} |", "|---|---|---|---|---|"]
    for first, second, measures in COMPARISONS:
        if first in every and second in every:
            for heading, measure in measures:
                found = compare(every[first], every[second], measure)
                rows.append(_row(f"{first} less {second}", heading, found))
    if "bayesian" in every and "random" in every:
        found = compare(every["bayesian"], every["random"], half_way_winner, final_winner)
        rows.append(_row("bayesian half-way less random", "winner", found))
    return rows


def _row(name: str, heading: str, found: Comparison) -> str:
    each = found.difference
    # One pair has no interval.
    span = f" [{each.low:+.4f}, {each.high:+.4f}]" if found.num_pairs > 1 else ""
    return (
        f"| {name} | {heading} | {each.value:+.4f}{span} "
        f"| {found.num_better} of {found.num_pairs} | {found.p_value:.2g} |"
    )


def _quartiles(values: Sequence[float]) -> str:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"
