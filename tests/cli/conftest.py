"""Searches run as a user runs them, as processes; shared, since each takes many seconds."""

import contextlib
import functools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from robmednas_tf.cli import command as commands

ROOT = Path(__file__).resolve().parents[2]
# Enough trials for the model to propose some, at a rate at which they come to differ.
SMOKE = (
    *("--flagfile=configs/smoke.cfg", "--deterministic", "--seed=0"),
    *("--num_trials=6", "--epochs=3", "--learning_rate=0.01"),
)


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """A function that starts `run_<command>.py` with flags and returns the process."""
    cache = tmp_path_factory.mktemp("cache")

    def start(command, *arguments):
        return subprocess.Popen(
            [sys.executable, f"run_{command}.py", f"--cache_dir={cache}", *arguments],
            cwd=ROOT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def finished(start):
    """A function that runs a command to its successful end and returns what it said."""

    def run(command, *arguments):
        process = start(command, *arguments)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert errors == ""
        return output

    return run


@pytest.fixture(scope="session")
def start_search(start):
    """A function that starts `run_search.py` with flags and returns the process."""
    return functools.partial(start, "search")


@pytest.fixture
def refusal(tmp_path, capsys, parsed):
    """A function that runs a command in this process and returns its one line of refusal."""

    def run(main, flag_values, *arguments):
        capsys.readouterr()
        flags = [
            *("--image_size=16", f"--output_dir={tmp_path / 'run'}"),
            *(f"--cache_dir={tmp_path / 'cache'}", *arguments),
        ]
        with pytest.raises(SystemExit) as stop, contextlib.ExitStack() as stack:
            with commands.refusing_bad_input():
                stack.enter_context(parsed(flag_values, *flags))
            main()
        assert stop.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        return lines[0]

    return run


def table_rows(markdown):
    """The rows of all tables in a Markdown text, cell by cell."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def wait_for(path, process):
    """Waits until a running process has made a file or folder."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="session")
def smoke_run(start_search, tmp_path_factory):
    """An uninterrupted search: its folder, standard output and standard error."""
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    process = start_search(*SMOKE, f"--output_dir={folder}")
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return folder, output, errors


# One block a way, trained for a moment on heads of 16 x 16.
_BLOCK = '[{"pattern": "0100", "filters": 8}]'
TINY = f'{{"encoder": {_BLOCK}, "decoder": {_BLOCK}}}'
HEADS = ("--image_size=16", "--slices_per_subject=8", "--num_phantoms=9", "--num_test=3")


@pytest.fixture(scope="session")
def trained(finished, tmp_path_factory):
    """Two trainings that have ended, regular and adversarial: folders and what was said."""
    folder = tmp_path_factory.mktemp("trainings")
    (folder / "tiny.json").write_text(TINY)
    said = {}
    for name, flags in {"regular": (), "adversarial": ("--adversarial",)}.items():
        said[name] = finished(
            "train",
            *(*HEADS, f"--architecture={folder / 'tiny.json'}", "--epochs=4"),
            *("--learning_rate=0.01", "--deterministic", f"--output_dir={folder / name}", *flags),
        )
    return folder, said
