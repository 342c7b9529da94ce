"""A small search that is killed again and again, against the same search left alone. Linux only.

    python benchmarks/soak.py --kills=50 [--executor=local]

Kills hit the start, trainings, scorings, the writing of files, the confirmation, the final
training, the export and the report; each time the same command is started again. For the local
executor all that the search leaves must equal, bit for bit, what it leaves undisturbed; with
workers, which may end in any order, no trial may be lost and none counted twice.
"""

from __future__ import annotations

import argparse
import collections
import functools
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from robmednas_tf.search.repeats import RepeatRecord
from robmednas_tf.search.trials import COMPLETED, RUNNING, TrialRecord, read_trials

ROOT = Path(__file__).resolve().parents[1]
NUM_TRIALS, CONFIRM_TOP, CONFIRM_SEEDS = 8, 2, 2
# Each trial, each repeat, the winner's training, the report.
NUM_UNITS = NUM_TRIALS + CONFIRM_TOP * CONFIRM_SEEDS + 2
SEARCH = (
    *("--flagfile=configs/smoke.cfg", "--deterministic", "--image_size=16", "--epochs=6"),
    *("--learning_rate=0.01", "--final_epochs=8", f"--num_trials={NUM_TRIALS}"),
    *(f"--confirm_top={CONFIRM_TOP}", f"--confirm_seeds={CONFIRM_SEEDS}", "--max_attempts=1000"),
)
# Shares of the kills that hit a process before it is at work, and one that writes a file.
EARLY, WRITING = 0.1, 0.4
LOCAL = "local"


class Search:
    """One search in its folder, started as often as it is killed.

    Args:
        folder: The run's; what it says is kept beside it.
        cache: Prepared slices.
        flags: Besides `SEARCH`.
    """

    def __init__(self, folder: Path, cache: Path, flags: list[str]):
        self.folder, self._log = folder, folder.with_suffix(".log")
        paths = (f"--output_dir={folder}", f"--cache_dir={cache}")
        self.process: subprocess.Popen | None = None
        self._command = [sys.executable, "run_search.py", *SEARCH, *flags, *paths]

    def start(self) -> None:
        """Starts the command, or starts it again."""
        self._started = time.time()
        with self._log.open("a") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, stdout=log, stderr=log)

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def wait_until(self, is_so: Callable[[], bool], seconds: float, every_s: float = 0.001) -> bool:
        """Waits for something, for the process's end or for some seconds, whichever is first."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            if is_so():
                return True
            time.sleep(every_s)
        return False

    def finish(self) -> None:
        """Waits for the end, which must be a good one."""
        if self.process.wait():
            raise SystemExit(f"The search failed:\n{self._log.read_text()[-3000:]}")

    def is_at_work(self) -> bool:
        """Whether the process has checked its settings and prepared its subjects."""
        path = self.folder / "environment.json"
        return path.exists() and path.stat().st_mtime > self._started

    def is_writing(self) -> bool:
        """Whether a file is half written."""
        return any(self.folder.rglob(".partial-*"))

    def has_done(self, num_units: int) -> bool:
        """Whether so many of `NUM_UNITS` are over."""
        return self.num_done() >= num_units

    def num_done(self) -> int:
        """Returns how many of `NUM_UNITS` are over."""
        trials = sum(each.status != RUNNING for each in self.trials())
        repeats = sum(each.is_over for each in self.repeats())
        made = (self.folder / "best_model" / "training.json", self.folder / "report.html")
        return trials + repeats + sum(path.exists() for path in made)

    def phase(self) -> str:
        """Returns what the process is at."""
        if not self.is_at_work():
            return "start"
        if sum(each.status == COMPLETED for each in self.trials()) < NUM_TRIALS:
            return "trial"
        if sum(each.is_over for each in self.repeats()) < CONFIRM_TOP * CONFIRM_SEEDS:
            return "confirmation"
        if (self.folder / "best_model" / "training.json").exists():
            return "report"
        return "export" if (self.folder / "best_model/model.keras").exists() else "final training"

    def trials(self) -> list[TrialRecord]:
        """Returns the trials so far."""
        return read_trials(self.folder)[0]

    def repeats(self) -> list[RepeatRecord]:
        """Returns the repeats so far."""
        paths = sorted(self.folder.glob("confirmations/*.json"))
        return [RepeatRecord.from_dict(json.loads(path.read_text())) for path in paths]


def undisturbed(search: Search) -> float:
    """Runs a search to its end; returns how long one of its units took, in seconds."""
    search.start()
    search.wait_until(search.is_at_work, 600)
    began = time.monotonic()
    search.finish()
    return (time.monotonic() - began) / NUM_UNITS


def disturbed(search: Search, num_kills: int, unit_s: float, dice: random.Random) -> dict:
    """Kills a search so many times, spread over its units, and lets it end.

    Returns:
        How many kills hit each phase, and each phase's writing of files.
    """
    kills: collections.Counter[str] = collections.Counter()
    for number in range(num_kills):
        if not search.is_running():
            search.start()
        if dice.random() < EARLY:
            search.wait_until(lambda: False, dice.uniform(0, 10))
        else:
            search.wait_until(search.is_at_work, 600)
            share = number * NUM_UNITS // num_kills
            search.wait_until(functools.partial(search.has_done, share), 600, every_s=0.1)
            # At some moment of the next unit, however fast the machine is by now.
            is_over = functools.partial(search.has_done, share + 1)
            search.wait_until(is_over, dice.uniform(0, unit_s), every_s=0.05)
        is_hit_writing = dice.random() < WRITING and search.wait_until(search.is_writing, unit_s)
        if search.is_running():
            hit = victim(search.process.pid, dice)
            who = "" if hit == search.process.pid else ", a worker"
            kills[search.phase() + (", writing" if is_hit_writing else "") + who] += 1
            kill(hit)
            # A killed worker leaves its driver, which goes on until its own turn comes.
            search.wait_until(lambda: False, 1)
        if search.process.poll() not in (None, 0, -signal.SIGKILL):
            search.finish()
        print(f"kill {number + 1}: {search.num_done()} of {NUM_UNITS} units done", flush=True)
    if not search.is_running():
        search.start()
    search.finish()
    return dict(kills)


def victim(driver: int, dice: random.Random) -> int:
    """Returns the driver's process, or one of its workers'."""
    return dice.choice([driver, *workers(driver)])


def workers(process: int) -> list[int]:
    """Returns the processes below one that train candidates."""
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += workers(child)
            if Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"ray::"):
                found.append(child)
    return found


def kill(process: int) -> None:
    """Kills a process, unless it has ended meanwhile."""
    subprocess.run(["kill", "-KILL", str(process)], capture_output=True, check=False)


def differences(expected: Search, found: Search, executor: str) -> list[str]:
    """Returns what should be the same of two searches, and is not."""
    wrong = [f"left over: {path}" for path in left_over(found.folder)]
    if executor != LOCAL:
        return wrong + lost_or_twice(found)
    pairs = {
        "trials": [[_outcome(each) for each in one.trials()] for one in (expected, found)],
        "repeats": [[_repeat(each) for each in one.repeats()] for one in (expected, found)],
        "files": [_files(one.folder) for one in (expected, found)],
    }
    for name in ("confirmed.csv", "best_architecture.json"):
        pairs[name] = [(one.folder / name).read_bytes() for one in (expected, found)]
    wrong += [f"{name} differ" for name, (one, other) in pairs.items() if one != other]
    weights = [_weights(one.folder) for one in (expected, found)]
    if not all(map(np.array_equal, *weights)):
        wrong.append("the final model's weights differ")
    return wrong


def lost_or_twice(found: Search) -> list[str]:
    """Returns which of a search's trials are lost, or counted twice."""
    trials = found.trials()
    wrong = []
    if [each.number for each in trials] != list(range(len(trials))):
        wrong.append("a trial's number is missing")
    if sum(each.status == COMPLETED for each in trials) != NUM_TRIALS:
        wrong.append("the trials are not as many as were asked for")
    if len({json.dumps(each.values, sort_keys=True) for each in trials}) != len(trials):
        wrong.append("an architecture was tried twice")
    if sum(each.is_over for each in found.repeats()) != CONFIRM_TOP * CONFIRM_SEEDS:
        wrong.append("the repeats are not as many as were asked for")
    return wrong


def left_over(folder: Path) -> list[Path]:
    """Returns what should have been removed in a run's folder."""
    return [path for kind in (".partial-*", "checkpoint*") for path in folder.rglob(kind)]


def _outcome(record: TrialRecord) -> tuple:
    kept = (record.number, record.status, record.source, record.score)
    # As text, in which one NaN is another.
    return (*kept, json.dumps([record.values, record.metrics, record.details]))


def _repeat(record: RepeatRecord) -> tuple:
    return (record.trial_id, record.repeat, record.status, json.dumps(record.metrics))


def _files(folder: Path) -> set[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path.parent if "tfevents" in path.name else path) for path in paths}


def _weights(folder: Path) -> list[np.ndarray]:
    return keras.saving.load_model(folder / "best_model" / "model.keras").get_weights()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--executor", default=LOCAL)
    parser.add_argument("--seed", type=int, default=0, help="Of the kills.")
    parser.add_argument("--flag", action="append", default=[], help="A flag of the search.")
    given = parser.parse_args()
    flags = [*given.flag, *([] if given.executor == LOCAL else [f"--executor={given.executor}"])]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = Search(folder / "whole", folder / "cache", flags)
        killed = Search(folder / "killed", folder / "cache", flags)
        unit_s = undisturbed(whole)
        print(f"Undisturbed: {unit_s:.1f} s for each of {NUM_UNITS} units", flush=True)
        kills = disturbed(killed, given.kills, unit_s, random.Random(given.seed))
        print("| phase | kills |\n|---|---|")
        for phase, count in sorted(kills.items()):
            print(f"| {phase} | {count} |")
        wrong = differences(whole, killed, given.executor)
        attempts = sum(each.attempts for each in (*killed.trials(), *killed.repeats()))
        print(f"\n{sum(kills.values())} kills, {attempts} attempts, ", end="")
        print(f"{(time.monotonic() - began) / 60:.0f} min.")
    if wrong:
        raise SystemExit("\n".join(wrong))
    print("Nothing is lost, nothing is left over, nothing differs.")


if __name__ == "__main__":
    main()
