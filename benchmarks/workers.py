"""Compares searches by two one-thread workers of Ray with searches in one two-thread process.

    python benchmarks/workers.py --pairs=3

Both sides are `run_search.py` with the same flags but for the executor, and train the same
candidates: drawn at random with one seed. They take turns, each pair in the other order, so that
what else the machine does hits both; its load is given beside the times. A rate is trials an hour
from the moment the search begins to the end of its last trial, which on Ray holds the workers'
start of TensorFlow. Processor time, which waits for nobody, is that of all the side's processes.
Linux only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIDES = {
    "one process": ("--executor=local",),
    "two workers": ("--executor=ray", "--num_workers=2", "--cpus_per_trial=1"),
}
# The quick start's trials; neither a confirmation nor a final training follows.
SAME = ("--oracle=random", "--confirm_top=0", "--final_epochs=0")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Searched:
    """What one search took.

    Attributes:
        whole_s: From the command's start to its end.
        trials_s: From the search's first record to its last.
        first_s: Of these, to the end of the first trial.
        cpu_s: Processor time of all its processes.
        num_trials: Trials completed.
        load: Processes that wanted to run, on average over the last minute, at its end.
    """

    whole_s: float
    trials_s: float
    first_s: float
    cpu_s: float
    num_trials: int
    load: float

    @property
    def rate(self) -> float:
        """Trials an hour."""
        return 3600 * self.num_trials / self.trials_s


def processor_times(root: int) -> dict[int, float]:
    """Returns the processor time, in seconds, of a process and all below it, by their ids."""
    parents, times = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(path.parent.name)
        parents[pid], times[pid] = int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS

    def is_below(pid: int) -> bool:
        while pid and pid != root:
            pid = parents.get(pid, 0)
        return pid == root

    return {pid: seconds for pid, seconds in times.items() if is_below(pid)}


def search(side: str, flags: list[str], folder: Path) -> Searched:
    command = [sys.executable, "run_search.py", *SAME, *flags, *SIDES[side]]
    started = time.time()
    process = subprocess.Popen(
        [*command, f"--output_dir={folder}"], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    cpu_s: dict[int, float] = {}
    while process.poll() is None:
        # What a process took is no longer known once it has ended.
        cpu_s |= processor_times(process.pid)
        time.sleep(0.2)
    ended = time.time()
    if process.returncode:
        raise SystemExit(f"The search by {side} failed.")
    ends = sorted(path.stat().st_mtime for path in folder.glob("trials/*/trial.json"))
    begun = (folder / "search.json").stat().st_mtime
    times = ended - started, ends[-1] - begun, ends[0] - begun
    return Searched(*times, sum(cpu_s.values()), len(ends), os.getloadavg()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3, help="Searches a side.")
    parser.add_argument("--trials", type=int, default=8, help="Trials a search.")
    parser.add_argument("flags", nargs="*", help="Further flags of run_search.py, after --.")
    arguments = parser.parse_args()
    pairs = []
    print(
        "| side | trials an hour | first trial, s | whole command, s | processor s a trial | load |"
    )
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        flags = [f"--num_trials={arguments.trials}", f"--cache_dir={name}/cache", *arguments.flags]
        for pair in range(arguments.pairs):
            done = {}
            for side in sorted(SIDES, reverse=bool(pair % 2)):
                done[side] = each = search(side, flags, Path(name) / f"{pair} {side}")
                print(
                    f"| {side} | {each.rate:.0f} | {each.first_s:.1f} | {each.whole_s:.1f} "
                    f"| {each.cpu_s / each.num_trials:.1f} | {each.load:.1f} |",
                    flush=True,
                )
            pairs.append((done["two workers"], done["one process"]))
    for what, ratios in {
        "trials an hour": [ours.rate / theirs.rate for ours, theirs in pairs],
        "whole command": [ours.whole_s / theirs.whole_s for ours, theirs in pairs],
        "processor time": [ours.cpu_s / theirs.cpu_s for ours, theirs in pairs],
    }.items():
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"\nTwo workers / one process, {what}: {statistics.median(ratios):.2f} ({shown})")


if __name__ == "__main__":
    main()
