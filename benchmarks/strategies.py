"""Compares strategies of search, 200 trials each, on landscapes that need no training.

    pip install scikit-learn
    python benchmarks/strategies.py                          # hours on two cores; see its flags
    python benchmarks/strategies.py --strategies=bayesian,random,optuna
    python benchmarks/strategies.py --summary                # of what there is; seconds

Start it again to go on: each search is added to the results when it is over, and one that is there
is not run again. The landscapes:

- `fitted`: a model of the trials in `benchmarks/tables`, the kind that foretells them best, with
  the luck that trials have there.
- `smooth`: the same of the next best kind whose values do not end where the trials' do.
- `interacting`: an invention over the paper's whole space.
- `quiet`: `fitted` without luck.

What a strategy is judged by is the value without luck of the trial with the best score so far: what
one would get who takes the winner of the search.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import strategies_landscapes as landscapes
from strategies_arms import STRATEGIES, Trial, after_history
from strategies_landscapes import Fit, Landscape
from strategies_summary import Search, draw, markdown
from strategies_table import Table, read_table

from robmednas_tf.models.architecture import Architecture
from robmednas_tf.search.hyperparameters import architecture_of, declare_space
from robmednas_tf.search.sampling import Values, key_of

TABLES = Path(__file__).resolve().parent / "tables"
NUM_TRIALS = 200
# KerasTuner's takes two minutes a search on the fitted landscapes, and many more on `interacting`.
NUM_SEEDS = {"kerastuner": 10}
# After each length of history, whose suggestions are timed. KerasTuner's fits a Gaussian process
# with restarts, the cost of which grows with the cube of the history: not asked after 2000.
TIMED = {200: ("bayesian", "random", "optuna", "kerastuner")} | {
    2000: ("bayesian", "random", "optuna")
}
NUM_TIMED, NUM_SLOW_TIMED = 9, 2
LANDSCAPES = ("fitted", "smooth", "interacting", "quiet")


def architecture(values: Mapping[str, Any]) -> Architecture:
    """Returns the architecture that values of a search name."""
    hp = keras_tuner.HyperParameters()
    hp.values = values
    return architecture_of(hp)


def open_landscapes(names: Sequence[str], tables: Path, name: str) -> dict[str, Landscape]:
    """Returns the landscapes, and says how those that are fitted were."""
    opened = {"interacting": landscapes.interacting()}
    if {*names} - {*opened}:
        table = read_table(tables, architecture, name)
        fits = landscapes.cross_validations(table)
        best, smooth = kinds_of(fits)
        opened["fitted"] = landscapes.fitted(table, best)
        opened["smooth"] = landscapes.fitted(table, smooth)
        opened["quiet"] = landscapes.without_luck(opened["fitted"])
        print(describe_fits(table, opened, fits), flush=True)
    return {each: opened[each] for each in names}


def kinds_of(fits: Iterable[str]) -> tuple[str, str]:
    """Returns the kinds of model of `fitted` and of `smooth`, which differ.

    Args:
        fits: Kinds of model, the best first.
    """
    best, *others = fits
    return best, next(kind for kind in others if kind in landscapes.SMOOTH)


def describe_fits(table: Table, opened: Mapping[str, Landscape], fits: Mapping[str, Fit]) -> str:
    """Returns what the table holds and how well each kind of model foretells it, as Markdown."""
    repeated = sum(len(each) > 1 for each in table.scores)
    lines = [
        f"{len(table.scores)} architectures, {repeated} of them with several seeds: scores "
        f"{table.means.mean():.3f}, sd {table.means.std(ddof=1):.4f}; between seeds sd "
        f"{math.sqrt(table.noise_variance):.4f}; no model can explain more than R2 "
        f"{table.largest_r2:.2f}.\n",
        "| model | R2 | Spearman | landscape |",
        "|---|---|---|---|",
    ]
    for name, fit in fits.items():
        used = [key for key, each in opened.items() if each.fingerprint.endswith(f" {name}")]
        lines.append(f"| {name} | {fit.r2:.2f} | {fit.rho:.2f} | {', '.join(used)} |")
    return "\n".join(lines) + "\n"


def searched(name: str, landscape: Landscape, strategy: str, seed: int, num_trials: int) -> Search:
    """Runs one search."""
    space = space_of(landscape)
    score = scorer(landscape, seed)
    trials = list(STRATEGIES[strategy](space, seed, num_trials, score))
    keys = [key_of(trial.values) for trial in trials]
    return Search(
        name,
        landscape.fingerprint,
        strategy,
        seed,
        [trial.score for trial in trials],
        [landscape.value(architecture(trial.values)) for trial in trials],
        len(keys) - len(set(keys)),
    )


def space_of(landscape: Landscape) -> keras_tuner.HyperParameters:
    """Returns a landscape's architectures as a search has them."""
    space = keras_tuner.HyperParameters()
    declare_space(space, landscape.space)
    return space


def scorer(landscape: Landscape, seed: int) -> Callable[[Values], float]:
    """Returns what scores values in a search of this seed."""
    return lambda values: landscape.score(architecture(values), seed)


def read_results(path: Path) -> list[Search]:
    """Returns the searches so far; none where there is no file."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Search(**json.loads(line)) for line in lines]


def timings(landscape: Landscape) -> str:
    """Returns how long suggestions take after each length of history, as Markdown."""
    rows = [
        "| history | strategy | suggestion, ms | of processor time | over Optuna's | record, ms |",
        "|---|---|---|---|---|---|",
    ]
    space, score = space_of(landscape), scorer(landscape, 0)
    for history, names in TIMED.items():
        counts = {name: NUM_SLOW_TIMED if name in NUM_SEEDS else NUM_TIMED for name in names}
        took = {
            name: after_history(name, space, history, count, score)
            for name, count in counts.items()
        }
        base = _median_ms(took["optuna"], lambda trial: trial.suggestion.processor)
        for name, trials in took.items():
            clock = _median_ms(trials, lambda trial: trial.suggestion.clock)
            processor = _median_ms(trials, lambda trial: trial.suggestion.processor)
            record = _median_ms(trials, lambda trial: trial.record.clock)
            rows.append(
                f"| {history} | {name} | {clock:.0f} | {processor:.0f} "
                f"| {processor / base:.1f} | {record:.1f} |"
            )
    return "\n".join(rows) + "\n"


def _median_ms(trials: Sequence[Trial], seconds: Callable[[Trial], float]) -> float:
    return 1000 * float(np.median([seconds(trial) for trial in trials]))


def flags() -> argparse.ArgumentParser:
    """Returns the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--landscapes",
        default="fitted,smooth,interacting",
        help=f"Any of {', '.join(LANDSCAPES)}; separated by commas.",
    )
    parser.add_argument(
        "--strategies",
        default=",".join(STRATEGIES),
        help=f"Any of {', '.join(STRATEGIES)}; separated by commas.",
    )
    parser.add_argument("--seeds", type=int, default=50, help="Searches of each, from seed 0 on.")
    parser.add_argument("--tables", type=Path, default=TABLES, help="Folder of the trials' table.")
    parser.add_argument(
        "--table", default="accelerated.csv", help="Its file; the one of the most architectures."
    )
    parser.add_argument(
        "--results", type=Path, default=Path("runs/strategies.jsonl"), help="File of the searches."
    )
    parser.add_argument("--figure", type=Path, help="Where to draw the curves, as SVG or PNG.")
    parser.add_argument("--summary", action="store_true", help="Run nothing, sum up what is there.")
    parser.add_argument(
        "--timings", action="store_true", help="Time suggestions, and nothing else."
    )
    return parser


def run_missing(
    opened: Mapping[str, Landscape], strategies: Sequence[str], num_seeds: int, path: Path
) -> None:
    """Runs the searches that a file of results lacks, seed by seed, and adds each to it."""
    there = {each.key for each in read_results(path)}
    for seed in range(num_seeds):
        for strategy in strategies:
            for name, landscape in opened.items():
                is_wanted = seed < NUM_SEEDS.get(strategy, num_seeds)
                if is_wanted and (name, landscape.fingerprint, strategy, seed) not in there:
                    search = searched(name, landscape, strategy, seed, NUM_TRIALS)
                    with path.open("a", encoding="utf-8") as file:
                        file.write(search.to_json() + "\n")


def main() -> None:
    """Runs the searches that are not there yet, and sums them up."""
    parser = flags()
    given = parser.parse_args()
    if given.timings:
        print(timings(landscapes.interacting()))
        return
    names, strategies = given.landscapes.split(","), given.strategies.split(",")
    for wanted, known in ((names, LANDSCAPES), (strategies, STRATEGIES)):
        if unknown := set(wanted) - set(known):
            parser.error(f"Give any of {', '.join(known)}. Received: {', '.join(unknown)}.")
    try:
        opened = open_landscapes(names, given.tables, given.table)
    except ValueError as error:
        parser.error(str(error))
    given.results.parent.mkdir(parents=True, exist_ok=True)
    if not given.summary:
        run_missing(opened, strategies, given.seeds, given.results)
    current = {(name, landscape.fingerprint) for name, landscape in opened.items()}
    found = [each for each in read_results(given.results) if each.key[:2] in current]
    print(markdown(found))
    if given.figure:
        draw(found, given.figure)


if __name__ == "__main__":
    main()
