"""The paper's comparison as a plan: named steps, what each follows, and the command that does it.

Plain values: a plan knows neither what is done already nor how long anything takes.

Source: paper sections 2.2 to 2.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from robmednas_tf.search.seeding import repeat_seed

# In arguments, where the study lies: a plan is the same on every machine.
STUDY = "{study}"

# Key -> what tables and figures call it: the paper's names, "w/AT" written out.
ARMS: Mapping[str, str] = {
    "baseline": "Baseline",
    "adversarial": "Baseline with AT",
    "random": "Random",
    "robmednas_r": "RobMedNAS-R",
    "robmednas_t": "RobMedNAS-T",
}
BASELINE, ADVERSARIAL, RANDOM, ROBMEDNAS_R, ROBMEDNAS_T = ARMS
# Arm -> the rule that proposes candidates in its searches.
ORACLES: Mapping[str, str] = {ROBMEDNAS_R: "random", ROBMEDNAS_T: "bayesian"}
# The arms whose networks are trained under further seeds and on further data.
STUDIED = (BASELINE, ROBMEDNAS_T)
SELECT_ON = ("validation", "test")
# Each arm's seeds are drawn from a stream of its own: arms share no candidate by construction.
_STREAMS = {ROBMEDNAS_R: 0, ROBMEDNAS_T: 1, RANDOM: 2}


@dataclass(frozen=True)
class StudyConfig:
    """How much is done.

    Attributes:
        repeats: Independent repeats of Random, RobMedNAS-R and RobMedNAS-T.
        baseline_repeats: Trainings of the baseline, and as many adversarial ones; 0 for `repeats`.
        seeds: Seeds of the study of weight initialisation; 0 leaves it out.
        folds: Folds of the study of training data; 0 leaves it out.
        seed: From which all other seeds are drawn.
        select_on: Which subjects choose the repeat that tables report: "validation" or "test".
        curves: Whether the progressive corruptions are evaluated.

    Raises:
        ValueError: If a value is outside its domain.

    Source: paper sections 2.2 and 2.6.
    """

    repeats: int = 15
    baseline_repeats: int = 0
    seeds: int = 11
    folds: int = 8
    seed: int = 0
    select_on: str = "validation"
    curves: bool = True

    def __post_init__(self) -> None:
        for name, least in (("repeats", 1), ("baseline_repeats", 0), ("seeds", 0), ("seed", 0)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"--{name} must be at least {least}. Received: {value}.")
        if self.folds < 0 or self.folds == 1:
            raise ValueError(f"--folds must be at least 2, or 0 for none. Received: {self.folds}.")
        if self.select_on not in SELECT_ON:
            raise ValueError(
                f"--select_on must be one of {', '.join(SELECT_ON)}. Received: {self.select_on!r}."
            )

    def repeats_of(self, arm: str) -> int:
        """Returns how many repeats an arm has."""
        is_baseline = arm in (BASELINE, ADVERSARIAL)
        return (self.baseline_repeats or self.repeats) if is_baseline else self.repeats

    def training_seed(self, number: int) -> int:
        """Returns the seed of a training; of one number in all arms and in the study of seeds."""
        return repeat_seed(self.seed, number)

    def own_seed(self, arm: str, number: int) -> int:
        """Returns the seed of an arm's search, or of its random draw."""
        return repeat_seed(self.seed + _STREAMS[arm], number)


@dataclass(frozen=True)
class Twin:
    """A step that may have done this one's work already.

    Attributes:
        pick: Step that picks a repeat.
        number: The work is the same if this is the repeat that was picked.
        step: The step that then has done it.
    """

    pick: str
    number: int
    step: str


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: Unique, such as `train/robmednas_t/03`.
        command: "search", "train" or "eval" (a command of this project); "draw", "pick" or
            "collect" (a function of it).
        arguments: Of the command; `{study}` stands for the study's folder.
        after: Names of the steps it follows.
        weights_of: Those of them whose weights it reads.
        arm: Key of `ARMS`; None of a step of all.
        number: Of the repeat, seed or fold, from 1; None where it is none.
        twin: None where there is none.
        is_renewed: Whether it is done anew, instead of refused, where its arguments differ from
            those that it was done with: more repeats make no other study.
    """

    name: str
    command: str
    arguments: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    weights_of: tuple[str, ...] = ()
    arm: str | None = None
    number: int | None = None
    twin: Twin | None = None
    is_renewed: bool = False

    @property
    def folder(self) -> str:
        """Where it leaves its results, from the study's folder on."""
        return f"steps/{self.name}"


@dataclass(frozen=True)
class Plan:
    """Steps in an order in which they can be done.

    Attributes:
        steps: Each after those it follows.

    Raises:
        ValueError: If a name stands twice, or a step follows one that does not precede it.
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for step in self.steps:
            missing = {*step.after, *step.weights_of} - seen
            if step.name in seen or missing:
                raise ValueError(
                    f"Step {step.name!r} must stand once, and after those it follows. "
                    f"Received before it: no {', '.join(sorted(missing)) or 'other'}."
                )
            seen.add(step.name)

    def __getitem__(self, name: str) -> Step:
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The steps' names, in order."""
        return tuple(step.name for step in self.steps)

    @cached_property
    def _by_name(self) -> Mapping[str, Step]:
        return {step.name: step for step in self.steps}

    def readers_of(self, name: str) -> list[Step]:
        """Returns the steps that read the weights of one."""
        return [step for step in self.steps if name in step.weights_of]

    def matching(self, texts: Iterable[str], flag: str) -> set[str]:
        """Returns the names of steps that begin with one of the texts, a whole part at least.

        Raises:
            ValueError: If a text matches none.
        """
        found: set[str] = set()
        for text in texts:
            names = {
                step.name
                for step in self.steps
                if f"{step.name}/".startswith(text.rstrip("/") + "/")
            }
            if not names:
                kinds = dict.fromkeys(step.name.partition("/")[0] for step in self.steps)
                raise ValueError(
                    f"--{flag} must name steps, or the beginning of their names, such as "
                    f"{', '.join(kinds)}. Received: {text!r}. --list shows them all."
                )
            found |= names
        return found

    def followers_of(self, name: str) -> list[Step]:
        """Returns the steps that follow one, directly or by way of others."""
        found = {name}
        for step in self.steps:
            if found & {*step.after}:
                found.add(step.name)
        return [step for step in self.steps if step.name in found - {name}]

    def with_what_they_follow(self, names: Iterable[str]) -> set[str]:
        """Returns steps and all that has to be done before them."""
        found: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self[name].after
        return found


@dataclass(frozen=True)
class StepFlags:
    """What the study's own flags say to its steps' commands, ready for a command line.

    Attributes:
        search: To `run_search.py`.
        train: To `run_train.py`, the architecture and the seed left out.
        adversarial: Besides, where it trains adversarially.
        evaluate: To `run_eval.py`, models left out.
        baseline: What `run_train.py` calls the hand-crafted architecture.
        num_slices: Slices that figures show.
        draw: To the drawing of random architectures, seeds left out.
    """

    search: Sequence[str] = ()
    train: Sequence[str] = ()
    adversarial: Sequence[str] = ("--adversarial",)
    evaluate: Sequence[str] = ()
    baseline: str = "baseline"
    num_slices: int = 5
    draw: Sequence[str] = ()


def make_plan(config: StudyConfig, flags: StepFlags) -> Plan:
    """Returns the plan of the whole comparison.

    Args:
        config: How much is done.
        flags: What the steps' commands are told.
    """
    return Plan(tuple(_Planner(config, flags).steps()))


def place(number: int) -> str:
    """Returns a number as steps' names have it."""
    return f"{number:02d}"


class _Planner:
    def __init__(self, config: StudyConfig, flags: StepFlags):
        self.config, self.flags = config, flags

    def steps(self) -> Iterator[Step]:
        """Yields every step, arm by arm; what needs all arms follows them."""
        steps: list[Step] = []
        for arm in ARMS:
            steps += self._arm(arm)
        steps.append(self._compare([f"pick/{arm}" for arm in ARMS]))
        steps += self._further_baselines()
        steps += self._seeds(ROBMEDNAS_T)
        for arm in STUDIED:
            steps += self._folds(arm)
        yield from steps
        names = tuple(step.name for step in steps)
        yield Step("collect", "collect", (f"--steps={len(names)}",), names, is_renewed=True)

    def _arm(self, arm: str) -> Iterator[Step]:
        numbers = range(1, self.config.repeats_of(arm) + 1)
        for number in numbers:
            origin = self._origin(arm, number)
            if origin is not None:
                yield origin
            architecture = self._architecture(arm, number)
            yield from self._trained(arm, number, architecture, (origin.name,) if origin else ())
        yield self._pick(arm, [place(number) for number in numbers])

    def _origin(self, arm: str, number: int) -> Step | None:
        """Returns the step that finds a repeat's architecture; None where it is known."""
        if arm in ORACLES:
            return self._search(arm, number)
        if arm == RANDOM:
            arguments = (*self.flags.draw, f"--seed={self.config.own_seed(arm, number)}")
            return Step(f"draw/{arm}/{place(number)}", "draw", arguments, arm=arm, number=number)
        return None

    def _architecture(self, arm: str, number: int) -> str:
        if arm == RANDOM:
            return f"{STUDY}/steps/draw/{arm}/{place(number)}/architecture.json"
        if arm in ORACLES:
            return f"{STUDY}/steps/search/{arm}/{place(number)}"
        return self.flags.baseline

    def _search(self, arm: str, number: int) -> Step:
        name = f"search/{arm}/{place(number)}"
        arguments = (
            *self.flags.search,
            f"--oracle={ORACLES[arm]}",
            f"--seed={self.config.own_seed(arm, number)}",
            # Winners are trained as every other network is: by `run_train.py`.
            "--final_epochs=0",
            _output(name),
        )
        return Step(name, "search", arguments, arm=arm, number=number)

    def _trained(
        self,
        arm: str,
        number: int,
        architecture: str,
        after: tuple[str, ...],
        part: str = "",
        extra: tuple[str, ...] = (),
        twin: Twin | None = None,
        seed_number: int | None = None,
    ) -> Iterator[Step]:
        """Yields a training and its evaluation."""
        at = f"{part}{arm}/{place(number)}"
        train, evaluate = f"train/{at}", f"evaluate/{at}"
        arguments = (
            *self.flags.train,
            f"--architecture={architecture}",
            f"--seed={self.config.training_seed(seed_number or number)}",
            *(self.flags.adversarial if arm == ADVERSARIAL else ()),
            *extra,
            _output(train),
        )
        yield Step(train, "train", arguments, after, (), arm, number, _twin_of(twin, "train"))
        arguments = (
            *self.flags.evaluate,
            "--num_slices=0",
            f"--models={arm}={STUDY}/steps/{train}",
            _output(evaluate),
        )
        weights = (train,)
        twin = _twin_of(twin, "evaluate")
        yield Step(evaluate, "eval", arguments, weights, weights, arm, number, twin)

    def _pick(self, arm: str, places: Sequence[str]) -> Step:
        trained = tuple(f"train/{arm}/{each}" for each in places)
        evaluated = tuple(f"evaluate/{arm}/{each}" for each in places)
        after = trained + (evaluated if self.config.select_on == "test" else ())
        arguments = (f"--select_on={self.config.select_on}", f"--repeats={len(places)}")
        return Step(f"pick/{arm}", "pick", arguments, after, trained, arm, is_renewed=True)

    def _compare(self, picks: Sequence[str]) -> Step:
        models = ",".join(f"{ARMS[arm]}={STUDY}/steps/pick/{arm}" for arm in ARMS)
        arguments = (
            *self.flags.evaluate,
            *(("--curves",) if self.config.curves else ()),
            f"--num_slices={self.flags.num_slices}",
            f"--models={models}",
            _output("compare"),
        )
        return Step("compare", "eval", arguments, tuple(picks), tuple(picks), is_renewed=True)

    def _further_baselines(self) -> Iterator[Step]:
        # The study of seeds takes the arm's own repeats, and as many more as it needs.
        for number in range(self.config.repeats_of(BASELINE) + 1, self.config.seeds + 1):
            yield from self._trained(BASELINE, number, self.flags.baseline, ())

    def _seeds(self, arm: str) -> Iterator[Step]:
        pick = f"pick/{arm}"
        for number in range(1, self.config.seeds + 1):
            has_twin = number <= self.config.repeats_of(arm)
            twin = Twin(pick, number, f"{arm}/{place(number)}") if has_twin else None
            architecture = f"{STUDY}/steps/{pick}"
            yield from self._trained(arm, number, architecture, (pick,), "seeds/", twin=twin)

    def _folds(self, arm: str) -> Iterator[Step]:
        for number in range(1, self.config.folds + 1):
            fold = (f"--fold={number}/{self.config.folds}",)
            pick = f"pick/{arm}"
            architecture = f"{STUDY}/steps/{pick}" if arm != BASELINE else self.flags.baseline
            after = (pick,) if arm != BASELINE else ()
            # One seed for all folds.
            yield from self._trained(
                arm, number, architecture, after, "folds/", fold, seed_number=1
            )


def _twin_of(twin: Twin | None, kind: str) -> Twin | None:
    return twin and Twin(twin.pick, twin.number, f"{kind}/{twin.step}")


def _output(name: str) -> str:
    return f"--output_dir={STUDY}/steps/{name}"
