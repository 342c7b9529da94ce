"""What every oracle has to do, whatever its rule; and what the two rules do on their own."""

import contextlib
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

from robmednas_tf.search import ledger
from robmednas_tf.search.oracles import ORACLES, num_startup_trials
from robmednas_tf.search.sampling import configurations, is_active, key_of, random_values
from robmednas_tf.search.tpe import tpe_values
from robmednas_tf.search.trials import TrialRecord, id_of, read_trials

FatalError = keras_tuner.errors.FatalError

every_oracle = pytest.mark.parametrize("name", sorted(ORACLES))


def conditional_space():
    """Every kind of hyperparameter; `units` twice, with other values, under two conditions."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("depth", [1, 2, 3])
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Float("drop", 0.0, 0.5, step=0.1)
    hp.Float("late", 1.0, 9.0, sampling="reverse_log")
    hp.Int("width", 8, 64, step=2, sampling="log")
    hp.Int("kernel", 1, 9)
    hp.Int("wide", 1, 1000, sampling="log")
    hp.Fixed("classes", 4)
    for level in (1, 2):
        with hp.conditional_scope("depth", list(range(level, 4))):
            hp.Boolean(f"se{level}")
            with hp.conditional_scope(f"se{level}", [True]):
                hp.Choice(f"ratio{level}", [2, 4, 8])
    with hp.conditional_scope("depth", [1]):
        hp.Choice("units", ["few", "many"])
    with hp.conditional_scope("depth", [2, 3]):
        hp.Choice("units", ["none", "all"])
    return hp


def score_of(values):
    """Best at depth 2 with squeeze-and-excitation at both levels."""
    score = -abs(values["depth"] - 2) - abs(math.log10(values["rate"]) + 2.5) / 4
    score += 0.3 * values["se1"] + 0.3 * values.get("se2", False)
    return score - 0.02 * values["kernel"] - 0.01 * values.get("ratio1", 0)


class Search(keras_tuner.engine.base_tuner.BaseTuner):
    """A stock tuner whose candidates need no training."""

    def __init__(self, oracle, folder, score=score_of, overwrite=False):
        super().__init__(
            oracle, directory=str(folder.parent), project_name=folder.name, overwrite=overwrite
        )
        oracle.verbose = 0
        self.score = score

    def run_trial(self, trial):
        return self.score(trial.hyperparameters.values)


def oracle_of(name, max_trials=8, space=None, objective="max", **settings):
    if isinstance(objective, str):
        objective = keras_tuner.Objective("score", objective)
    space = conditional_space() if space is None else space
    return ORACLES[name](objective, max_trials, space, **settings)


def run(folder, name, score=score_of, overwrite=False, **settings):
    oracle = oracle_of(name, **settings)
    Search(oracle, folder, score, overwrite).search()
    return oracle


def end(oracle, trial):
    oracle.update_trial(trial.trial_id, {"score": score_of(trial.hyperparameters.values)})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)


def trajectory(folder):
    return [
        (each.number, each.values, each.source, each.status, each.score)
        for each in read_trials(folder)[0]
    ]


def sum_of(values):
    return float(sum(values.values()))


def plain_space(**choices):
    hp = keras_tuner.HyperParameters()
    for name, values in choices.items():
        hp.Choice(name, list(values))
    return hp


@every_oracle
def test_search_with_a_stock_tuner_and_somebody_elses_model(tmp_path, name):
    def build(hp):
        layers = [keras.layers.Dense(hp.Int("units", 1, 8), activation="relu")]
        if hp.Boolean("deep"):
            with hp.conditional_scope("deep", [True]):
                layers.append(keras.layers.Dense(hp.Choice("more", [2, 4])))
        model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=["mae"])
        return model

    def tuner(max_trials):
        oracle = ORACLES[name]("val_loss", max_trials)
        return keras_tuner.Tuner(oracle, build, directory=tmp_path, project_name="search")

    x = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    data = {"x": x, "y": x[:, :1], "validation_data": (x, x[:, :1]), "batch_size": 8}
    tuner(1).search(**data, epochs=2, verbose=0)
    again = tuner(2)
    assert again.remaining_trials == 1
    again.search(**data, epochs=2, verbose=0)

    records, damaged = read_trials(tmp_path / "search")
    assert [each.status for each in records] == ["COMPLETED"] * 2
    assert not damaged
    assert set(records[0].metrics) == {"loss", "mae", "val_loss", "val_mae"}
    best = again.oracle.get_best_trials(2)
    assert [trial.score for trial in best] == sorted(trial.score for trial in best)
    assert best[0].metrics.get_best_value("val_loss") == best[0].score
    assert again.get_best_models()[0].output_shape == (None, 1)


@every_oracle
@pytest.mark.parametrize("seed", [0, 3])
def test_one_seed_gives_one_trajectory(tmp_path, name, seed):
    run(tmp_path / "a", name, seed=seed)
    run(tmp_path / "b", name, seed=seed)
    run(tmp_path / "c", name, seed=seed + 1)
    first = trajectory(tmp_path / "a")
    assert first == trajectory(tmp_path / "b")
    assert first != trajectory(tmp_path / "c")


@every_oracle
def test_values_are_those_of_the_active_hyperparameters(tmp_path, name):
    space = conditional_space()
    oracle = run(tmp_path / "search", name, max_trials=24, space=space)
    depths = set()
    for record in oracle.records():
        expected = {each.name for each in space.space if is_active(each, record.values)}
        assert set(record.values) == expected
        assert record.values["units"] in (
            ("few", "many") if record.values["depth"] == 1 else ("none", "all")
        )
        assert 1e-4 <= record.values["rate"] <= 1e-1
        assert record.values["width"] in (8, 16, 32, 64)
        assert 1 <= record.values["wide"] <= 1000
        depths.add(record.values["depth"])
    assert depths == {1, 2, 3}


@every_oracle
def test_results_may_be_a_float_or_a_dictionary(tmp_path, name):
    run(tmp_path / "float", name, max_trials=2)
    run(tmp_path / "dict", name, lambda v: {"score": score_of(v), "mae": 3.0}, max_trials=2)
    assert trajectory(tmp_path / "float") == trajectory(tmp_path / "dict")
    assert read_trials(tmp_path / "dict")[0][1].metrics["mae"] == 3.0


@every_oracle
@pytest.mark.parametrize("direction", ["min", "max"])
def test_best_trials_are_completed_and_in_order(tmp_path, name, direction):
    def score(values):
        if values["a"] % 3 == 0:
            raise ValueError(f"{values['a']} is no good" + "!" * values["a"])
        return float(values["a"])

    space = plain_space(a=range(12))
    oracle = run(tmp_path / "search", name, score, space=space, objective=direction, max_trials=8)
    scores = [trial.score for trial in oracle.get_best_trials(20)]
    assert scores == sorted((1.0, 2, 4, 5, 7, 8, 10, 11), reverse=direction == "max")
    assert len(oracle.get_best_trials()) == 1


@every_oracle
@pytest.mark.parametrize("objective", [None, "val_loss"])
def test_objective_may_be_left_out_or_given_by_name(tmp_path, name, objective):
    oracle = ORACLES[name](objective, 6, plain_space(a=range(12)))
    Search(oracle, tmp_path / "search", lambda values: float(values["a"])).search()
    scores = [record.score for record in oracle.records()]
    assert oracle.get_best_trials()[0].score == min(scores)


class Killed(BaseException):
    pass


def killed_at(monkeypatch, call, after):
    """Ends the process, as it were, at the given write of a trial's file."""
    calls = [0]
    write = ledger.write_trial

    def write_or_die(folder, record):
        calls[0] += 1
        if calls[0] == call and not after:
            raise Killed
        write(folder, record)
        if calls[0] == call:
            raise Killed

    monkeypatch.setattr(ledger, "write_trial", write_or_die)


@every_oracle
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_and_resumed_is_uninterrupted(tmp_path, monkeypatch, name, after):
    run(tmp_path / "whole", name, max_trials=5)
    whole = trajectory(tmp_path / "whole")
    assert len(whole) == 5
    for call in range(1, 16):
        folder = tmp_path / f"killed{call}"
        with monkeypatch.context() as patch:
            killed_at(patch, call, after)
            with pytest.raises(Killed):
                run(folder, name, max_trials=5)
        run(folder, name, max_trials=5)
        assert trajectory(folder) == whole, f"killed at write {call}"


KILLED_PROCESS = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import test_oracles as shared

    def score(values):
        if len(list((folder / "trials").glob("*"))) == 3:
            print("optuna" in sys.modules, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return shared.score_of(values)

    folder = Path({folder!r})
    shared.run(folder, "random", score, max_trials=6)
"""


def test_killed_process_is_resumed_and_random_search_needs_no_optuna(tmp_path):
    run(tmp_path / "whole", "random", max_trials=6)
    folder = tmp_path / "killed"
    code = KILLED_PROCESS.format(tests=str(Path(__file__).parent), folder=str(folder))
    root = str(Path(__file__).parents[2])
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": root, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert process.stdout.split() == ["False"]
    assert [each.status for each in read_trials(folder)[0]] == ["COMPLETED"] * 2 + ["RUNNING"]
    run(folder, "random", max_trials=6)
    assert trajectory(folder) == trajectory(tmp_path / "whole")
    assert [each.attempts for each in read_trials(folder)[0]] == [1, 1, 2, 1, 1, 1]


@every_oracle
def test_interrupt_gives_the_attempt_back(tmp_path, name):
    folder = tmp_path / "search"
    for _ in range(5):
        oracle = oracle_of(name)
        Search(oracle, folder)
        trial = oracle.create_trial("tuner0")
        oracle.release(trial.trial_id)
    assert [each.attempts for each in oracle.records()] == [0]
    assert oracle.create_trial("tuner0").trial_id == trial.trial_id


@every_oracle
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 5}, "seed: 0 in the folder, 5 now"),
        ({"objective": "min"}, 'objective: {"name": "score", "direction": "max"} in the folder'),
        ({"settings": {"epochs": 5}}, "epochs: 10 in the folder, 5 now"),
        ({"settings": {"epochs": 10, "loss": "mse"}}, 'loss: nothing in the folder, "mse" now'),
        ({"space": plain_space(a=[1])}, "space: 14 hyperparameters in the folder, 1 now"),
        ({"num_startup_trials": 9}, "num_startup_trials: "),
    ],
    ids=["seed", "objective", "setting", "new setting", "space", "startup"],
)
def test_resume_under_other_settings_is_refused_in_one_line(tmp_path, name, changed, said):
    settings = {"settings": {"epochs": 10}, "max_trials": 1}
    run(tmp_path / "search", name, **settings)
    before = trajectory(tmp_path / "search")
    with pytest.raises(keras_tuner.errors.FatalValueError) as refusal:
        run(tmp_path / "search", name, lambda _: 0.0, **{**settings, **changed})
    assert said in str(refusal.value)
    assert "--output_dir" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert trajectory(tmp_path / "search") == before


def test_refusal_names_every_difference(tmp_path):
    run(tmp_path / "search", "random", max_trials=1, settings={"data": {"digest": "a", "n": 4}})
    with pytest.raises(FatalError) as refusal:
        run(tmp_path / "search", "bayesian", seed=1, settings={"data": {"digest": "b", "n": 4}})
    assert 'oracle: "random" in the folder, "bayesian" now; seed: 0' in str(refusal.value)
    assert 'data.digest: "a" in the folder, "b" now' in str(refusal.value)
    assert "data.n" not in str(refusal.value)


@every_oracle
def test_trials_that_run_are_of_the_budget_and_not_proposed_again(tmp_path, name):
    oracle = oracle_of(name, max_trials=8, num_startup_trials=4)
    oracle.open_folder(tmp_path / "run")
    for _ in range(5):
        end(oracle, oracle.create_trial("tuner"))
    running = [oracle.create_trial(tuner) for tuner in ("first", "second")]
    assert oracle.remaining_trials() == 1
    assert oracle.create_trial("first") is running[0]
    assert {each.source for each in oracle.records()[5:]} == {
        "model" if name == "bayesian" else "random"
    }
    running.append(oracle.create_trial("third"))
    assert len({key_of(trial.hyperparameters.values) for trial in running}) == 3
    assert oracle.create_trial("fourth").status == "STOPPED"
    assert oracle.lose(running[1].trial_id)
    assert oracle.create_trial("fourth").trial_id == running[1].trial_id
    end(oracle, running[2])
    assert [each.attempts for each in oracle.records()[5:]] == [1, 2, 1]


@every_oracle
def test_budget_may_grow_and_the_startup_stays(tmp_path, name):
    run(tmp_path / "search", name, max_trials=6)
    oracle = oracle_of(name, 40)
    Search(oracle, tmp_path / "search")
    assert oracle.remaining_trials() == 34
    assert oracle.num_startup_trials == (4 if name == "bayesian" else 0)
    smaller = run(tmp_path / "search", name, max_trials=3)
    assert (len(smaller.records()), smaller.remaining_trials()) == (6, 0)


@every_oracle
def test_overwrite_starts_anew(tmp_path, name):
    run(tmp_path / "search", name, max_trials=3)
    oracle = run(tmp_path / "search", name, max_trials=2, seed=4, overwrite=True)
    assert len(oracle.records()) == 2
    assert json.loads((tmp_path / "search" / "search.json").read_text())["seed"] == 4


@every_oracle
def test_small_space_is_tried_once_each_and_then_over(tmp_path, name):
    space = plain_space(a=range(6), b=range(5))
    oracle = run(tmp_path / "search", name, sum_of, max_trials=200, space=space)
    tried = [key_of(record.values) for record in oracle.records()]
    assert len(tried) == len(set(tried)) == 30
    assert oracle.remaining_trials() == 170


@every_oracle
def test_rare_configurations_are_found_too(tmp_path, name):
    space = keras_tuner.HyperParameters()
    with contextlib.ExitStack() as scopes:
        for level in range(14):
            space.Boolean(f"on{level}")
            scopes.enter_context(space.conditional_scope(f"on{level}", [True]))
    # The last two come up once in 16384 draws each.
    oracle = run(tmp_path / "search", name, sum_of, max_trials=99, space=space)
    assert sorted(len(each.values) for each in oracle.records()) == [*range(1, 15), 14]


@every_oracle
def test_annotations_are_merged_on_disk(tmp_path, name):
    oracle = oracle_of(name)
    Search(oracle, tmp_path / "search")
    trial = oracle.create_trial("tuner0")
    oracle.annotate(trial.trial_id, {"parameters": 12, "depth": 2})
    oracle.annotate(trial.trial_id, {"depth": 3, "history": [math.nan]})
    (record,), _ = read_trials(tmp_path / "search")
    assert record.details == {"parameters": 12, "depth": 3, "history": [None]}


@every_oracle
def test_space_found_while_building_is_searched_and_resumed(tmp_path, name):
    class Growing(Search):
        def run_trial(self, trial):
            hp = trial.hyperparameters
            if hp.Boolean("deep"):
                hp.Int("more", 1, 50)
            return float(hp.Int("a", 1, 50))

    def search(folder, max_trials):
        oracle = ORACLES[name](None, max_trials)
        Growing(oracle, folder).search()

    search(tmp_path / "whole", 9)
    for max_trials in (1, 4, 9):
        search(tmp_path / "parts", max_trials)
    whole = trajectory(tmp_path / "whole")
    assert whole == trajectory(tmp_path / "parts")
    assert len({values["a"] for _, values, *_ in whole}) > 3
    assert len({values.get("more") for _, values, *_ in whole}) > 2


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": None}, {"max_trials": 0}])
def test_numbers_outside_their_domain_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        oracle_of("random", **wrong)


def test_settings_must_be_ready_for_json():
    with pytest.raises(ValueError, match="ready for JSON"):
        oracle_of("random", settings={"path": Path()})


@pytest.mark.parametrize(
    ("budget", "startup"), [(4, 4), (10, 4), (16, 4), (40, 10), (80, 20), (200, 20), (None, 20)]
)
def test_startup_is_a_quarter_of_the_budget_within_bounds(budget, startup):
    assert num_startup_trials(budget) == startup


def test_source_says_which_proposals_are_the_models(tmp_path):
    oracle = run(tmp_path / "model", "bayesian", max_trials=10)
    assert [each.source for each in oracle.records()] == ["startup"] * 4 + ["model"] * 6
    oracle = run(tmp_path / "random", "random", max_trials=3)
    assert {each.source for each in oracle.records()} == {"random"}


def test_random_values_cover_each_choice_evenly():
    space = plain_space(a=range(4), b=range(2))
    drawn = [key_of(random_values(space, 7, number)) for number in range(1600)]
    counts = [drawn.count(key_of(each)) for each in configurations(space)]
    assert len(counts) == 8
    # Each is binomial with mean 200 and standard deviation 13.
    assert all(140 < count < 260 for count in counts)


def test_configurations_are_all_there_are():
    space = keras_tuner.HyperParameters()
    space.Int("n", 1, 4, step=2, sampling="log")
    space.Boolean("on")
    with space.conditional_scope("on", [True]):
        space.Int("m", 3, 4)
    space.Fixed("f", "x")
    expected = [
        {"n": n, "on": on, **m, "f": "x"}
        for n in (1, 2, 4)
        for on, ms in ((True, [{"m": 3}, {"m": 4}]), (False, [{}]))
        for m in ms
    ]
    assert list(configurations(space)) == expected
    space.Float("rate", 0.0, 1.0)
    assert list(configurations(space)) == []


def layered_space():
    hp = keras_tuner.HyperParameters()
    hp.Choice("depth", [1, 2, 3])
    for level in (1, 2, 3):
        with hp.conditional_scope("depth", list(range(level, 4))):
            hp.Choice(f"pattern{level}", list(range(8)))
            hp.Boolean(f"se{level}")
            with hp.conditional_scope(f"se{level}", [True]):
                hp.Choice(f"ratio{level}", [2, 4, 8, 16])
    return hp


def layered_score(values):
    """At most 3: three levels, each with the last pattern and the smallest ratio."""
    return (
        sum(
            values[f"pattern{level}"] / 7 + 4 / values.get(f"ratio{level}", math.inf)
            for level in range(1, values["depth"] + 1)
        )
        / 3
    )


def simulated(rule, direction, seed, num_trials=50, startup=12):
    """Best score of a search of which nothing is written."""
    space, sign = layered_space(), 1.0 if direction == "max" else -1.0
    history = []
    for number in range(num_trials):
        if rule == "tpe" and number >= startup:
            values = tpe_values(space, history, direction, startup, seed, number)
        else:
            values = random_values(space, seed, number)
        score = sign * layered_score(values)
        history.append(TrialRecord(id_of(number), number, "COMPLETED", 1, rule, values, score))
    return max(sign * record.score for record in history)


@pytest.mark.parametrize("direction", ["max", "min"])
def test_model_finds_better_configurations_than_chance(direction):
    seeds = range(4)
    model = statistics.mean(simulated("tpe", direction, seed) for seed in seeds)
    chance = statistics.mean(simulated("random", direction, seed) for seed in seeds)
    assert model > chance + 0.3


def test_model_is_a_function_of_its_arguments():
    space = conditional_space()
    drawn = [random_values(space, 0, number) for number in range(20)]
    history = [
        TrialRecord(id_of(n), n, "COMPLETED", 1, "startup", values, score_of(values))
        for n, values in enumerate(drawn)
    ]
    history[3] = TrialRecord(id_of(3), 3, "FAILED", 1, "startup", drawn[3])
    history[4] = TrialRecord(id_of(4), 4, "RUNNING", 1, "startup", drawn[4])
    first = tpe_values(space, history, "max", 5, 0, 20)
    assert first == tpe_values(space, history, "max", 5, 0, 20)
    assert first != tpe_values(space, history, "max", 5, 0, 20, salt=1)
    assert first != tpe_values(space, history, "max", 5, 1, 20)


def test_model_takes_a_running_trial_for_a_bad_one():
    space, rng = keras_tuner.HyperParameters(), np.random.default_rng(0)
    for place in range(3):
        space.Choice(f"p{place}", list(range(4)))
    drawn = [{f"p{place}": int(rng.integers(4)) for place in range(3)} for _ in range(24)]
    history = [
        TrialRecord(id_of(n), n, "COMPLETED", 1, "model", values, float(sum(values.values())))
        for n, values in enumerate(drawn)
    ]

    def proposed(records):
        return [tpe_values(space, records, "max", 4, 0, 25, salt) for salt in range(30)]

    alone = proposed(history)
    often = max(alone, key=alone.count)
    running = TrialRecord(id_of(24), 24, "RUNNING", 1, "model", often)
    assert proposed([*history, running]).count(often) < alone.count(often) / 2


def test_quick_trials_of_the_past_give_the_proposal_of_optunas_own(monkeypatch):
    # Here, for a process of these tests does without Optuna.
    import optuna

    from robmednas_tf.search import past_trials

    space = conditional_space()
    drawn = [random_values(space, 0, number) for number in range(30)]
    history = [
        TrialRecord(id_of(n), n, "COMPLETED", 1, "startup", values, score_of(values))
        for n, values in enumerate(drawn)
    ]
    history[3] = TrialRecord(id_of(3), 3, "FAILED", 1, "startup", drawn[3])
    history[4] = TrialRecord(id_of(4), 4, "RUNNING", 1, "startup", drawn[4])
    quick = [tpe_values(space, history, "max", 5, seed, 30) for seed in range(5)]
    monkeypatch.setattr(past_trials, "past_trial", optuna.trial.create_trial)
    assert quick == [tpe_values(space, history, "max", 5, seed, 30) for seed in range(5)]


def test_model_says_nothing_of_its_own(capfd, recwarn):
    space = plain_space(a=range(9))
    history = [
        TrialRecord(id_of(n), n, "COMPLETED", 1, "startup", {"a": n}, float(n)) for n in range(6)
    ]
    tpe_values(space, history, "max", 4, 0, 6)
    assert capfd.readouterr().err == ""
    assert [str(each.message) for each in recwarn] == []
