"""The flags that say where networks are trained, and what a search says while several are."""

import importlib.util
import io

import pytest
from absl import flags

from robmednas_tf.cli import executor_flags
from robmednas_tf.cli.executors import require_folders
from robmednas_tf.cli.search_progress import ConsoleProgress
from robmednas_tf.config import WorkersConfig
from robmednas_tf.search.trials import COMPLETED, FAILED, RUNNING, TrialRecord, id_of

FLAGS = flags.FlagValues()
executor_flags.define(FLAGS)


def config(parsed, *arguments):
    with parsed(FLAGS, *arguments) as flag_values:
        return executor_flags.workers_config(flag_values)


def test_without_flags_everything_is_trained_in_this_process(parsed):
    assert config(parsed) is None


def test_the_flags_become_settings(parsed):
    assert config(parsed, "--executor=ray") == WorkersConfig()
    assert config(
        parsed,
        *("--executor=ray", "--num_workers=3", "--ray_address=head:6379"),
        *("--cpus_per_trial=4", "--gpus_per_trial=0.5"),
    ) == WorkersConfig(3, "head:6379", 4, 0.5)


@pytest.mark.parametrize(
    "flag", ["--num_workers=2", "--ray_address=auto", "--cpus_per_trial=2", "--gpus_per_trial=0"]
)
def test_flags_of_workers_without_workers_are_refused(parsed, flag):
    with pytest.raises(ValueError, match=rf"{flag.split('=')[0]} is for workers.*--executor=ray"):
        config(parsed, flag)


def test_a_missing_ray_is_said_with_the_remedy(parsed, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package ray.*pip install .*\[ray\]"):
        config(parsed, "--executor=ray")
    assert config(parsed) is None


class Terminal(io.StringIO):
    def isatty(self):
        return True


def record(number, status, score=None, message=None):
    return TrialRecord(
        id_of(number), number, status, 1, "model", {}, score, message=message, details={"depth": 1}
    )


def tell(stream, monkeypatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr("robmednas_tf.cli.progress.time.monotonic", lambda: float(next(clock)))
    progress = ConsoleProgress(5, 4, "adversarial_dice", "max", stream=stream, num_workers=2)
    first, second = record(0, RUNNING), record(1, RUNNING)
    progress.trial_started(first)
    progress.trial_started(second)
    progress.epoch_ended(second, 2, 0.1)
    progress.trial_lost(second)
    progress.trial_started(second)
    progress.trial_ended(record(0, COMPLETED, 0.5))
    progress.trial_ended(record(1, FAILED, message="RuntimeError: no."))
    return stream.getvalue()


def test_a_terminal_shows_every_trial_that_runs(monkeypatch):
    shown = tell(Terminal(), monkeypatch).split("\r\033[K")[1:]
    assert shown[1] == "0/5 trials done: 0000 building; 0001 building"
    # Half a trial in 10 seconds; four and a half to go, two at a time.
    assert shown[2] == (
        "0/5 trials done: 0000 building; 0001 epoch 2/4, no score so far, about 45 s left"
    )
    assert shown[4] == "0/5 trials done: 0000 building; 0001 building"


def test_a_pipe_is_told_of_ends_and_of_workers_that_ended(monkeypatch):
    lines = tell(io.StringIO(), monkeypatch).splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "Trial 0001: its worker ended (attempt 1). It goes on from its last epoch.",
        "Trial 1/5 (0000): adversarial_dice 0.5000 in 50 s (depth 1",
        "Trial 2/5 (0001): failed: RuntimeError: no.",
    ]


def test_a_worker_that_does_not_share_the_folders_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"does not see folder .*elsewhere.*--output_dir"):
        require_folders((tmp_path, tmp_path / "elsewhere"))
