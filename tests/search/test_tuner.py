"""The tuner: what it leaves on disk, what it forgets, and how it takes an interruption."""

import errno
import itertools
import json
import os
from pathlib import Path
from types import SimpleNamespace

import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from robmednas_tf.cli.search_result import trial_model
from robmednas_tf.evaluation.inference import AttackedInference, summarize
from robmednas_tf.search.candidates import CandidateResult
from robmednas_tf.search.executor import Outcome, WorkerLostError
from robmednas_tf.search.hyperparameters import declare_space
from robmednas_tf.search.oracles import RandomOracle
from robmednas_tf.search.pruning import Pruner, rungs_in
from robmednas_tf.search.run_folder import RunFolderError
from robmednas_tf.search.trials import (
    COMPLETED,
    FAILED,
    PRUNED,
    RUNNING,
    checkpoint_path,
    read_trials,
    weights_path,
)
from robmednas_tf.search.tuner import SearchTuner

from .executors import ScriptedExecutor


class Progress:
    def __init__(self):
        self.told = []

    def trial_started(self, record):
        self.told.append(("started", record.trial_id))

    def epoch_ended(self, record, epoch, val_loss):
        self.told.append(("epoch", epoch))

    def trial_ended(self, record):
        self.told.append(("ended", record.status))

    def trial_lost(self, record):
        self.told.append(("lost", record.attempts))


DICE = keras_tuner.Objective("adversarial_dice", "max")
# Of networks that have hardly learnt, Dice is the same.
MAE = keras_tuner.Objective("adversarial_mae", "min")


def make_tuner(
    hypermodel,
    folder,
    max_trials=3,
    keep_models=1,
    objective=DICE,
    pruner=None,
    executor=None,
):
    space = keras_tuner.HyperParameters()
    declare_space(space, hypermodel.space)
    oracle = RandomOracle(objective, max_trials, space, seed=0, pruner=pruner)
    tables = []
    tuner = SearchTuner(
        oracle,
        hypermodel,
        folder,
        keep_models,
        Progress(),
        lambda panel: np.zeros((4, 4, 3), np.uint8),
        tables.append,
        executor,
    )
    tuner.tables = tables
    return tuner


@pytest.fixture(scope="module")
def searched(hypermodel, tmp_path_factory):
    tuner = make_tuner(hypermodel, tmp_path_factory.mktemp("runs") / "run")
    tuner.search()
    return tuner


def test_every_trial_is_recorded_whole(searched):
    records = searched.oracle.records()
    assert [record.status for record in records] == [COMPLETED] * 3
    for record in records:
        assert record.score == record.metrics["adversarial_dice"]
        assert len(record.details["history"]["val_loss"]) == 2
        assert record.details["depth"] == len(record.details["architecture"]["encoder"])
        assert {"parameters", "flops", "memory_gb", "best_epoch"} <= set(record.details)
    assert [len(table) for table in searched.tables] == [1, 2, 3]


def test_only_the_best_keep_their_weights_and_they_are_those_scored(searched, hypermodel):
    kept = list(searched.folder.glob("trials/*/weights.npz"))
    best = searched.oracle.get_best_trials()[0]
    assert [path.parent.name for path in kept] == [best.trial_id]
    inference = AttackedInference(searched.load_model(best), hypermodel.attack)
    again = summarize([inference.score(hypermodel.data.test[0])])
    assert again["adversarial_dice"] == pytest.approx(best.score, abs=1e-6)
    parameters = searched.oracle.record(best.trial_id).details["parameters"]
    assert kept[0].stat().st_size < 4 * parameters + 50_000


def test_weights_not_kept_are_said(searched):
    worst = searched.oracle.get_best_trials(3)[-1]
    with pytest.raises(ValueError, match="keeps no weights"):
        searched.load_model(worst)


def test_tensorboard_has_curves_pictures_and_hyperparameters(searched):
    record = searched.oracle.records()[0]
    events = EventAccumulator(str(searched.folder / "tensorboard" / record.trial_id))
    events.Reload()
    tags = events.Tags()
    assert {"epoch/loss", "epoch/val_loss", "trial/adversarial_dice", "slices"} <= set(
        tags["tensors"]
    )
    started = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert all(name.encode() in started for name in record.values)
    # The folder tells trials of several searches apart, which would be averaged.
    assert f"{searched.folder.name}/{record.trial_id}".encode() in started
    summary = EventAccumulator(str(searched.folder / "tensorboard" / "search"))
    summary.Reload()
    metadata = summary.summary_metadata["_hparams_/experiment"]
    declared = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    columns = [info.name for info in declared.experiment.hparam_infos]
    assert columns == [each.name for each in searched.oracle.get_space().space]
    metrics = [info.name.tag for info in declared.experiment.metric_infos]
    assert metrics[0] == "trial/adversarial_dice"


def test_nothing_else_holds_state(searched):
    names = {path.name for path in searched.folder.iterdir()}
    assert names == {"search.json", "tensorboard", "trials"}


def test_progress_is_told_in_order(searched):
    told = searched.progress.told
    assert told[:4] == [("started", "0000"), ("epoch", 1), ("epoch", 2), ("ended", COMPLETED)]
    assert len(told) == 12


def test_a_second_search_in_the_folder_only_removes_what_a_kill_has_left(searched, hypermodel):
    before = sorted(searched.folder.glob("trials/*/*"))
    # Killed after a trial's record said that it has ended, and before anything was removed.
    for path in (checkpoint_path, weights_path):
        for trial in searched.oracle.get_best_trials(3)[1:]:
            path(searched.folder, trial.trial_id).write_text("left")
    again = make_tuner(hypermodel, searched.folder)
    again.search()
    assert again.progress.told == []
    assert again.oracle.records() == searched.oracle.records()
    assert sorted(searched.folder.glob("trials/*/*")) == before


def test_nothing_is_built_to_discover_the_space(hypermodel, tmp_path, monkeypatch):
    def refuse(*_args):
        raise AssertionError("a model was built")

    monkeypatch.setattr(hypermodel, "build", refuse)
    tuner = make_tuner(hypermodel, tmp_path / "run")
    assert len(tuner.oracle.get_space().space) == 1 + 4 * 4


def test_a_failed_candidate_is_recorded_and_the_search_goes_on(hypermodel, tmp_path, monkeypatch):
    real, calls = hypermodel.train_and_score, []

    def sometimes(*args):
        calls.append(args)
        if len(calls) == 1:
            raise FloatingPointError("The loss is not finite in epoch 1.")
        return real(*args)

    monkeypatch.setattr(hypermodel, "train_and_score", sometimes)
    tuner = make_tuner(hypermodel, tmp_path / "run", max_trials=1)
    tuner.search()
    failed, completed = tuner.oracle.records()
    assert (failed.status, completed.status) == (FAILED, COMPLETED)
    assert "FloatingPointError: The loss is not finite" in failed.message
    assert failed.details["parameters"] > 0


class Untrained:
    """A candidate that is scored without a training, and whose picture is blank."""

    def __init__(self):
        self.metrics = {"adversarial_dice": 0.5}
        self.fit = SimpleNamespace(best_epoch=0, history={"val_loss": [1.0]})
        self.inference = SimpleNamespace(panel=lambda *_: None)
        self.is_stopped = False

    def get_weights(self):
        return [np.zeros(3)]


@pytest.fixture
def untrained(hypermodel, monkeypatch):
    """The hypermodel, whose candidates cost no time."""
    monkeypatch.setattr(hypermodel, "build_architecture", lambda *_: Untrained())
    monkeypatch.setattr(hypermodel, "train_and_score", lambda *_: Untrained())
    return hypermodel


def test_whichever_file_a_full_disk_has_no_room_for_no_candidate_is_at_fault(
    untrained, tmp_path, monkeypatch
):
    real, written = os.fsync, itertools.count()

    def full_at_last(handle):
        if next(written) == num_files:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full_at_last)
    refused = []
    # One more file has room each time.
    for num_files in range(20):  # noqa: B007
        written, tuner = itertools.count(), make_tuner(untrained, tmp_path / "run", max_trials=1)
        try:
            tuner.search()
            break
        except RunFolderError as error:
            assert f"cannot be written into '{tmp_path / 'run'}'" in str(error)
            assert str(error).endswith("Free space there")
            refused.append(Path(str(error).split("'")[3]).name)
        assert {each.attempts for each in read_trials(tmp_path / "run")[0]} <= {0}
        assert not list(tmp_path.rglob(".partial-*"))
    assert set(refused) == {"search.json", "trial.json", "weights.npz"}
    assert [(each.status, each.attempts) for each in tuner.oracle.records()] == [(COMPLETED, 1)]


def test_where_curves_cannot_be_written_no_candidate_is_at_fault(untrained, tmp_path, monkeypatch):
    def full(*_args):
        raise tf.errors.ResourceExhaustedError(None, None, "events; No space left on device")

    for name in ("create_file_writer", "image"):
        with monkeypatch.context() as patched:
            patched.setattr(tf.summary, name, full)
            with pytest.raises(RunFolderError, match=r"No space left on device.*Free space"):
                make_tuner(untrained, tmp_path / "run", max_trials=1).search()
    tuner = make_tuner(untrained, tmp_path / "run", max_trials=1)
    tuner.search()
    assert [(each.status, each.attempts) for each in tuner.oracle.records()] == [(COMPLETED, 1)]


def test_weights_that_are_gone_or_damaged_are_trained_again(searched, recwarn):
    worst, best = searched.oracle.get_best_trials(3)[-1], searched.oracle.get_best_trials()[0]
    path = searched.weights_path(best.trial_id)
    kept = path.read_bytes()
    path.write_bytes(kept[: len(kept) // 2])
    try:
        models = {
            each.trial_id: trial_model(searched, searched.oracle.record(each.trial_id))
            for each in (worst, best)
        }
    finally:
        path.write_bytes(kept)
    said = [str(each.message) for each in recwarn if each.category is RuntimeWarning]
    assert len(said) == 1
    assert f"{best.trial_id}/weights.npz' is damaged; its network is trained again" in said[0]
    for trial_id, model in models.items():
        inference = AttackedInference(model, searched.hypermodel.attack)
        scores = summarize([inference.score(searched.hypermodel.data.test[0])])
        expected = searched.oracle.record(trial_id).score
        assert scores["adversarial_dice"] == pytest.approx(expected, abs=1e-3)


def test_an_interruption_does_not_count_against_the_trial(hypermodel, tmp_path, monkeypatch):
    def interrupted(*_args):
        raise KeyboardInterrupt

    real = hypermodel.train_and_score
    monkeypatch.setattr(hypermodel, "train_and_score", interrupted)
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            make_tuner(hypermodel, tmp_path / "run", max_trials=1).search()
    monkeypatch.setattr(hypermodel, "train_and_score", real)
    tuner = make_tuner(hypermodel, tmp_path / "run", max_trials=1)
    assert [record.status for record in tuner.oracle.records()] == [RUNNING]
    tuner.search()
    assert [record.status for record in tuner.oracle.records()] == [COMPLETED]


def test_a_candidate_that_was_interrupted_goes_on_from_its_last_epoch(
    hypermodel, searched, tmp_path, monkeypatch
):
    folder = tmp_path / "run"

    def interrupted(self, record, epoch, val_loss):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "epoch_ended", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_tuner(hypermodel, folder).search()
    first = make_tuner(hypermodel, folder)
    assert checkpoint_path(first.folder, "0000").is_file()
    first.search()
    epochs = hypermodel.training.epochs
    assert epochs > 1
    # The first epoch is not trained twice.
    told = [number for kind, number in first.progress.told if kind == "epoch"]
    assert told[: epochs - 1] == list(range(2, epochs + 1))
    # As if it had never stopped.
    pairs = zip(searched.oracle.records(), first.oracle.records(), strict=True)
    for expected, found in pairs:
        assert found.details["history"]["val_loss"] == pytest.approx(
            expected.details["history"]["val_loss"], rel=1e-4
        )
        assert found.score == pytest.approx(expected.score, abs=1e-3)
    events = EventAccumulator(str(folder / "tensorboard" / "0000"))
    events.Reload()
    assert [each.step for each in events.Tensors("epoch/val_loss")] == [*range(1, epochs + 1)]
    assert not list(folder.rglob("checkpoint.npz"))


def make_pruned(hypermodel, folder, max_trials=3):
    pruner = Pruner("halving", (1,))
    return make_tuner(hypermodel, folder, max_trials, objective=MAE, pruner=pruner)


@pytest.fixture(scope="module")
def pruned(hypermodel, tmp_path_factory):
    tuner = make_pruned(hypermodel, tmp_path_factory.mktemp("pruned") / "run")
    tuner.search()
    return tuner


def test_a_candidate_that_goes_on_is_as_without_a_pruner(pruned, searched):
    for record, plain in zip(pruned.oracle.records(), searched.oracle.records(), strict=True):
        assert record.values == plain.values
        losses, expected = (each.details["history"]["val_loss"] for each in (record, plain))
        assert losses == pytest.approx(expected[: len(losses)], rel=1e-4)
        if record.status == COMPLETED:
            assert record.metrics == pytest.approx(plain.metrics, rel=1e-4)
            assert len(losses) == len(expected)


def test_a_stopped_candidate_costs_no_epoch_more_and_keeps_no_weights(pruned):
    records = pruned.oracle.records()
    assert [record.status for record in records] == [COMPLETED, PRUNED, COMPLETED]
    assert ("ended", PRUNED) in pruned.progress.told
    for record in records:
        (rung,) = rungs_in(record)
        is_stopped = record.status == PRUNED
        assert rung.goes_on is not is_stopped
        assert len(record.details["history"]["val_loss"]) == (1 if is_stopped else 2)
        events = EventAccumulator(str(pruned.folder / "tensorboard" / record.trial_id))
        events.Reload()
        tags = set(events.Tags()["tensors"])
        assert "rung/adversarial_mae" in tags
        # On the HParams page, metrics are of whole trainings.
        assert ("trial/adversarial_mae" in tags) is not is_stopped
        assert "_hparams_/session_start_info" in events.summary_metadata
    best = pruned.oracle.get_best_trials()[0].trial_id
    assert [path.parent.name for path in pruned.folder.glob("trials/*/weights.npz")] == [best]


def test_killed_when_a_rung_is_decided_the_candidate_comes_to_the_same_end(
    pruned, hypermodel, tmp_path, monkeypatch
):
    answer, killed = RandomOracle.rung_reached, set()

    def killed_before_it_is_heard(oracle, trial_id, *args):
        goes_on = answer(oracle, trial_id, *args)
        if trial_id not in killed:
            killed.add(trial_id)
            raise KeyboardInterrupt
        return goes_on

    monkeypatch.setattr(RandomOracle, "rung_reached", killed_before_it_is_heard)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            make_pruned(hypermodel, tmp_path / "run").search()
    resumed = make_pruned(hypermodel, tmp_path / "run")
    resumed.search()
    assert len(killed) == 3
    pairs = zip(resumed.oracle.records(), pruned.oracle.records(), strict=True)
    for found, expected in pairs:
        assert found.status == expected.status
        assert found.metrics == pytest.approx(expected.metrics, rel=1e-4)
        assert len(found.details["history"]["loss"]) == len(expected.details["history"]["loss"])
        assert [rung.num_seen for rung in rungs_in(found)] == [
            rung.num_seen for rung in rungs_in(expected)
        ]


LOST = Outcome(error=WorkerLostError("The worker died."))


def scored(name):
    metrics = {"adversarial_dice": 0.5 + int(name) / 100, "val_loss": 0.1}
    return Outcome(CandidateResult(metrics, {"best_epoch": 1}))


def on_disk(folder, trial_id):
    return json.loads((folder / "trials" / trial_id / "trial.json").read_text())


def test_as_many_trials_run_as_there_are_workers_each_another(hypermodel, tmp_path):
    ongoing = []

    def script(name, attempt):
        ongoing.append((len(tuner.oracle.ongoing_trials), tuner.oracle.remaining_trials()))
        return scored(name)

    executor = ScriptedExecutor(script)
    tuner = make_tuner(hypermodel, tmp_path / "run", executor=executor)
    tuner.search()
    # The running ones are part of the budget.
    assert ongoing == [(2, 1), (2, 0), (1, 0)]
    records = tuner.oracle.records()
    assert [(each.status, each.attempts) for each in records] == [(COMPLETED, 1)] * 3
    assert len({json.dumps(each.values, sort_keys=True) for each in records}) == 3
    assert [each.score for each in records] == [0.5, 0.51, 0.52]


def test_a_lost_worker_costs_an_attempt_that_is_on_disk_before_the_next(hypermodel, tmp_path):
    folder, attempts = tmp_path / "run", []

    def script(name, attempt):
        if name == "0000":
            attempts.append((attempt, on_disk(folder, name)["attempts"]))
        return LOST if name == "0000" and attempt < 3 else scored(name)

    tuner = make_tuner(hypermodel, folder, executor=ScriptedExecutor(script))
    tuner.search()
    assert attempts == [(1, 1), (2, 2), (3, 3)]
    assert [(each.status, each.attempts) for each in tuner.oracle.records()] == [
        (COMPLETED, 3),
        (COMPLETED, 1),
        (COMPLETED, 1),
    ]
    assert [each for each in tuner.progress.told if each[0] == "lost"] == [("lost", 1), ("lost", 2)]


def test_a_trial_that_ends_its_worker_every_time_has_failed(hypermodel, tmp_path):
    folder = tmp_path / "run"
    executor = ScriptedExecutor(lambda name, attempt: LOST if name == "0000" else scored(name))
    tuner = make_tuner(hypermodel, folder, max_trials=2, executor=executor)
    checkpoint_path(folder, "0000").parent.mkdir(parents=True)
    checkpoint_path(folder, "0000").write_text("state")
    tuner.search()
    failed, *others = tuner.oracle.records()
    assert (failed.status, failed.attempts) == (FAILED, 3)
    assert "the process ended 3 times" in failed.message
    assert [each.status for each in others] == [COMPLETED] * 2
    assert ("ended", FAILED) in tuner.progress.told
    assert not checkpoint_path(folder, "0000").exists()
    assert FAILED in [each.status for table in tuner.tables for each in table]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_running_trials_get_their_attempts_back(hypermodel, tmp_path, error):
    def stop(name, attempt):
        if isinstance(error, OSError):
            return Outcome(error=error)
        raise error

    folder, executor = tmp_path / "run", ScriptedExecutor(stop)
    with pytest.raises((KeyboardInterrupt, RunFolderError)):
        make_tuner(hypermodel, folder, executor=executor).search()
    assert executor.log[-1][0] == "cancelled"
    assert [on_disk(folder, name)["attempts"] for name in ("0000", "0001")] == [0, 0]


def test_a_fault_of_the_setup_stops_the_trials_that_run(hypermodel, tmp_path):
    executor = ScriptedExecutor(lambda name, attempt: Outcome(error=RuntimeError("no driver")))
    tuner = make_tuner(hypermodel, tmp_path / "run", executor=executor)
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"same way.*no driver"):
        tuner.search()
    assert [each.status for each in tuner.oracle.records()] == [FAILED] * 5 + [RUNNING]
    assert executor.log[-1] == ("cancelled", "0005")
    assert tuner.oracle.records()[-1].attempts == 0
