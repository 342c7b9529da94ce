"""Marks of steps that are done: what they hold against, and what they do not."""

import pytest

from robmednas_tf.study.marks import MARK_FILE, Mark, Marks
from robmednas_tf.study.steps import Plan, Step


def plan_of(epochs=3, repeats=2):
    train = Step("train/a/01", "train", (f"--epochs={epochs}", "--brief"))
    twin = Step("train/b/01", "train", ("--epochs=3",))
    pick = Step("pick/a", "pick", (f"--repeats={repeats}",), ("train/a/01",), is_renewed=True)
    return Plan((train, twin, pick))


def mark_of(step, **changes):
    return Mark(step.command, step.arguments, 2.5, "here", **changes)


def test_a_mark_reads_back_also_in_another_process(tmp_path):
    plan = plan_of()
    marks = Marks(tmp_path, plan)
    assert "train/a/01" not in marks
    mark = mark_of(plan["train/a/01"])
    marks.write("train/a/01", mark)
    assert "train/a/01" in marks
    assert Marks(tmp_path, plan).read("train/a/01") == mark
    marks.remove("train/a/01")
    assert "train/a/01" not in marks
    assert "train/a/01" not in Marks(tmp_path, plan)


def test_a_damaged_mark_is_none(tmp_path):
    plan = plan_of()
    Marks(tmp_path, plan).write("train/a/01", mark_of(plan["train/a/01"]))
    path = tmp_path / "steps/train/a/01" / MARK_FILE
    for text in ("", "{", "[]", '{"command": "train"}'):
        path.write_text(text)
        assert "train/a/01" not in Marks(tmp_path, plan)


def test_other_settings_are_refused_by_name_and_value(tmp_path):
    before = plan_of(epochs=3)
    Marks(tmp_path, before).write("train/a/01", mark_of(before["train/a/01"]))
    with pytest.raises(ValueError) as error:
        Marks(tmp_path, plan_of(epochs=5)).read("train/a/01")
    assert '--epochs: "3" in the folder, "5" now' in str(error.value)
    assert "Give another --output_dir" in str(error.value)
    assert "--brief" not in str(error.value)


def test_what_depends_on_how_many_there_are_is_done_anew_instead(tmp_path):
    before = plan_of(repeats=2)
    Marks(tmp_path, before).write("pick/a", mark_of(before["pick/a"]))
    assert "pick/a" in Marks(tmp_path, plan_of(repeats=2))
    assert "pick/a" not in Marks(tmp_path, plan_of(repeats=3))


def test_the_results_of_a_twin_are_its_own(tmp_path):
    plan = plan_of()
    marks = Marks(tmp_path, plan)
    marks.write("train/b/01", mark_of(plan["train/b/01"], same_as="train/a/01"))
    marks.write("train/a/01", mark_of(plan["train/a/01"]))
    assert marks.source_of("train/b/01") == tmp_path / "steps/train/a/01"
    assert marks.source_of("train/a/01") == tmp_path / "steps/train/a/01"
