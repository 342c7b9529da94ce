"""Pruning: the rule by itself and against Optuna's, and what an oracle makes of it on disk."""

import math
from collections import Counter
from types import SimpleNamespace

import keras_tuner
import numpy as np
import optuna
import pytest

from robmednas_tf.search import ledger
from robmednas_tf.search.failures import setup_fault
from robmednas_tf.search.oracles import ORACLES
from robmednas_tf.search.pruning import Pruner, default_rungs, rungs_in, stopped_at
from robmednas_tf.search.quiet import quiet_optuna
from robmednas_tf.search.trials import (
    COMPLETED,
    FAILED,
    PRUNED,
    RUNNING,
    TrialRecord,
    best,
    id_of,
    read_trials,
)

HIGH = SimpleNamespace(name="score", direction="max")
LOW = SimpleNamespace(name="score", direction="min")


def passing(pruner, curves, objective=HIGH):
    """Each candidate's decisions by rung; candidates come one after the other."""
    records, decisions = [], []
    for number, curve in enumerate(curves):
        record = TrialRecord(id_of(number), number, RUNNING, 1, "random", {})
        decided = {}
        for epoch in pruner.rungs_of(number):
            rung = pruner.judge(records, record, epoch, {"score": curve[epoch]}, objective)
            rungs = [*record.details.get("rungs", ()), rung.to_dict()]
            record = TrialRecord(
                id_of(number), number, RUNNING, 1, "random", {}, details={"rungs": rungs}
            )
            decided[epoch] = rung.goes_on
            if not rung.goes_on:
                break
        records.append(record)
        decisions.append(decided)
    return decisions


def test_the_best_third_so_far_goes_on():
    scores = [0.5, 0.4, 0.6, 0.3, 0.7, 0.65, 0.7, 0.1, 0.66]
    # Alone; not the best of 2; the best of 3; not of 4; the best of 5; the second of 6, of which
    # 2 go on; equal to the best of 7; the last of 8; the third of 9, of which 3 go on, behind two
    # equal ones.
    expected = [True, False, True, False, True, True, True, False, True]
    curves = [{1: score} for score in scores]
    assert [each[1] for each in passing(Pruner("halving", (1,)), curves)] == expected
    mirrored = [{1: -score} for score in scores]
    assert [each[1] for each in passing(Pruner("halving", (1,)), mirrored, LOW)] == expected


@pytest.mark.parametrize("eta", [2, 3, 4])
@pytest.mark.parametrize("direction", ["min", "max"])
def test_decisions_are_those_of_optuna_where_rungs_are_powers_of_eta(eta, direction):
    rng = np.random.default_rng(eta)
    rungs = (1, eta, eta**2)
    # Rounded, so that some are equal.
    curves = [
        dict(zip(rungs, np.round(rng.uniform(size=3), 2).tolist(), strict=True)) for _ in range(60)
    ]
    with quiet_optuna():
        study = optuna.create_study(
            direction=f"{direction}imize",
            pruner=optuna.pruners.SuccessiveHalvingPruner(1, reduction_factor=eta),
        )
        expected = []
        for curve in curves:
            trial, decided = study.ask(), {}
            for epoch, score in curve.items():
                trial.report(score, epoch)
                decided[epoch] = not trial.should_prune()
                if not decided[epoch]:
                    break
            expected.append(decided)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    objective = SimpleNamespace(name="score", direction=direction)
    found = passing(Pruner("halving", rungs, eta), curves, objective)
    assert found == expected
    assert 3 in Counter(map(len, found))


def test_failed_candidates_compete_no_more_and_an_undefined_score_does_not_go_on():
    pruner = Pruner("halving", (2,))
    rung = pruner.judge([], TrialRecord("0000", 0, RUNNING, 1, "", {}), 2, {"score": 9.0}, HIGH)
    rungs = {"rungs": [rung.to_dict()]}
    record = TrialRecord("0001", 1, RUNNING, 1, "", {})
    for status, goes_on in [(RUNNING, False), (PRUNED, False), (FAILED, True)]:
        other = TrialRecord("0000", 0, status, 1, "", {}, details=rungs)
        assert pruner.judge([other], record, 2, {"score": 1.0}, HIGH).goes_on is goes_on
    undefined = pruner.judge([], record, 2, {"score": math.nan}, HIGH)
    assert not undefined.goes_on
    assert math.isnan(
        rungs_in(
            TrialRecord("0001", 1, RUNNING, 1, "", {}, details={"rungs": [undefined.to_dict()]})
        )[0].score
    )


def test_hyperband_has_brackets_in_the_papers_proportions_that_do_not_compete():
    pruner = Pruner("hyperband", (1, 3))
    # ceil(3 * 9 / 3), ceil(3 * 3 / 2) and ceil(3 * 1 / 1) trials of 17.
    assert Counter(map(pruner.rungs_of, range(34))) == {(1, 3): 18, (3,): 10, (): 6}
    assert set(map(pruner.rungs_of, range(6))) == {(1, 3), (3,), ()}
    numbers = [number for number in range(17) if pruner.rungs_of(number) == (3,)]
    curves = [{1: 1.0, 3: 1.0}] * 17
    curves[numbers[0]] = {3: 0.1}
    # Worse than all of the first bracket, but the first of its own.
    assert passing(pruner, curves)[numbers[0]] == {3: True}


@pytest.mark.parametrize(
    ("epochs", "eta", "expected"),
    [
        (12, 3, (6,)),
        (36, 3, (6, 18)),
        (150, 3, (8, 25, 75)),
        (48, 2, (6, 12, 24)),
        (2, 3, (1,)),
        (1, 3, ()),
    ],
)
def test_rungs_follow_from_epochs_and_eta(epochs, eta, expected):
    assert default_rungs(epochs, eta) == expected


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "median"}, "halving or hyperband. Received: 'median'"),
        ({"rungs": ()}, "Received: none"),
        ({"rungs": (0, 4)}, "Received: 0,4"),
        ({"rungs": (4, 4)}, "Received: 4,4"),
        ({"eta": 1}, "at least 2. Received: 1"),
    ],
)
def test_impossible_pruners_are_refused(values, said):
    with pytest.raises(ValueError, match=said):
        Pruner(**{"name": "halving", "rungs": (1, 4), **values})


# An oracle's candidates need no training here: the curve follows from the values.
EPOCHS = 9
HALVING = Pruner("halving", (1, 3))


def curve_of(values):
    return {epoch: values["a"] * epoch / EPOCHS + 0.01 * values["b"] for epoch in (1, 3, EPOCHS)}


class Search(keras_tuner.engine.base_tuner.BaseTuner):
    def __init__(self, oracle, folder):
        super().__init__(oracle, directory=str(folder.parent), project_name=folder.name)
        oracle.verbose = 0

    def run_trial(self, trial):
        number = self.oracle.record(trial.trial_id).number
        curve = curve_of(trial.hyperparameters.values)
        for epoch in self.oracle.pruner.rungs_of(number) if self.oracle.pruner else ():
            if not self.oracle.rung_reached(trial.trial_id, epoch, {"score": curve[epoch]}):
                return {"score": curve[epoch]}
        return {"score": curve[EPOCHS]}


def run(folder, name="bayesian", max_trials=20, pruner=HALVING):
    space = keras_tuner.HyperParameters()
    space.Choice("a", list(range(20)))
    space.Choice("b", list(range(20)))
    oracle = ORACLES[name](keras_tuner.Objective("score", "max"), max_trials, space, pruner=pruner)
    Search(oracle, folder).search()
    return oracle


def trajectory(folder):
    return [
        (each.values, each.source, each.status, each.score, each.metrics, each.details)
        for each in read_trials(folder)[0]
    ]


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_stopped_trials_use_the_budget_and_can_win_nothing(tmp_path, name):
    oracle = run(tmp_path / "search", name)
    records = oracle.records()
    assert len(records) == 20
    assert oracle.remaining_trials() == 0
    statuses = Counter(record.status for record in records)
    assert statuses[PRUNED] > 5
    assert statuses[COMPLETED] >= 2
    assert len(statuses) == 2
    for record in records:
        curve = curve_of(record.values)
        rungs = rungs_in(record)
        assert [rung.score for rung in rungs] == [curve[rung.epoch] for rung in rungs]
        stopped = stopped_at(record)
        if record.status == PRUNED:
            assert record.score is None
            assert record.metrics == {"score": stopped.score}
            assert stopped.epoch in (1, 3)
        else:
            assert stopped is None
            assert record.score == curve[EPOCHS]
    completed = [record for record in records if record.status == COMPLETED]
    assert {each.trial_id for each in best(records, "max", 20)} == {
        each.trial_id for each in completed
    }
    assert len(oracle.get_best_trials(20)) == len(completed)


def test_the_model_is_told_of_stopped_trials(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(
        optuna.Study, "add_trials", lambda _, trials: told.append(list(trials)), raising=True
    )
    records = run(tmp_path / "search").records()[:-1]
    states = {COMPLETED: "COMPLETE", PRUNED: "PRUNED"}
    assert [each.state.name for each in told[-1]] == [states[each.status] for each in records]
    for frozen, record in zip(told[-1], records, strict=True):
        assert frozen.intermediate_values == {rung.epoch: rung.score for rung in rungs_in(record)}
        assert frozen.value == record.score


def test_killed_at_any_write_and_resumed_decides_the_same(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    run(tmp_path / "whole", max_trials=6)
    whole = trajectory(tmp_path / "whole")
    assert {PRUNED, COMPLETED} == {each[2] for each in whole}
    write, calls = ledger.write_trial, [0, 0]

    def write_and_die(folder, record):
        write(folder, record)
        calls[0] += 1
        if calls[0] == calls[1]:
            raise Killed

    for call in range(1, 21):
        folder = tmp_path / f"killed{call}"
        calls[:] = 0, call
        with monkeypatch.context() as patch:
            patch.setattr(ledger, "write_trial", write_and_die)
            with pytest.raises(Killed):
                run(folder, max_trials=6)
        run(folder, max_trials=6)
        assert trajectory(folder) == whole, f"killed after write {call}"


def test_going_on_with_another_pruner_is_refused(tmp_path):
    run(tmp_path / "plain", max_trials=1, pruner=None)
    assert "pruner" not in (tmp_path / "plain" / "search.json").read_text()
    with pytest.raises(keras_tuner.errors.FatalValueError, match="pruner: nothing in the folder"):
        run(tmp_path / "plain")
    run(tmp_path / "search", max_trials=1)
    for pruner, said in [
        (None, "pruner: .*halving.* in the folder, nothing now"),
        (Pruner("halving", (1, 4)), r"pruner.rungs: \[1, 3\] in the folder, \[1, 4\] now"),
        (Pruner("halving", (1, 3), 4), "pruner.eta: 3 in the folder, 4 now"),
    ]:
        with pytest.raises(keras_tuner.errors.FatalValueError, match=said):
            run(tmp_path / "search", pruner=pruner)


def test_a_stopped_trial_speaks_for_the_setup():
    failed = [
        TrialRecord(id_of(number), number, FAILED, 1, "random", {}, message="no")
        for number in range(6)
    ]
    assert setup_fault(failed) is not None
    assert setup_fault([*failed, TrialRecord(id_of(6), 6, PRUNED, 1, "random", {})]) is None
