"""Training candidates again: new seeds, each repeat once, through any interruption."""

import dataclasses
import itertools
import json
from types import SimpleNamespace

import keras_tuner
import pytest

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.search.confirming import Confirmer
from robmednas_tf.search.executor import Outcome, WorkerLostError
from robmednas_tf.search.failures import MAX_ATTEMPTS, InfeasibleTrialError
from robmednas_tf.search.hypermodel import UNetHyperModel
from robmednas_tf.search.repeats import checkpoint_path, read_repeat, repeat_path
from robmednas_tf.search.reseeding import repeat_seeds, reseeded
from robmednas_tf.search.run_folder import RunFolderError
from robmednas_tf.search.trials import COMPLETED, FAILED, RUNNING, TrialRecord, id_of

from .executors import ScriptedExecutor

ARCHITECTURES = [Architecture((Block("1000", 8),), (Block(last, 8),)) for last in ("1000", "0001")]
TRIALS = [
    TrialRecord(
        id_of(number),
        number,
        COMPLETED,
        1,
        "model",
        {"depth": 1},
        score=0.9 - 0.1 * number,
        details={"architecture": architecture.to_dict()},
    )
    for number, architecture in enumerate(ARCHITECTURES)
]


class Progress:
    def __init__(self):
        self.told = []

    def begun(self, num_repeats, num_done):
        self.told.append((num_repeats, num_done))

    def epoch_ended(self, record, epoch, val_loss):
        self.told.append(epoch)

    def repeat_ended(self, record):
        self.told.append(f"{record.trial_id}-{record.repeat}")

    def repeat_lost(self, record):
        self.told.append(("lost", record.attempts))

    def ended(self):
        self.told.append("ended")


def confirmer(hypermodel, folder, executor=None, **origin):
    objective = keras_tuner.Objective("adversarial_dice", "max")
    origin = {"attack": "fgsm:0.2", **origin}
    where = {} if executor is None else {"executor": executor}
    return Confirmer(folder, hypermodel, objective, origin, Progress(), **where)


@pytest.fixture
def trained(monkeypatch):
    """The hypermodels' seeds by training, with a score made from each instead of a training."""
    seeds = []

    def train_and_score(self, model, architecture, callbacks, checkpoint):
        seeds.append(self.seed_of(architecture))
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_text("state")
        score = seeds[-1] / 2**31
        return SimpleNamespace(metrics={"adversarial_dice": score, "clean_dice_bone": float("nan")})

    monkeypatch.setattr(UNetHyperModel, "train_and_score", train_and_score)
    monkeypatch.setattr(UNetHyperModel, "build_architecture", lambda self, architecture: None)
    return seeds


def records(folder):
    return {path.name: path.read_bytes() for path in folder.glob("confirmations/*.json")}


def test_seeds_are_fixed_and_all_different(hypermodel):
    drawn = [repeat_seeds(hypermodel, each, 50) for each in ARCHITECTURES]
    assert [each[:3] for each in drawn] == [repeat_seeds(hypermodel, a, 3) for a in ARCHITECTURES]
    effective = [
        [
            hypermodel.seed_of(architecture),
            *(reseeded(hypermodel, seed).seed_of(architecture) for seed in seeds),
        ]
        for architecture, seeds in zip(ARCHITECTURES, drawn, strict=True)
    ]
    assert len(set(itertools.chain(*effective))) == 2 * 51
    # They may never change: repeats on disk are found again by them.
    assert drawn[0][:2] == [1194221082, 1229650272]
    other = reseeded(hypermodel, 1)
    assert not set(drawn[0]) & set(repeat_seeds(other, ARCHITECTURES[0], 50))


def test_a_seed_that_is_the_trials_own_is_passed_over(hypermodel, monkeypatch):
    architecture = ARCHITECTURES[0]
    first, second, third = repeat_seeds(hypermodel, architecture, 3)
    # The first repeat's weights would be the trial's, the third's those of the second.
    effective = {hypermodel.seed: 7, first: 7, second: 8, third: 8}
    monkeypatch.setattr(UNetHyperModel, "seed_of", lambda self, _: effective.get(self.seed, 9))
    drawn = repeat_seeds(hypermodel, architecture, 2)
    assert drawn[0] == second
    assert drawn[1] not in (first, second, third)


def test_every_repeat_is_a_record_that_says_what_it_follows_from(hypermodel, tmp_path, trained):
    found = confirmer(hypermodel, tmp_path).confirm(TRIALS, 2)
    assert set(records(tmp_path)) == {"0000-1.json", "0000-2.json", "0001-1.json", "0001-2.json"}
    assert len(set(trained)) == 4
    assert not list(tmp_path.rglob("*.npz"))
    written = json.loads(repeat_path(tmp_path, "0001", 2).read_text())
    assert written["recipe"] == {
        "search": {"attack": "fgsm:0.2", "objective": "adversarial_dice"},
        "architecture": ARCHITECTURES[1].to_dict(),
        "seed": repeat_seeds(hypermodel, ARCHITECTURES[1], 2)[1],
        "training": dataclasses.asdict(hypermodel.training),
    }
    assert written["status"] == COMPLETED
    assert written["metrics"]["clean_dice_bone"] is None
    assert written["score"] == found.candidates[1].scores[1] == trained[3] / 2**31


def test_nothing_is_trained_twice_whatever_numbers_are_asked_for(hypermodel, tmp_path, trained):
    confirmer(hypermodel, tmp_path).confirm(TRIALS[:1], 2)
    before = records(tmp_path)
    more = confirmer(hypermodel, tmp_path)
    more.confirm(TRIALS, 3)
    assert len(trained) == len(set(trained)) == 6
    assert more.progress.told == [(6, 2), "0000-3", "0001-1", "0001-2", "0001-3", "ended"]
    less = confirmer(hypermodel, tmp_path)
    found = less.confirm(TRIALS, 1)
    assert (len(trained), less.progress.told) == (6, [])
    assert [len(each.repeats) for each in found.candidates] == [1, 1]
    assert before.items() <= records(tmp_path).items()


def test_records_of_other_settings_and_damaged_ones_are_made_anew(hypermodel, tmp_path, trained):
    confirmer(hypermodel, tmp_path).confirm(TRIALS, 1)
    expected = records(tmp_path)
    stale = checkpoint_path(tmp_path, "0000", 1)
    for damage in ('{"trial_id": "0000"', '["0000"]', "{}", expected["0001-1.json"].decode()):
        repeat_path(tmp_path, "0000", 1).write_text(damage)
        stale.write_text("of another training")
        with pytest.warns(RuntimeWarning, match=r"0000-1\.json' is damaged"):
            confirmer(hypermodel, tmp_path).confirm(TRIALS, 1)
        assert read(tmp_path, "0000-1.json") == json.loads(expected["0000-1.json"])["score"]
        assert not stale.exists()
    assert len(trained) == 2 + 4
    confirmer(hypermodel, tmp_path, attack="fgsm:0.1").confirm(TRIALS, 1)
    assert len(trained) == 6 + 2


def read(folder, name):
    return json.loads(records(folder)[name])["score"]


def test_a_repeat_that_fails_is_said_and_not_tried_again(
    hypermodel, tmp_path, trained, monkeypatch
):
    errors = iter(
        [FloatingPointError("The loss is not finite"), InfeasibleTrialError("Memory ran out")]
    )

    def fail(*_args):
        raise next(errors)

    monkeypatch.setattr(UNetHyperModel, "train_and_score", fail)
    found = confirmer(hypermodel, tmp_path).confirm(TRIALS, 1)
    assert found.is_decided_by_first_scores
    assert [each.failed[0].message for each in found.candidates] == [
        "FloatingPointError: The loss is not finite",
        "InfeasibleTrialError: Memory ran out",
    ]
    assert "Traceback" in found.candidates[0].failed[0].traceback
    again = confirmer(hypermodel, tmp_path).confirm(TRIALS, 1)
    assert again == found


def test_a_score_that_is_not_finite_is_a_failure(hypermodel, tmp_path, trained, monkeypatch):
    outcome = SimpleNamespace(metrics={"adversarial_dice": float("nan")})
    monkeypatch.setattr(UNetHyperModel, "train_and_score", lambda *_: outcome)
    (candidate,) = confirmer(hypermodel, tmp_path).confirm(TRIALS[:1], 1).candidates
    assert candidate.failed[0].message == "score is nan"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interruption_or_a_full_disk_costs_no_attempt(
    hypermodel, tmp_path, trained, monkeypatch, error
):
    def stop(*_args):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(UNetHyperModel, "train_and_score", stop)
        for _ in range(MAX_ATTEMPTS + 1):
            with pytest.raises((KeyboardInterrupt, RunFolderError)) as raised:
                confirmer(hypermodel, tmp_path).confirm(TRIALS, 1)
    if isinstance(error, OSError):
        assert "No space left on device" in str(raised.value)
        assert "Free space there" in str(raised.value)
    assert json.loads(records(tmp_path)["0000-1.json"])["attempts"] == 0
    confirmer(hypermodel, tmp_path).confirm(TRIALS, 1)
    assert len(trained) == 2


def test_a_training_that_ends_its_process_does_not_do_so_for_ever(hypermodel, tmp_path, trained):
    def died(attempts):
        path = repeat_path(tmp_path, "0000", 1)
        record = {**json.loads(path.read_text()), "attempts": attempts, "status": RUNNING}
        path.write_text(json.dumps({**record, "score": None, "metrics": {}}))

    confirmer(hypermodel, tmp_path).confirm(TRIALS[:1], 1)
    died(MAX_ATTEMPTS - 1)
    (candidate,) = confirmer(hypermodel, tmp_path).confirm(TRIALS[:1], 1).candidates
    assert (len(trained), candidate.repeats[0].attempts) == (2, MAX_ATTEMPTS)
    died(MAX_ATTEMPTS)
    (candidate,) = confirmer(hypermodel, tmp_path).confirm(TRIALS[:1], 1).candidates
    assert len(trained) == 2
    assert candidate.repeats[0].status == FAILED
    assert "the process ended 3 times" in candidate.repeats[0].message


def test_a_repeat_that_was_killed_goes_on_from_its_last_epoch(hypermodel, tmp_path, monkeypatch):
    (expected,) = confirmer(hypermodel, tmp_path / "whole").confirm(TRIALS[:1], 1).candidates

    def killed(self, record, epoch, val_loss):
        raise SystemExit

    folder = tmp_path / "killed"
    with monkeypatch.context() as patched:
        patched.setattr(Progress, "epoch_ended", killed)
        with pytest.raises(SystemExit):
            confirmer(hypermodel, folder).confirm(TRIALS[:1], 1)
    assert checkpoint_path(folder, "0000", 1).is_file()
    after = confirmer(hypermodel, folder)
    (found,) = after.confirm(TRIALS[:1], 1).candidates
    # The first epoch is not trained twice.
    epochs = [*range(2, hypermodel.training.epochs + 1)]
    assert after.progress.told == [(1, 0), *epochs, "0000-1", "ended"]
    assert found.repeats[0].attempts == 2
    assert found.scores == pytest.approx(expected.scores, abs=1e-3)
    assert found.repeats[0].recipe == expected.repeats[0].recipe
    assert not checkpoint_path(folder, "0000", 1).exists()
    recipe = found.repeats[0].recipe
    assert read_repeat(folder, "0000", 1, recipe) == found.repeats[0]


def test_repeats_run_at_once_and_a_lost_worker_costs_an_attempt(hypermodel, tmp_path, trained):
    confirmer(hypermodel, tmp_path / "local").confirm(TRIALS, 2)
    lost = Outcome(error=WorkerLostError("The worker died."))
    deaths = {"0000-1": 2, "0001-2": MAX_ATTEMPTS}
    executor = ScriptedExecutor(
        lambda name, attempt: lost if attempt <= deaths.get(name, 0) else None
    )
    workers = confirmer(hypermodel, tmp_path / "workers", executor)
    first, second = workers.confirm(TRIALS, 2).candidates
    assert executor.log[:2] == [("begun", "0000-1"), ("begun", "0000-2")]
    assert [(each.status, each.attempts) for each in first.repeats + second.repeats] == [
        *((COMPLETED, 3), (COMPLETED, 1), (COMPLETED, 1)),
        (FAILED, MAX_ATTEMPTS),
    ]
    assert "the process ended 3 times" in second.repeats[1].message
    told = [each for each in workers.progress.told if "lost" in each]
    assert told == 2 * [("lost", 1), ("lost", 2)]
    # But for the seconds they took, the records are those of a confirmation in one process.
    for name in ("0000-2.json", "0001-1.json"):
        here, there = (json.loads(records(tmp_path / each)[name]) for each in ("local", "workers"))
        assert {**here, "seconds": 0} == {**there, "seconds": 0}


def test_an_interruption_gives_every_running_repeat_its_attempt_back(hypermodel, tmp_path, trained):
    def interrupt(name, attempt):
        raise KeyboardInterrupt

    executor = ScriptedExecutor(interrupt)
    with pytest.raises(KeyboardInterrupt):
        confirmer(hypermodel, tmp_path, executor).confirm(TRIALS, 1)
    assert executor.log[-1] == ("cancelled", "0000-1", "0001-1")
    assert [json.loads(each)["attempts"] for each in records(tmp_path).values()] == [0, 0]
