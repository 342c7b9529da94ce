"""The benchmarks still fit the package, and their stock side scores as the package does."""

import dataclasses
import os
import signal
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

from robmednas_tf.cli.search_flags import FLAGS
from robmednas_tf.evaluation.metrics import mean_over_regions, volume_scores
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.repeats import RepeatRecord, write_repeat
from robmednas_tf.search.trials import COMPLETED, TrialRecord, id_of, write_trial


@pytest.fixture
def benchmarks(monkeypatch):
    folder = Path(__file__).resolve().parents[1] / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    return folder


def test_memory_draws_within_its_space_and_its_cases_import(benchmarks):
    import memory
    import memory_cases

    space = SearchSpace(max_depth=2, filters=(8,), reduction_ratios=(2,))
    generator = np.random.default_rng(0)
    drawn = {memory.random_architecture(space, generator) for _ in range(20)}
    assert len(drawn) > 10
    assert all(architecture in space for architecture in drawn)
    assert memory_cases.SMALL in SearchSpace()


def test_a_replayed_search_spends_what_its_rungs_leave(benchmarks):
    from pruning_replay import Candidate, replay

    from robmednas_tf.search.pruning import Pruner

    scores = [0.5, 0.4, 0.6, 0.3]
    known = [Candidate({1: score, 4: score + 0.1, 12: score + 0.2}) for score in scores]
    ended, epochs = replay(known, Pruner("halving", (1, 4)))
    # Of four, the first and the third are the best so far when they come.
    assert (ended, epochs) == ([known[0], known[2]], 12 + 1 + 12 + 1)
    assert replay(known) == (known, 48)


def test_processor_times_are_those_of_a_process_and_all_below_it(benchmarks):
    import workers

    with subprocess.Popen(["sh", "-c", "sleep 60; true"], start_new_session=True) as shell:
        try:
            times = workers.processor_times(os.getpid())
            assert {os.getpid(), shell.pid} <= set(times)
            assert times[os.getpid()] > 0
            assert os.getpid() not in workers.processor_times(shell.pid)
        finally:
            os.killpg(shell.pid, signal.SIGKILL)


def test_both_sides_of_a_trial_are_scored_alike(benchmarks):
    pytest.importorskip("cleverhans")
    import stock
    import trial

    rng = np.random.default_rng(0)
    y_true, y_pred = rng.uniform(-1000, 2000, (2, 3, 8, 8, 1)).astype("float32")
    expected = mean_over_regions(volume_scores(y_true, y_pred))
    assert stock.masked_scores(y_true, y_pred) == pytest.approx(expected, rel=1e-5)
    assert all(architecture in trial.SPACE for architecture in trial.ARCHITECTURES.values())


def test_a_soak_tells_trials_lost_counted_twice_and_changed(benchmarks, tmp_path, parsed):
    import soak

    with parsed(FLAGS, *soak.SEARCH) as flags:
        assert (flags.num_trials, flags.max_attempts) == (soak.NUM_TRIALS, 1000)
    searches = [soak.Search(tmp_path / name, tmp_path, []) for name in ("whole", "killed")]
    assert "the trials are not as many as were asked for" in soak.lost_or_twice(searches[1])
    for search in searches:
        for number in range(soak.NUM_TRIALS):
            values, score = {"x": number}, number / 10
            record = TrialRecord(id_of(number), number, COMPLETED, 1, "model", values, score)
            write_trial(search.folder, record)
        for trial in range(soak.CONFIRM_TOP):
            for repeat in range(1, soak.CONFIRM_SEEDS + 1):
                record = RepeatRecord(id_of(trial), repeat, {}, COMPLETED, 1, 0.5)
                write_repeat(search.folder, record)
        for name in ("confirmed.csv", "best_architecture.json"):
            (search.folder / name).write_text("")
        layer = keras.layers.Dense(2, kernel_initializer="ones")
        write_model(search.folder, keras.Sequential([keras.Input((3,)), layer]))
    assert soak.differences(*searches, "local") == soak.lost_or_twice(searches[1]) == []
    changed = dataclasses.replace(searches[1].trials()[3], score=0.31, values={"x": 2})
    write_trial(searches[1].folder, changed)
    (searches[1].folder / ".partial-x").write_text("")
    left, *wrong = soak.differences(*searches, "local")
    assert ".partial-x" in left
    assert wrong == ["trials differ", "files differ"]
    assert soak.lost_or_twice(searches[1]) == ["an architecture was tried twice"]
    (tmp_path / "killed" / "trials" / "0005" / "trial.json").unlink()
    assert "a trial's number is missing" in soak.differences(*searches, "ray")


def write_model(folder, model):
    (folder / "best_model").mkdir()
    model.save(folder / "best_model" / "model.keras")
