"""Strategies of search on landscapes that need no training: what the comparison rests on."""

import csv
from pathlib import Path

import numpy as np
import pytest

from robmednas_tf.search.sampling import random_values


@pytest.fixture
def benchmarks(monkeypatch):
    folder = Path(__file__).resolve().parents[1] / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    return folder


def test_a_winner_is_judged_by_its_value_and_not_by_its_luck(benchmarks):
    import strategies_summary as summary

    def search(seed, values, scores=(0.2, 0.5, 0.4, 0.5, 0.9)):
        return summary.Search("made-up", "1", "bayesian", seed, scores, values, 0)

    one = search(0, (0.1, 0.3, 0.8, 0.6, 0.2))
    assert one.winners.tolist() == [0.1, 0.3, 0.3, 0.3, 0.2]
    others = [search(seed, (0.0, 0.0, 0.0, 0.0, 0.1 + seed)) for seed in (0, 1, 9)]
    found = summary.compare([one, search(1, (0.0,) * 5), search(2, (9.0,) * 5)], others)
    assert (found.num_pairs, found.num_better) == (2, 1)
    assert found.difference.value == pytest.approx((0.1 - 1.1) / 2)
    luckier = search(0, (0.0,) * 5, scores=(0.2, 0.5, 1.4, 0.5, 0.9))
    assert summary.compare([luckier], [one], summary.best_score).difference.value == pytest.approx(
        0.5
    )
    # After two of its five trials the one leads with 0.3, after all of them with 0.2.
    halved = summary.compare([one], [one], summary.half_way_winner, summary.final_winner)
    assert halved.difference.value == pytest.approx(0.3 - 0.2)
    with pytest.raises(ValueError, match="in common"):
        summary.compare([one], others[1:])


def test_every_strategy_searches_the_same_landscape(benchmarks):
    import strategies

    landscape = strategies.landscapes.interacting()
    found = {
        name: strategies.searched("interacting", landscape, name, 3, 6)
        for name in ("bayesian", "random", "optuna")
    }
    assert all(len(set(each.scores)) == 6 - each.duplicates for each in found.values())
    # Start-ups are the random search's own draws, and luck belongs to the architecture.
    assert found["bayesian"].scores[:4] == found["random"].scores[:4]
    assert found["optuna"].scores[0] != found["random"].scores[0]
    assert found["random"].scores != found["random"].values


def test_table_of_trials_tells_architectures_from_luck(benchmarks, tmp_path):
    import strategies
    import strategies_table as tables

    space = strategies.space_of(strategies.landscapes.interacting())
    drawn = [random_values(space, 0, number) for number in range(30)]
    scores = [[0.1, 0.3], [0.5, 0.5, 0.5], *([number / 10] for number in range(2, 30))]
    keys = ("architecture", "seed", *tables.TRIALS, tables.SCORE)
    rows = [
        (number, seed, *tables.TRIALS.values(), score)
        for number, seeds in enumerate(scores)
        for seed, score in enumerate(seeds)
    ]
    # What was scored on the way is not a trial's score.
    rows.append((0, 2, *{**tables.TRIALS, "epoch": "6"}.values(), 9.0))
    named = [("architecture", "values"), *enumerate(map(strategies.key_of, drawn))]
    for name, lines in (("scores.csv", [keys, *rows]), ("architectures.csv", named)):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows(lines)
    table = tables.read_table(tmp_path, strategies.architecture)
    assert table.architectures == [strategies.architecture(values) for values in drawn]
    assert table.scores == scores
    assert table.noise_variance == pytest.approx(0.02 / 3)
    noise = table.noise_variance * (1 / 2 + 1 / 3 + 28) / 30
    assert table.largest_r2 == pytest.approx(1 - noise / np.var(table.means, ddof=1))
    with pytest.raises(ValueError, match=r"has no scores\.csv"):
        tables.read_table(tmp_path / "nowhere", strategies.architecture)


def test_fitted_landscapes_are_of_two_kinds_of_model(benchmarks):
    import strategies

    trees, ridge, process = "extra trees", "ridge regression", "Gaussian process"
    assert strategies.kinds_of({process: 0.5, trees: 0.4, ridge: 0.3}) == (process, ridge)
    assert strategies.kinds_of({trees: 0.5, process: 0.4, ridge: 0.3}) == (trees, process)


def test_interactions_outweigh_what_choices_do_alone(benchmarks):
    import strategies_landscapes as landscapes

    landscape = landscapes.interacting()
    generator = np.random.default_rng(0)

    def blocks(count):
        return [
            landscapes.Block(
                str(generator.choice(landscape.space.patterns)),
                int(generator.choice(landscape.space.filters)),
                generator.choice([None, *landscape.space.reduction_ratios]),
            )
            for _ in range(count)
        ]

    pairs = [(tuple(blocks(2)), tuple(blocks(2))) for _ in range(3000)]
    values = [landscape.value(landscapes.Architecture(*pair)) for pair in pairs]
    assert np.std(values) == pytest.approx(1.0, abs=0.15)
    chosen = [[each for half in pair for each in half] for pair in pairs]
    alone = np.array(
        [
            [
                float(level)
                for block in chain
                for options, choice in (
                    (landscape.space.patterns, block.pattern),
                    (landscape.space.filters, block.filters),
                    ((None, *landscape.space.reduction_ratios), block.reduction_ratio),
                )
                for level in (option == choice for option in options)
            ]
            for chain in chosen
        ]
    )
    told = alone @ np.linalg.lstsq(alone, np.array(values), rcond=None)[0]
    assert 0.2 < np.var(told) / np.var(values) < 0.5
