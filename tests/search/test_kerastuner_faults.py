"""What KerasTuner's own oracle does under load, and this project's must not; one fault a test.

Each was measured on KerasTuner 1.4.8, or read in its source.
"""

import gc
import json
import multiprocessing
import os
import random
import signal
import threading
import warnings
import weakref

import keras_tuner
import numpy as np
import pytest
from keras_tuner.engine.base_tuner import BaseTuner

from robmednas_tf.search.failures import InfeasibleTrialError
from robmednas_tf.search.locking import forget
from robmednas_tf.search.oracles import ORACLES
from robmednas_tf.search.trials import checkpoint_path, read_trials

every_oracle = pytest.mark.parametrize("name", sorted(ORACLES))


class Tuner(BaseTuner):
    """A stock tuner whose trials return, or raise, what `score` does."""

    def __init__(self, oracle, folder, score, **settings):
        super().__init__(oracle, directory=str(folder.parent), project_name=folder.name, **settings)
        oracle.verbose = 0
        self.score = score

    def run_trial(self, trial):
        return self.score(trial.hyperparameters.values)


def ten_choices():
    hp = keras_tuner.HyperParameters()
    for place in range(10):
        hp.Choice(f"c{place}", list(range(5)))
    return hp


def oracle_of(name, max_trials=6, space=None, **settings):
    objective = keras_tuner.Objective("score", "max")
    return ORACLES[name](objective, max_trials, space or ten_choices(), **settings)


def run(folder, name, score=lambda values: float(sum(values.values())), **settings):
    oracle = oracle_of(name, **settings)
    Tuner(oracle, folder, score).search()
    return oracle


def statuses(folder):
    return [record.status for record in read_trials(folder)[0]]


def values_of(folder):
    return [tuple(record.values.items()) for record in read_trials(folder)[0]]


def is_free(oracle):
    """Tells whether another thread gets an answer from the oracle."""
    answered = threading.Event()

    def ask():
        oracle.annotate("0000", {"asked": True})
        answered.set()

    threading.Thread(target=ask, daemon=True, name="another").start()
    return answered.wait(5)


def counted(*outcomes):
    """Returns a score function that goes through `outcomes`, raising those that are errors."""
    left = iter(outcomes)

    def score(values):
        outcome = next(left)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return score


@every_oracle
def test_01_seed_zero_is_a_seed(tmp_path, name):
    random.seed(1)
    run(tmp_path / "a", name, seed=0)
    random.seed(2)
    oracle = run(tmp_path / "b", name, seed=0)
    assert oracle.seed == 0
    assert values_of(tmp_path / "a") == values_of(tmp_path / "b")


@every_oracle
def test_02_neighbouring_seeds_share_no_configuration(tmp_path, name):
    run(tmp_path / "a", name, seed=1, max_trials=40)
    run(tmp_path / "b", name, seed=11, max_trials=40)
    first, second = set(values_of(tmp_path / "a")), set(values_of(tmp_path / "b"))
    assert len(first) == len(second) == 40
    assert not first & second


@every_oracle
def test_03_no_active_value_is_left_for_kerastuner_to_fill(tmp_path, name):
    space = ten_choices()
    with space.conditional_scope("c0", [0, 1, 2]):
        space.Float("rate", 0.0, 1.0)
        space.Boolean("on")
    oracle = oracle_of(name, 20, space)
    Tuner(oracle, tmp_path / "search", lambda values: float(sum(values.values()))).search()
    for trial in oracle.trials.values():
        before = dict(trial.hyperparameters.values)
        trial.hyperparameters.ensure_active_values()
        assert trial.hyperparameters.values == before
        assert ("rate" in before) == ("on" in before) == (before["c0"] < 3)


@every_oracle
def test_04_resume_takes_nothing_from_a_folder_that_differs(tmp_path, name):
    run(tmp_path / "search", name, seed=1, settings={"cohort": "a"})
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"seed: 1 in the folder, 2 now"):
        run(tmp_path / "search", name, seed=2, settings={"cohort": "a"})
    with pytest.raises(keras_tuner.errors.FatalValueError, match='cohort: "a" in the folder'):
        run(tmp_path / "search", name, seed=1, settings={"cohort": "b"})


@every_oracle
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_05_damaged_trial_file_costs_that_trial_alone_and_is_said(tmp_path, name):
    run(tmp_path / "search", name)
    (tmp_path / "search" / "trials" / "0002" / "trial.json").write_text("")
    with pytest.warns(RuntimeWarning, match="0002") as said:
        oracle = run(tmp_path / "search", name)
    assert len([each for each in said if "0002" in str(each.message)]) == 1
    # The damaged one uses no budget, and its number is not given again.
    assert [record.number for record in oracle.records()] == [0, 1, 3, 4, 5, 6]


@every_oracle
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "change",
    [
        *({"values": {"c0": value}} for value in (5, "1", None, True, [], float("nan"))),
        {"values": {}},
        *({"found": value} for value in (None, "x", [1], [{"class_name": "Nothing"}])),
        *({"details": value} for value in (None, {}, {"size": "large"})),
        {"metrics": {"score": "high"}},
        {"score": float("nan")},
        {"seconds": "long"},
        {"message": 3},
    ],
    ids=str,
)
def test_05_a_record_that_no_trial_can_have_left_costs_that_trial_alone(tmp_path, name, change):
    def require_size(details):
        if type(details["size"]) is not int:
            raise TypeError("its size is no number.")

    oracle = oracle_of(name, 3)
    Tuner(oracle, tmp_path / "search", lambda values: float(sum(values.values()))).search()
    for trial_id in oracle.trials:
        oracle.annotate(trial_id, {"size": 3})
    path = tmp_path / "search" / "trials" / "0001" / "trial.json"
    record = json.loads(path.read_text())
    if len(change.get("values") or ()) == 1:
        change = {"values": {**record["values"], **change["values"]}}
    path.write_text(json.dumps({**record, **change}))
    with pytest.warns(
        RuntimeWarning, match=r"0001.* is damaged, and its trial is left out"
    ) as said:
        oracle = run(tmp_path / "search", name, max_trials=4, check_details=require_size)
    assert len([each for each in said if "0001" in str(each.message)]) == 1
    assert [each.number for each in oracle.records()] == [0, 2, 3, 4]
    assert [each.number for each in oracle.records() if each.status == "COMPLETED"] == [0, 2, 3, 4]


def test_05_a_folder_in_a_records_place_costs_that_trial_alone(tmp_path):
    run(tmp_path / "search", "random", max_trials=2)
    path = tmp_path / "search" / "trials" / "0000" / "trial.json"
    path.unlink()
    path.mkdir()
    with pytest.warns(RuntimeWarning, match=r"0000.* is damaged"):
        oracle = run(tmp_path / "search", "random", max_trials=2)
    assert [each.number for each in oracle.records()] == [1, 2]


@pytest.mark.parametrize("key", ["settings", "found", "num_startup_trials", "space", None])
def test_05_settings_that_cannot_be_read_are_refused_with_the_remedy(tmp_path, key):
    run(tmp_path / "search", "random", max_trials=2)
    path = tmp_path / "search" / "search.json"
    settings = json.loads(path.read_text())
    path.write_text("" if key is None else json.dumps({**settings, key: "x"}))
    with pytest.raises(keras_tuner.errors.FatalValueError, match="another --output_dir"):
        run(tmp_path / "search", "random", max_trials=3)
    (tmp_path / "search" / "search.json").unlink()
    run(tmp_path / "search", "random", max_trials=3)
    assert statuses(tmp_path / "search") == ["COMPLETED"] * 3


@every_oracle
def test_06_trial_that_ends_its_process_is_given_up(tmp_path, name):
    def score(values):
        if values == killer:
            os.kill(os.getpid(), signal.SIGKILL)
        return float(sum(values.values()))

    run(tmp_path / "whole", name)
    killer = read_trials(tmp_path / "whole")[0][2].values
    for attempt in range(1, 4):
        process = multiprocessing.get_context("fork").Process(
            target=run, args=(tmp_path / "search", name, score)
        )
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        *done, record = read_trials(tmp_path / "search")[0]
        assert [each.attempts for each in done] == [1, 1]
        assert (record.status, record.attempts) == ("RUNNING", attempt)
    # The state that its training keeps.
    checkpoint = checkpoint_path(tmp_path / "search", "0002")
    np.savez(checkpoint, history=json.dumps({"loss": [2.0, 1.0], "val_loss": [2.0, 1.0]}))
    with pytest.warns(RuntimeWarning, match=r"Trial 0002 is given up: the process ended 3 times"):
        run(tmp_path / "search", name, score)
    records, _ = read_trials(tmp_path / "search")
    # The budget is that of the search: six scores besides.
    assert [record.status for record in records] == [
        *["COMPLETED"] * 2,
        "FAILED",
        *["COMPLETED"] * 4,
    ]
    assert records[2].message.startswith(
        "the process ended 3 times during this trial, the last time after epoch 2; where nobody "
    )
    assert "--max_memory_gb" in records[2].message
    assert not checkpoint.exists()


def test_06_how_often_may_differ_when_a_search_goes_on(tmp_path):
    oracle = oracle_of("random", 1)
    Tuner(oracle, tmp_path / "search", None)
    oracle.create_trial("tuner0")
    with pytest.warns(RuntimeWarning, match="the process ended once during this trial;"):
        run(tmp_path / "search", "random", max_trials=1, max_attempts=1)
    assert statuses(tmp_path / "search") == ["FAILED", "COMPLETED"]
    with pytest.raises(ValueError, match="max_attempts must be at least 1"):
        oracle_of("random", 1, max_attempts=0)


@every_oracle
def test_07_trial_left_running_is_taken_up_and_nothing_else_is_kept(tmp_path, name):
    oracle = oracle_of(name)
    Tuner(oracle, tmp_path / "search", None)
    left = oracle.create_trial("tuner0")
    files = {path.name for path in (tmp_path / "search").rglob("*.json")}
    assert files == {"search.json", "trial.json"}
    again = oracle_of(name)
    tuner = Tuner(again, tmp_path / "search", lambda values: 1.0)
    assert again.remaining_trials() == 6
    tuner.search()
    first, *rest = again.records()
    assert (first.trial_id, first.values, first.attempts) == (
        left.trial_id,
        left.hyperparameters.values,
        2,
    )
    assert [record.status for record in (first, *rest)] == ["COMPLETED"] * 6


@every_oracle
def test_08_resume_does_not_hang_on_the_tuners_id(tmp_path, monkeypatch, name):
    run(tmp_path / "whole", name)
    run(tmp_path / "search", name, max_trials=3)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "another")
    run(tmp_path / "search", name)
    assert values_of(tmp_path / "search") == values_of(tmp_path / "whole")
    assert [each.attempts for each in read_trials(tmp_path / "search")[0]] == [1] * 6


@every_oracle
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), ValueError("diverged")])
def test_09_the_last_attempt_counts(tmp_path, name, bad):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        oracle = run(
            tmp_path / "a", name, counted(bad, 0.7, 0.6), max_retries_per_trial=2, max_trials=2
        )
    first, second = oracle.records()
    assert (first.status, first.score, first.metrics) == ("COMPLETED", 0.7, {"score": 0.7})
    assert (first.attempts, first.retries, first.message) == (2, 1, None)
    assert (second.score, second.attempts) == (0.6, 1)
    assert oracle.get_best_trials()[0].score == 0.7


@every_oracle
def test_09_an_attempt_that_was_killed_leaves_no_metric_behind(tmp_path, name):
    oracle = oracle_of(name)
    Tuner(oracle, tmp_path / "search", None)
    trial = oracle.create_trial("tuner0")
    oracle.update_trial(trial.trial_id, {"score": 0.2, "mae": 3.0})
    assert read_trials(tmp_path / "search")[0][0].metrics == {"score": 0.2, "mae": 3.0}
    again = run(tmp_path / "search", name, counted(0.6), max_trials=1)
    assert [(each.score, each.metrics) for each in again.records()] == [(0.6, {"score": 0.6})]


@every_oracle
def test_09_a_score_that_stays_nan_fails_the_trial(tmp_path, name):
    nan = float("nan")
    oracle = run(
        tmp_path / "a", name, counted(nan, nan, 0.5), max_retries_per_trial=1, max_trials=1
    )
    first, second = oracle.records()
    assert (first.status, first.score, first.message) == ("FAILED", None, "score is nan")
    assert (second.status, second.score) == ("COMPLETED", 0.5)


@every_oracle
def test_10_failures_use_no_budget_and_keep_their_traceback(tmp_path, name):
    outcomes = [ValueError(letter) for letter in "abc"]
    oracle = run(
        tmp_path / "search", name, counted(*outcomes, 0.1, KeyError("d"), 0.2), max_trials=2
    )
    records = oracle.records()
    assert [record.status for record in records] == ["FAILED"] * 3 + [
        "COMPLETED",
        "FAILED",
        "COMPLETED",
    ]
    assert records[1].message == "ValueError: b"
    assert records[1].traceback.startswith("Traceback")
    assert "in score" in records[1].traceback
    assert oracle.remaining_trials() == 0


@every_oracle
def test_10_a_fault_of_the_setup_stops_the_search_with_its_reason(tmp_path, name):
    def score(values):
        raise OSError(f"disk {values['c0']} is full")

    oracle = oracle_of(name)
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"OSError: disk \d is full"):
        Tuner(oracle, tmp_path / "search", score).search()
    assert statuses(tmp_path / "search") == ["FAILED"] * 5
    assert is_free(oracle)


@every_oracle
def test_10_infeasible_candidates_are_no_fault_of_the_setup(tmp_path, name):
    errors = [InfeasibleTrialError("needs 9 GB") for _ in range(12)]
    oracle = run(tmp_path / "search", name, counted(*errors, 0.3), max_trials=1)
    assert statuses(tmp_path / "search") == ["FAILED"] * 12 + ["COMPLETED"]
    assert oracle.records()[0].message == "InfeasibleTrialError: needs 9 GB"


@every_oracle
def test_10_a_method_that_raises_lets_go_of_the_lock(tmp_path, name):
    oracle = oracle_of(name)
    Tuner(oracle, tmp_path / "search", None)
    trial = oracle.create_trial("tuner0")
    with pytest.raises(ValueError, match="score"):
        oracle.update_trial(trial.trial_id, {"something": 1.0})
    assert is_free(oracle)


@every_oracle
def test_14_nobody_waits_in_a_busy_loop(tmp_path, name):
    space = keras_tuner.HyperParameters()
    space.Boolean("on")
    oracle = oracle_of(name, 5, space)
    Tuner(oracle, tmp_path / "search", None)
    asked = [oracle.create_trial(f"tuner{place}").status for place in range(4)]
    assert asked == ["RUNNING", "RUNNING", "STOPPED", "STOPPED"]


@every_oracle
def test_15_chief_and_workers_are_refused(monkeypatch, name):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(keras_tuner.errors.FatalValueError, match="KERASTUNER_ORACLE_IP"):
        oracle_of(name)


def test_15_a_record_keeps_conditional_children_in_order(tmp_path):
    space = keras_tuner.HyperParameters()
    space.Boolean("on")
    with space.conditional_scope("on", [True]):
        space.Choice("child", ["a", "b", "c"])
    run(tmp_path / "search", "random", lambda values: float(len(values)), space=space)
    for path in (tmp_path / "search" / "trials").glob("*/trial.json"):
        values = json.loads(path.read_text())["values"]
        assert list(values) == (["on", "child"] if values["on"] else ["on"])


def test_an_oracle_that_is_done_with_does_not_stay_in_memory(tmp_path):
    oracle = run(tmp_path / "search", "random", max_trials=1)
    found = weakref.ref(oracle)
    forget(oracle)
    del oracle
    gc.collect()
    assert found() is None
