"""A whole study on nine tiny heads: killed and gone on with, grown, and told."""

import csv
import itertools
import json
import signal
import time
from pathlib import Path

import pytest

from robmednas_tf.cli.study import main
from robmednas_tf.cli.study_flags import FLAGS
from robmednas_tf.cli.study_record import study_sizes
from robmednas_tf.cli.study_settings import settings_from_flags
from robmednas_tf.cli.subjects import open_cohort, split_subjects
from robmednas_tf.data.split import split_search
from robmednas_tf.study.arms import ARMS
from robmednas_tf.study.cost import StudyCosts
from robmednas_tf.study.outlook import disk_bytes
from robmednas_tf.study.plan import make_plan

SMALL = (
    *("--flagfile=configs/study_smoke.cfg", "--seeds=1", "--folds=0", "--repeats=1"),
    *("--baseline_repeats=1", "--num_trials=1", "--max_depth=1", "--epochs=1"),
    *("--deterministic", "--jobs=2"),
)


def marks(folder):
    return {
        path.parent.relative_to(folder / "steps").as_posix(): path.stat().st_mtime_ns
        for path in folder.glob("steps/**/done.json")
    }


@pytest.fixture(scope="session")
def study(start, finished, tmp_path_factory):
    """A study that was killed twice on the way and gone on with, and what was done each time."""
    folder = tmp_path_factory.mktemp("study") / "run"
    arguments = (*SMALL, f"--output_dir={folder}")
    moments = []
    for num_done in (3, 9):
        process = start("study", *arguments)
        end = time.monotonic() + 240
        while len(marks(folder)) < num_done and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        moments.append(marks(folder))
        assert len(moments[-1]) >= num_done
    # What is left of the steps that were under way ends by itself or is killed with them.
    finished("study", *arguments)
    return folder, moments


def test_what_was_done_before_a_kill_is_not_done_again(study):
    folder, moments = study
    for before, after in itertools.pairwise([*moments, marks(folder)]):
        assert {name: after[name] for name in before} == before
        assert len(after) > len(before)


def test_killed_twice_it_finds_what_an_undisturbed_one_finds(study, finished, tmp_path):
    folder, _ = study
    finished("study", *SMALL, f"--output_dir={tmp_path}")
    expected = sorted(path.relative_to(tmp_path) for path in tmp_path.glob("tables/*"))
    assert len(expected) > 6
    for name in [*expected, Path("results", "metrics.csv")]:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_every_arm_is_compared_on_the_same_subjects(study):
    folder, _ = study
    with (folder / "results" / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows if row["part"] == "arm"} == set(ARMS)
    split = json.loads((folder / "steps" / "compare" / "split.json").read_text(encoding="utf-8"))
    assert {row["subject"] for row in rows} == set(split["test"])
    assert (folder / "report.html").is_file()


def test_a_study_that_is_done_is_done_at_once(study, finished):
    folder, _ = study
    before = marks(folder)
    began = time.monotonic()
    output = finished("study", *SMALL, f"--output_dir={folder}", "--list")
    assert f"{len(before)} steps, {len(before)} done." in output
    assert marks(folder) == before
    assert time.monotonic() - began < 60


def test_another_baseline_makes_another_study(study, refusal, tmp_path):
    folder, _ = study
    other = tmp_path / "other.json"
    other.write_text(Path("configs/architectures/baseline_depth3.json").read_text("utf-8"), "utf-8")
    line = refusal(main, FLAGS, *SMALL, f"--output_dir={folder}", f"--baseline={other}")
    assert "'train/baseline/01'" in line
    assert "--architecture" in line


@pytest.mark.parametrize(
    ("name", "measured"), [("study_smoke", 9.5e6), ("study_phantom_short", 81e6)]
)
def test_the_disk_of_studies_that_were_run_is_foreseen(parsed, name, measured):
    with parsed(FLAGS, f"--flagfile=configs/{name}.cfg"):
        settings = settings_from_flags()
        whole = split_subjects(open_cohort(settings.data), settings.data)
        sub = split_search(whole.train, settings.num_subjects, settings.data.split_seed)
        costs = StudyCosts(study_sizes(settings, whole, sub), settings.baseline, settings.space)
    in_end, _ = disk_bytes(make_plan(settings.config, settings.steps), costs)
    assert 0.75 < in_end / measured < 1.25


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--attacks=transfer:0.1:from=a"], "must be made on each network by itself"),
        (["--repeats=0"], "--repeats must be at least 1"),
        (["--folds=1"], "--folds must be at least 2"),
        (["--only=trian"], "--only must name steps"),
        (["--attack=apgd:0.2:steps=5"], "Take pgd for fewer"),
        (["--baseline=absent.json"], "absent.json"),
        (["--jobs=0"], "--jobs must be at least 1"),
        (["--jobs=2", "--mirrored"], "--mirrored gives one step all of them"),
        (["--jobs=2", "--executor=ray"], "leave one of them out"),
    ],
)
def test_mistakes_are_refused(refusal, arguments, words):
    assert words in refusal(main, FLAGS, *arguments)
