"""The plan of a study: which steps there are, what they follow, what their commands are told."""

import re
from collections import Counter

import pytest

from robmednas_tf.search.seeding import repeat_seed
from robmednas_tf.study.arms import ARMS, StudyConfig
from robmednas_tf.study.plan import STUDY, StepFlags, make_plan

FLAGS = StepFlags(("--s",), ("--t",), ("--adversarial", "--p"), ("--e",), "baseline", 5, ("--d",))
PAPER = StudyConfig(repeats=15, baseline_repeats=1, seeds=11, folds=8)


def flag(step, name):
    found = [each.partition("=")[2] for each in step.arguments if each.startswith(f"--{name}=")]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.fixture(scope="module")
def plan():
    return make_plan(PAPER, FLAGS)


def test_the_papers_plan_has_the_papers_numbers(plan):
    kinds = Counter(step.command for step in plan.steps)
    # Two baselines, 15 of three arms, 10 further baseline seeds, 11 of T, 8 folds of both.
    networks = 2 + 45 + 10 + 11 + 16
    assert kinds == {
        **{"search": 30, "train": networks, "eval": networks + 1},
        **{"draw": 15, "pick": 5, "collect": 1},
    }
    oracles = Counter(flag(step, "oracle") for step in plan.steps if step.command == "search")
    assert oracles == {"random": 15, "bayesian": 15}
    adversarial = [step.name for step in plan.steps if "--adversarial" in step.arguments]
    assert adversarial == ["train/adversarial/01"]
    folds = {flag(step, "fold") for step in plan.steps} - {None}
    assert folds == {f"{number}/8" for number in range(1, 9)}


@pytest.mark.parametrize(
    "config",
    [
        PAPER,
        StudyConfig(repeats=1, seeds=0, folds=0),
        StudyConfig(repeats=3, baseline_repeats=2, seeds=5, folds=2, select_on="test"),
        StudyConfig(repeats=4, seeds=2, folds=0, curves=False),
    ],
)
def test_every_step_follows_what_its_arguments_read(config):
    plan = make_plan(config, FLAGS)
    seen = set()
    for step in plan.steps:
        assert {*step.after, *step.weights_of} <= seen
        seen.add(step.name)
        own = [each for each in step.arguments if not each.startswith("--output_dir=")]
        paths = re.findall(rf"{re.escape(STUDY)}/steps/([^,]+)", "\n".join(own).replace("\n", ","))
        read = {path.removesuffix("/architecture.json") for path in paths}
        assert read <= {*step.after}
    assert plan.steps[-1].name == "collect"
    assert set(plan.steps[-1].after) == seen - {"collect"}


def test_no_step_is_told_to_train_or_choose_on_test_subjects(plan):
    for step in plan.steps:
        if step.command in ("search", "train"):
            assert not any("split" in argument for argument in step.arguments)
    picks = [step for step in plan.steps if step.command == "pick"]
    assert {flag(step, "select_on") for step in picks} == {"validation"}
    assert not any(name.startswith("evaluate") for step in picks for name in step.after)
    # The paper's way, where it is asked for.
    other = make_plan(StudyConfig(repeats=2, select_on="test"), FLAGS)
    assert "evaluate/random/02" in other["pick/random"].after


def test_seeds_differ_within_and_between_arms_and_the_studies_share_the_trainings(plan):
    searches = [
        int(flag(step, "seed")) for step in plan.steps if step.command in ("search", "draw")
    ]
    assert len(set(searches)) == len(searches) == 45
    trainings = {
        step.name: int(flag(step, "seed")) for step in plan.steps if step.command == "train"
    }
    for number in range(1, 12):
        seed = repeat_seed(0, number)
        assert trainings[f"train/baseline/{number:02d}"] == seed
        assert trainings[f"train/seeds/robmednas_t/{number:02d}"] == seed
        assert trainings[f"train/random/{number:02d}"] == seed
    # Folds differ in their subjects alone.
    assert {seed for name, seed in trainings.items() if "folds" in name} == {0}


def test_the_architecture_of_each_training(plan):
    architectures = {step.name: flag(step, "architecture") for step in plan.steps}
    assert architectures["train/baseline/07"] == "baseline"
    assert architectures["train/random/03"] == f"{STUDY}/steps/draw/random/03/architecture.json"
    assert architectures["train/robmednas_r/15"] == f"{STUDY}/steps/search/robmednas_r/15"
    for part in ("seeds", "folds"):
        assert architectures[f"train/{part}/robmednas_t/02"] == f"{STUDY}/steps/pick/robmednas_t"


def test_a_step_is_told_its_commands_flags_and_once(plan):
    first = {"search": "--s", "train": "--t", "eval": "--e", "draw": "--d"}
    for step in plan.steps:
        if step.command in first:
            assert step.arguments[0] == first[step.command]
            names = [argument.partition("=")[0] for argument in step.arguments]
            assert len(set(names)) == len(names)
    compare = plan["compare"]
    assert flag(compare, "models") == ",".join(
        f"{label}={STUDY}/steps/pick/{arm}" for arm, label in ARMS.items()
    )
    assert "--curves" in compare.arguments
    assert flag(compare, "num_slices") == "5"


def test_more_repeats_leave_the_steps_that_were_there_as_they_were():
    small = make_plan(StudyConfig(repeats=2, seeds=3, folds=2), FLAGS)
    large = make_plan(StudyConfig(repeats=4, seeds=5, folds=2), FLAGS)
    for step in small.steps:
        now = large[step.name]
        if not step.is_renewed:
            assert (now.command, now.arguments) == (step.command, step.arguments)
    changed = {step.name for step in small.steps if large[step.name].arguments != step.arguments}
    assert changed == {*(f"pick/{arm}" for arm in ARMS), "collect"}


def test_a_seed_of_the_study_may_have_been_a_repeat(plan):
    twins = {step.name: step.twin for step in plan.steps if step.twin is not None}
    assert len(twins) == 22
    twin = twins["evaluate/seeds/robmednas_t/04"]
    assert (twin.pick, twin.number, twin.step) == (
        *("pick/robmednas_t", 4),
        "evaluate/robmednas_t/04",
    )
    own, other = plan["train/seeds/robmednas_t/04"], plan["train/robmednas_t/04"]
    differing = set(own.arguments) ^ set(other.arguments)
    assert {each.partition("=")[0] for each in differing} == {"--architecture", "--output_dir"}


def test_weights_are_read_by_who_needs_them_alone(plan):
    names = [step.name for step in plan.readers_of("train/robmednas_t/03")]
    assert names == ["evaluate/robmednas_t/03", "pick/robmednas_t"]
    assert [step.name for step in plan.readers_of("pick/random")] == ["compare"]
    assert plan.readers_of("search/robmednas_t/01") == []
    assert [step.name for step in plan.readers_of("train/folds/baseline/01")] == [
        "evaluate/folds/baseline/01"
    ]


def test_arms_of_different_numbers_of_repeats():
    config = StudyConfig(repeats=3, baseline_repeats=2, seeds=0, folds=0)
    plan = make_plan(config, FLAGS)
    numbers = {
        arm: sum(step.name.startswith(f"train/{arm}/") for step in plan.steps) for arm in ARMS
    }
    assert list(numbers.values()) == [2, 2, 3, 3, 3]
    assert {arm: config.repeats_of(arm) for arm in ARMS} == numbers
