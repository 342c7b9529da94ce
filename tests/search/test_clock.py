"""Clocks that jump: durations and order follow from none that does."""

import ast
import datetime
import itertools
import time
from pathlib import Path

import keras_tuner
import pytest
from keras_tuner.engine.base_tuner import BaseTuner

import robmednas_tf
from robmednas_tf.search.oracles import ORACLES
from robmednas_tf.search.trials import read_trials

PACKAGE = Path(robmednas_tf.__file__).parent
# What reads the time of day, and for what.
JUDGED = {
    "files.py": "the age of leftovers; a file being written is told by its lock",
    "data/file_digests.py": "whether a file has settled; where that is unsure it is read again",
    "folder_lock.py": "since when a folder is held, in words",
    "search/oracle.py": "when an attempt started, which nothing else reads",
}
WALL_CLOCKS = {"time.time", "datetime.now", "datetime.utcnow", "datetime.today", "time.localtime"}


def uses_wall_clock(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            if any(text == name or text.endswith(f".{name}") for name in WALL_CLOCKS):
                return True
    return False


def test_the_time_of_day_is_read_where_a_jump_does_no_harm():
    found = {
        str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if uses_wall_clock(path)
    }
    assert found == set(JUDGED)


class Tuner(BaseTuner):
    def run_trial(self, trial):
        return float(sum(trial.hyperparameters.values.values()))


def search(folder, max_trials):
    space = keras_tuner.HyperParameters()
    for place in range(6):
        space.Choice(f"c{place}", list(range(4)))
    objective = keras_tuner.Objective("score", "max")
    oracle = ORACLES["bayesian"](objective, max_trials, space, seed=0, num_startup_trials=2)
    tuner = Tuner(oracle, directory=str(folder.parent), project_name=folder.name)
    oracle.verbose = 0
    tuner.search()
    return read_trials(folder)[0]


def test_a_search_is_the_same_whatever_the_clock_does(tmp_path, monkeypatch):
    expected = search(tmp_path / "steady", 8)
    years = itertools.cycle([0, 9, -9, 3, -30])
    real = time.time()

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(real + next(years) * 365 * 24 * 3600, tz)

    monkeypatch.setattr(time, "time", lambda: real + next(years) * 365 * 24 * 3600)
    monkeypatch.setattr(datetime, "datetime", Jumping)
    search(tmp_path / "jumping", 4)
    found = search(tmp_path / "jumping", 8)
    assert len({record.started_at[:4] for record in found}) > 3
    for one, other in zip(expected, found, strict=True):
        assert (one.values, one.source, one.score) == (other.values, other.source, other.score)
        assert 0 <= other.seconds < 60
    assert found[-1].seconds == pytest.approx(expected[-1].seconds, abs=30)
