"""What a confirmation says on the terminal."""

import io
from types import SimpleNamespace

import keras_tuner

from robmednas_tf.cli.search_confirm import ConfirmationLine, outcome_line
from robmednas_tf.cli.search_run import SearchRun
from robmednas_tf.search.confirmation import Candidate, Confirmation
from robmednas_tf.search.executor import LocalExecutor
from robmednas_tf.search.repeats import RepeatRecord
from robmednas_tf.search.trials import COMPLETED, FAILED, TrialRecord, id_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


def repeat(trial_id, number, score):
    if score is None:
        return RepeatRecord(trial_id, number, {}, FAILED, 1, message="Memory ran out.")
    return RepeatRecord(trial_id, number, {}, COMPLETED, 1, score=score, seconds=12.0)


def candidate(number, first_score, *scores):
    trial = TrialRecord(id_of(number), number, COMPLETED, 1, "model", {}, score=first_score)
    repeats = [repeat(trial.trial_id, place, score) for place, score in enumerate(scores, start=1)]
    return Candidate(trial, repeats, "max")


def tell(stream):
    line = ConfirmationLine(2, 12, "adversarial_dice", stream)
    line.begun(6, 3)
    line.epoch_ended(RepeatRecord("0004", 1, {}), 7, 0.01)
    line.repeat_ended(repeat("0004", 1, 0.75))
    line.repeat_ended(repeat("0004", 2, None))
    line.ended()
    return stream.getvalue()


def test_a_terminal_shows_the_epoch_and_what_an_earlier_run_has_done():
    shown = tell(Terminal()).split("\r\033[K")[1:]
    title = "Confirming the 2 best trials with new seeds"
    assert shown[0] == f"{title}: 3/6, trial 0004, repeat 1, epoch 7/12"
    assert shown[1].startswith(
        f"{title}: 4/6, trial 0004, repeat 1: adversarial_dice 0.7500 in 12 s, about "
    )
    assert shown[2].startswith(f"{title}: 5/6, trial 0004, repeat 2: failed: Memory ran out.")


def test_a_pipe_gets_a_line_a_repeat():
    lines = tell(io.StringIO()).splitlines()
    assert [line.split(":")[1][:4] for line in lines[1:3]] == [" 4/6", " 5/6"]
    assert not any("epoch" in line for line in lines)


def test_the_outcome_says_who_won_and_why():
    lucky, good = candidate(4, 0.9, 0.7, 0.72), candidate(7, 0.8, 0.75, None)
    assert outcome_line(Confirmation([lucky]), "adversarial_dice") == (
        "Confirmed with 2 new seeds: mean adversarial_dice 0.7100, first score 0.9000."
    )
    assert outcome_line(
        Confirmation([lucky, candidate(7, 0.8, 0.75, 0.75)]), "adversarial_dice"
    ).endswith("Trial 0004 had the better first score: 0.9000, mean 0.7100.")
    # A failure is worse than any score.
    assert "mean adversarial_dice 0.7100" in outcome_line(
        Confirmation([lucky, good]), "adversarial_dice"
    )
    unlucky = Confirmation([candidate(4, 0.9, None), candidate(7, 0.8, 0.5)])
    assert outcome_line(unlucky, "adversarial_dice") == (
        "Confirmed with 1 new seed: mean adversarial_dice 0.5000, first score 0.8000. "
        "Trial 0004 had the better first score: 0.9000, but all its repeats failed."
    )
    failed = Confirmation([candidate(4, 0.9, None), candidate(7, 0.8, None)])
    assert "chosen by its first score" in outcome_line(failed, "adversarial_dice")


def test_a_search_that_has_stopped_keeps_no_word_of_an_older_end(tmp_path, monkeypatch):
    names = ("confirmed.csv", "figures/confirmation.png", "outcome.json")
    names += ("confirmations/0000-1.json",)
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("of an earlier call")

    def stopped(self):
        raise keras_tuner.errors.FatalRuntimeError("all alike")

    search = SimpleNamespace(objective="clean_dice", objectives=("clean_dice",))
    settings = SimpleNamespace(output_dir=tmp_path, search=search)
    monkeypatch.setattr(SearchRun, "oracle", SimpleNamespace(open_folder=lambda folder: None))
    monkeypatch.setattr(SearchRun, "cache", None)
    monkeypatch.setattr(SearchRun, "limited", None)
    for name in ("prepare", "write_search_record"):
        monkeypatch.setattr(f"robmednas_tf.cli.search_run.{name}", lambda *_: None)
    monkeypatch.setattr(SearchRun, "_finish", lambda self: None)
    monkeypatch.setattr(SearchRun, "_search", stopped)
    run = SearchRun(settings, None, None, None, "", LocalExecutor())
    run.run()
    assert run.fault == "The search has stopped: all alike"
    assert [(tmp_path / name).exists() for name in names] == [False, False, False, True]
