"""Steps in their order: which are found by name, and what follows what."""

import pytest

from robmednas_tf.study.arms import BASELINE, ROBMEDNAS_T, StudyConfig
from robmednas_tf.study.plan import StepFlags, make_plan
from robmednas_tf.study.steps import Plan, Step


@pytest.fixture(scope="module")
def plan():
    return make_plan(StudyConfig(repeats=15, baseline_repeats=1, seeds=11, folds=8), StepFlags())


def test_steps_are_found_by_the_beginning_of_their_names(plan):
    assert len(plan.matching(["search"], "only")) == 30
    assert plan.matching(["train/random/", "compare"], "only") == {
        *(f"train/random/{number:02d}" for number in range(1, 16)),
        "compare",
    }
    for text in ("sea", "train/random/1", ""):
        with pytest.raises(ValueError, match="--only must name steps"):
            plan.matching([text], "only")


def test_what_a_step_follows_directly_or_not(plan):
    wanted = plan.with_what_they_follow(["evaluate/robmednas_r/02"])
    assert wanted == {f"{kind}/robmednas_r/02" for kind in ("search", "train", "evaluate")}
    followers = {step.name for step in plan.followers_of("pick/robmednas_t")}
    assert {"compare", "collect", "evaluate/folds/robmednas_t/08"} <= followers
    assert not any(BASELINE in name for name in followers)
    assert f"train/{ROBMEDNAS_T}/01" not in followers


def test_a_plan_in_an_order_that_cannot_be_done_is_refused():
    first, second = Step("a", "train"), Step("b", "train", after=("a",))
    assert Plan((first, second)).names == ("a", "b")
    for steps in ((second, first), (first, first)):
        with pytest.raises(ValueError, match="must stand once, and after those it follows"):
            Plan(steps)
