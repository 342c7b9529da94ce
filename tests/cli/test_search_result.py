"""The winner's training from scratch: counted on disk, given up, made anew where it is damaged."""

import json
from types import SimpleNamespace

import keras
import pytest

from robmednas_tf.cli import search_result
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.preprocessing import AS_IN_PAPER
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.search.executor import LocalExecutor

from .conftest import TINY

HISTORY = {"val_loss": [2.0, 1.0]}


class Killed(BaseException):
    pass


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that makes the final model with a stand-in for its training."""
    monkeypatch.setattr(search_result, "export_model", lambda *_, **__: None)

    def make(train):
        monkeypatch.setattr(search_result, "_train", lambda *_: train())
        return search_result.final_model(
            tmp_path,
            Architecture.from_json(TINY),
            SimpleNamespace(training=TrainingConfig(epochs=2)),
            lambda: "the trial's",
            {"seed": 0},
            AS_IN_PAPER,
            3,
            LocalExecutor(),
        )

    return make


def raising(error):
    def train():
        raise error

    return train


def test_a_training_that_ends_its_process_is_given_up_with_the_reason(make, tmp_path, capsys):
    for _ in range(3):
        with pytest.raises(Killed):
            make(raising(Killed()))
    result = make(raising(AssertionError("trained a fourth time")))
    assert (result.model, result.history) == ("the trial's", None)
    assert "so the trial's is kept: the process ended 3 times during this training" in result.note
    assert result.note in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["training.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interruption_or_a_full_disk_costs_no_attempt(make, tmp_path, error):
    for _ in range(5):
        with pytest.raises(type(error)):
            make(raising(error))
    result = make(lambda: ("anew", HISTORY))
    assert (result.model, result.note, result.history) == ("anew", None, HISTORY)
    assert [path.name for path in tmp_path.iterdir()] == ["training.json"]


def test_a_winner_kept_from_its_first_epoch_is_warned_of(make, capsys):
    result = make(lambda: ("anew", {"val_loss": [1.0, 2.0]}))
    assert "hardly trained" in result.note
    assert result.note in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage", [{"history": {}}, {"history": {"val_loss": ["x"]}}, {"history": 3}, {"recipe": 1}, []]
)
def test_a_damaged_note_has_the_model_made_anew(make, tmp_path, damage):
    make(lambda: ("first", HISTORY))
    path = tmp_path / "training.json"
    made = json.loads(path.read_text())
    path.write_text(json.dumps({**made, **damage} if damage else []))
    assert make(lambda: ("anew", HISTORY)).model == "anew"
    assert json.loads(path.read_text()) == made


def test_a_damaged_model_is_made_anew_and_said(make, tmp_path):
    make(lambda: ("first", HISTORY))
    (tmp_path / "model.keras").write_bytes(b"PK\3\4 half")
    with pytest.warns(RuntimeWarning, match=r"model\.keras' is damaged; its network is trained"):
        assert make(lambda: ("anew", HISTORY)).model == "anew"


def test_killed_when_the_model_was_made_nothing_is_trained_and_no_state_is_left(make, tmp_path):
    make(lambda: ("first", HISTORY))
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(tmp_path / "model.keras")
    (tmp_path / "checkpoint-of-it.npz").write_text("left")
    assert make(raising(AssertionError("trained again"))).history == HISTORY
    assert not list(tmp_path.glob("checkpoint*"))
