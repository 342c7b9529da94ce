"""The benchmarks still fit the package, and their stock side scores as the package does."""

import dataclasses
import os
import random
import signal
import subprocess
import sys
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


def test_both_sides_of_a_trial_are_scored_alike(benchmarks, reference):
    reference("cleverhans")
    import stock
    import trial

    rng = np.random.default_rng(0)
    y_true, y_pred = rng.uniform(-1000, 2000, (2, 3, 8, 8, 1)).astype("float32")
    expected = mean_over_regions(volume_scores(y_true, y_pred))
    assert stock.masked_scores(y_true, y_pred) == pytest.approx(expected, rel=1e-5)
    assert all(architecture in trial.SPACE for architecture in trial.ARCHITECTURES.values())


@pytest.fixture
def soaked(benchmarks, tmp_path):
    """Two searches that have ended alike, as a soak compares them."""
    from soak_search import CONFIRM_SEEDS, CONFIRM_TOP, NUM_TRIALS, Search

    searches = [Search(tmp_path / name, tmp_path, []) for name in ("whole", "killed")]
    for search in searches:
        for number in range(NUM_TRIALS):
            record = TrialRecord(
                *(id_of(number), number, COMPLETED, 1, "model", {"x": number}, number / 10),
                details={"history": {}},
            )
            write_trial(search.folder, record)
        for trial in range(CONFIRM_TOP):
            for repeat in range(1, CONFIRM_SEEDS + 1):
                recipe = {"architecture": trial, "seed": repeat}
                record = RepeatRecord(id_of(trial), repeat, recipe, COMPLETED, 1, 0.5)
                write_repeat(search.folder, record)
        for name in ("confirmed.csv", "best_architecture.json"):
            (search.folder / name).write_text("")
        layer = keras.layers.Dense(2, kernel_initializer="ones")
        write_model(search.folder, keras.Sequential([keras.Input((3,)), layer]))
    return searches


def test_a_soak_searches_as_often_as_it_counts(benchmarks, tmp_path, parsed):
    from soak_outcome import lost_or_twice
    from soak_search import CONFIRM_SEEDS, CONFIRM_TOP, NUM_TRIALS, SEARCH, Search

    with parsed(FLAGS, *SEARCH) as flags:
        assert (flags.num_trials, flags.confirm_top) == (NUM_TRIALS, CONFIRM_TOP)
        assert (flags.confirm_seeds, flags.max_attempts) == (CONFIRM_SEEDS, 1000)
    empty = Search(tmp_path / "empty", tmp_path, [])
    assert "the trials are not as many as were asked for" in lost_or_twice(empty)


def test_a_soak_tells_trials_lost_counted_twice_and_changed(soaked):
    from soak_outcome import changed, differences, lost_or_twice

    whole, killed = soaked
    assert differences(whole, killed, "local") == differences(whole, killed, "ray") == []
    other = dataclasses.replace(killed.trials()[3], score=0.31)
    write_trial(killed.folder, other)
    assert changed(whole, killed) == ["1 trials have another result"]
    write_trial(killed.folder, dataclasses.replace(other, values={"x": 2}))
    (killed.folder / ".partial-x").write_text("")
    left, *wrong = differences(whole, killed, "local")
    assert ".partial-x" in left
    assert wrong == ["trials differ", "files differ"]
    assert lost_or_twice(killed) == ["an architecture was tried twice"]
    (killed.folder / "trials" / "0005" / "trial.json").unlink()
    assert "a trial's number is missing" in differences(whole, killed, "ray")


def test_a_soak_with_workers_tells_changed_repeats_and_weights(soaked):
    from soak_outcome import changed

    whole, killed = soaked
    write_repeat(killed.folder, dataclasses.replace(killed.repeats()[2], metrics={"dice": 0.1}))
    layer = keras.layers.Dense(2, kernel_initializer="zeros")
    write_model(killed.folder, keras.Sequential([keras.Input((3,)), layer]))
    assert changed(whole, killed) == [
        "1 repeats have another result",
        "the final model's weights differ",
    ]


def test_a_soak_tells_attempts_that_no_kill_explains(soaked):
    from soak import most_attempts
    from soak_outcome import lost_attempts

    killed = soaked[1]
    assert lost_attempts(killed, most_attempts({}, 2)) == []
    write_trial(killed.folder, dataclasses.replace(killed.trials()[3], attempts=3))
    assert lost_attempts(killed, most_attempts({"driver": 1, "mailbox": 5}, 2)) == []
    assert lost_attempts(killed, most_attempts({"driver": 1}, 1)) == [
        "14 attempts, of which the kills explain 13"
    ]
    assert lost_attempts(killed, most_attempts({"worker": 1, "driver": 1}, 1)) == []


def test_a_soak_kills_a_process_or_one_that_works_for_it(benchmarks):
    import soak

    title = "import sys, time; print(flush=True); time.sleep(60)"
    shown = ["ray::0003", "ray::Mailbox", "ray::RuntimeEnvAgent", "python"]
    running = [
        subprocess.Popen([name, "-c", title], executable=sys.executable, stdout=subprocess.PIPE)
        for name in shown
    ]
    try:
        for process in running:
            process.stdout.readline()
        found = soak.workers(os.getpid())
        assert {found.get(each.pid) for each in running} == {"worker", "mailbox", None}
        hit = {soak.victim(os.getpid(), random.Random(seed)) for seed in range(30)}
        assert hit == {("driver", os.getpid()), *((who, pid) for pid, who in found.items())}
    finally:
        for process in running:
            process.kill()
            process.communicate()


def write_model(folder, model):
    (folder / "best_model").mkdir(exist_ok=True)
    model.save(folder / "best_model" / "model.keras")
