"""Searches run as a user runs them, as processes; shared, since each takes many seconds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Enough trials for the model to propose some, at a rate at which they come to differ.
SMOKE = (
    *("--flagfile=configs/smoke.cfg", "--deterministic", "--seed=0"),
    *("--num_trials=6", "--epochs=3", "--learning_rate=0.01"),
)


@pytest.fixture(scope="session")
def start_search(tmp_path_factory):
    """A function that starts `run_search.py` with flags and returns the process."""
    cache = tmp_path_factory.mktemp("cache")

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "run_search.py", f"--cache_dir={cache}", *arguments],
            cwd=ROOT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def smoke_run(start_search, tmp_path_factory):
    """An uninterrupted search: its folder, standard output and standard error."""
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    process = start_search(*SMOKE, f"--output_dir={folder}")
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return folder, output, errors
