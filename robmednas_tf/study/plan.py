"""The paper's comparison as a plan: named steps, and the command that does each.

Source: paper sections 2.2 to 2.7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from robmednas_tf.study.arms import (
    ADVERSARIAL,
    ARMS,
    BASELINE,
    ORACLES,
    RANDOM,
    ROBMEDNAS_T,
    STUDIED,
    StudyConfig,
)
from robmednas_tf.study.steps import Plan, Step, Twin

# In arguments, where the study lies: a plan is the same on every machine.
STUDY = "{study}"


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
        # A twin that has done the work has kept no weights for it.
        after = (*weights, *((twin.step,) if twin else ()))
        yield Step(evaluate, "eval", arguments, after, weights, arm, number, twin)

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
