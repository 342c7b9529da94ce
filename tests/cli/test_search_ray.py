"""A search on Ray's workers: one is killed, then the run is interrupted, and nothing is lost."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from robmednas_tf.search.trials import COMPLETED, read_trials

from .conftest import SMOKE

# The first trials are drawn at random by their numbers alone, and so are those of the smoke run.
NUM_TRIALS = 4


def processes():
    """Every process's parent and command by its id."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(maxsplit=3) for line in listed.stdout.splitlines()]
    return {int(row[0]): (int(row[1]), row[3]) for row in rows if len(row) > 3 and row[2][0] != "Z"}


def below(ancestor):
    """Commands of a process's descendants by their ids."""
    found, everyone = {}, processes()
    for pid in everyone:
        line = [pid]
        while line[-1] in everyone:
            line.append(everyone[line[-1]][0])
        if ancestor in line[1:]:
            found[pid] = everyone[pid][1]
    return found


def wait_until(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def searched(start_search, tmp_path_factory):
    """The folder, what the interrupted and the last run said, and the trial that was killed."""
    folder = tmp_path_factory.mktemp("runs") / "ray"
    arguments = (
        *(*SMOKE, f"--num_trials={NUM_TRIALS}", f"--output_dir={folder}"),
        *("--executor=ray", "--num_workers=2"),
    )
    process = start_search(*arguments)
    wait_until(lambda: any(folder.glob("trials/*/checkpoint.npz")), process)
    killed = next(folder.glob("trials/*/checkpoint.npz")).parent.name
    (worker,) = (pid for pid, what in below(process.pid).items() if what == f"ray::{killed}")
    os.kill(worker, signal.SIGKILL)
    record = folder / "trials" / killed / "trial.json"
    wait_until(lambda: json.loads(record.read_text())["attempts"] == 2, process)
    started = below(process.pid)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (
        130,
        "Interrupted. The same command goes on from here.\n",
    )
    # Nothing of Ray is left behind.
    wait_until(lambda: not started.keys() & processes().keys(), None, 30)
    running = [each for each in read_trials(folder)[0] if each.status != COMPLETED]
    attempts = {each.trial_id: each.attempts for each in running}
    process = start_search(*arguments)
    last, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    return folder, (output, last), killed, attempts


def test_every_trial_is_completed_once_and_the_killed_one_went_on(searched):
    folder, (first, _), killed, interrupted = searched
    records, damaged = read_trials(folder)
    assert not damaged
    assert [record.status for record in records] == [COMPLETED] * NUM_TRIALS
    # The kill counts, the interruption does not.
    assert {each.trial_id: each.attempts for each in records} == {
        each.trial_id: 1 + (each.trial_id == killed) for each in records
    }
    assert interrupted.get(killed, 1) == 1
    assert f"Trial {killed}: its worker ended (attempt 1). It goes on" in first
    assert all(len(record.details["history"]["val_loss"]) == 3 for record in records)
    assert not list(folder.rglob("checkpoint*.npz"))


def test_the_scores_are_those_of_one_process(searched, smoke_run):
    ours, theirs = (read_trials(folder)[0][:NUM_TRIALS] for folder in (searched[0], smoke_run[0]))
    assert [record.values for record in ours] == [record.values for record in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.metrics == pytest.approx(other.metrics, abs=1e-4, rel=1e-4, nan_ok=True)


def test_repeats_and_the_final_training_ran_on_workers_too(searched):
    folder, (_, output), _, _ = searched
    assert "Confirming the 2 best trials with new seeds: 2 done" in output
    assert len(list(folder.glob("confirmations/*.json"))) == 2
    made = json.loads((folder / "best_model" / "training.json").read_text())
    assert made["note"] is None
    assert len(made["history"]["val_loss"]) == 2
    used = json.loads((folder / "environment.json").read_text())["executor"]
    assert (used["name"], used["num_workers"], used["cpus_per_trial"]) == ("ray", 2, 1)
    # A search may go on with another executor.
    assert "ray" not in (folder / "search.json").read_text()


def test_progress_is_in_plain_lines_and_ray_says_nothing_itself(searched):
    output = searched[1][1]
    lines = output.splitlines()
    ended = [line for line in lines if re.match(r"Trial \d/4 \(000\d\): adversarial_dice", line)]
    assert ended
    assert "Ray trains 2 at a time." in lines
    assert "raylet" not in "".join(searched[1])
    assert "\x1b" not in output
