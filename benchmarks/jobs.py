"""Compares a study's steps done two at a time with the same steps done one after the other.

    python benchmarks/jobs.py --pairs=2

Both sides are `run_study.py --only=train` of the baseline with and without adversarial training,
two repeats of each, and differ in `--jobs` alone. They take turns, each pair in the other
order, so that what else the machine does hits both; its load is given beside the times. The machine
is measured and the slices are prepared before the clock starts. Flags after `--` go to both sides.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAME = (
    *("--flagfile=configs/study_phantom_short.cfg", "--repeats=2", "--seeds=0", "--folds=0"),
    *("--epochs=5", "--only=train/baseline,train/adversarial"),
)


def study(jobs: int, flags: list[str], folder: Path) -> float:
    """Returns the seconds that a study's steps take, so many at a time."""
    command = [sys.executable, "run_study.py", *SAME, *flags, f"--jobs={jobs}"]
    command.append(f"--output_dir={folder}")
    subprocess.run([*command, "--list"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def prepare(flags: list[str], folder: Path) -> None:
    """Lets one short training prepare the slices of all subjects."""
    command = [sys.executable, "run_study.py", *SAME, *flags, "--epochs=1", "--repeats=1"]
    command += ["--only=train/baseline", f"--output_dir={folder}"]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    """Runs the pairs and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2, help="Studies a side.")
    parser.add_argument("--jobs", type=int, default=2, help="Steps at a time on the one side.")
    parser.add_argument("flags", nargs="*", help="Further flags of run_study.py, after --.")
    arguments = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        flags = [f"--cache_dir={name}/cache", *arguments.flags]
        prepare(flags, Path(name) / "prepared")
        print("| steps at a time | seconds | load |\n|---|---|---|")
        for pair in range(arguments.pairs):
            taken = {}
            for jobs in sorted((1, arguments.jobs), reverse=bool(pair % 2)):
                taken[jobs] = study(jobs, flags, Path(name) / f"{pair}_{jobs}")
                print(f"| {jobs} | {taken[jobs]:.0f} | {os.getloadavg()[0]:.1f} |", flush=True)
            ratios.append(taken[arguments.jobs] / taken[1])
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"\n{arguments.jobs} at a time / one, time: {statistics.median(ratios):.2f} ({shown})")


if __name__ == "__main__":
    main()
