"""Published searches, taken over into a study: `docs/take_searches.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from robmednas_tf.report.study_results import read_results

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "phantom" / "results"
FLAGS = ("--flagfile=configs/study_phantom_long.cfg", "--repeats=2")


def run(script, *arguments):
    command = [sys.executable, script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "run"
    taken = run("docs/take_searches.py", RESULTS, *FLAGS, f"--output_dir={folder}")
    assert taken.returncode == 0, taken.stderr
    return folder


def test_each_repeat_gets_the_architecture_that_was_found_for_it(folder):
    runs = [run for run in read_results(RESULTS).runs if run.part == "arm" and run.number <= 2]
    names = {"random": "draw/random/{:02d}/architecture.json"}
    for arm in ("robmednas_r", "robmednas_t"):
        names[arm] = f"search/{arm}/{{:02d}}/best_architecture.json"
    found = {
        (arm, number): (folder / "steps" / name.format(number)).read_text(encoding="utf-8")
        for arm, name in names.items()
        for number in (1, 2)
    }
    expected = {(run.arm, run.number): run.architecture.to_json() + "\n" for run in runs}
    assert found == {key: text for key, text in expected.items() if key[0] in names}


def test_the_study_takes_them_for_done(folder):
    flags = (*FLAGS, f"--output_dir={folder}", "--only=search,draw", "--jobs=2")
    listed = run("run_study.py", *flags)
    assert listed.returncode == 0, listed.stderr
    assert "train/baseline/01 the first" in listed.stdout
    outcome = folder / "steps" / "search" / "robmednas_t" / "01" / "outcome.json"
    assert len(json.loads(outcome.read_text(encoding="utf-8"))["scores"]) == 40


@pytest.mark.parametrize(
    "flag", ["--num_trials=3", "--split_seed=3", "--max_depth=2", "--repeats=6"]
)
def test_other_searches_are_refused(flag, tmp_path):
    taken = run("docs/take_searches.py", RESULTS, *FLAGS, flag, f"--output_dir={tmp_path}")
    assert taken.returncode == 2
    assert flag.partition("=")[0] in taken.stderr
    assert not list(tmp_path.iterdir())
