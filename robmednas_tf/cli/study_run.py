"""A study's steps, done one after the other or several at a time; each that is done stays done."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.cli import study_collect
from robmednas_tf.cli.progress import Line, format_seconds
from robmednas_tf.cli.study_checks import remove_weights, require_left
from robmednas_tf.cli.study_process import (
    LOOKED_EVERY_S,
    StepProcess,
    end,
    last_line,
    reason,
    share_of,
    start_command,
)
from robmednas_tf.cli.study_settings import StudySettings
from robmednas_tf.cli.study_steps import draw_architecture, pick_repeat, picked_number
from robmednas_tf.folder_lock import locked_folder
from robmednas_tf.machine import available_memory_gb
from robmednas_tf.study.marks import Mark, Marks
from robmednas_tf.study.plan import STUDY
from robmednas_tf.study.steps import Plan, Step

_COMMANDS = ("search", "train", "eval")
# So many in a row fail by something that they share.
_MOST_FAILURES = 3
_LOCK_WAIT_S = 120.0


@dataclass(frozen=True)
class _Running:
    step: Step
    process: StepProcess
    place: int
    begun: float


class StudyRun:
    """The steps of a study in its folder.

    Args:
        settings: All settings, checked.
        plan: The steps.
        marks: Which are done.
        time_left: Returns how long those of some steps that are left will take, in seconds; None
            where nobody knows.
    """

    def __init__(
        self,
        settings: StudySettings,
        plan: Plan,
        marks: Marks,
        time_left: Callable[[set[str]], float | None],
    ):
        self.settings, self.plan, self.marks = settings, plan, marks
        self.folder, self._time_left = settings.output_dir, time_left
        self.failures: dict[str, str] = {}
        self._failures_in_a_row = 0
        self._running: dict[str, _Running] = {}
        self._line = Line(None)

    def run(self, wanted: set[str]) -> None:
        """Does the wanted steps that are not done, but those that follow one that failed.

        Args:
            wanted: Names of steps.
        """
        self._tidy()
        try:
            self._start_ready(wanted)
            while self._running:
                self._show_running()
                time.sleep(LOOKED_EVERY_S)
                for running in list(self._running.values()):
                    status = running.process.status
                    if status is not None:
                        self._conclude(running, status)
                        self._start_ready(wanted)
        finally:
            end([running.process for running in self._running.values()])

    def log_of(self, step: Step) -> Path:
        """Returns the file that takes what a step says."""
        return self.folder / "logs" / f"{step.name.replace('/', '-')}.log"

    def _start_ready(self, wanted: set[str]) -> None:
        """Starts steps, as many as may run; those that need no process are done at once."""
        for number, step in enumerate(self.plan.steps, start=1):
            if len(self._running) == self.settings.jobs:
                return
            if self._failures_in_a_row >= _MOST_FAILURES:
                return
            if step.name in wanted and self._is_ready(step):
                of_all = f"[{number}/{len(self.plan.steps)}]"
                self._line.say(f"{of_all} {step.name}{self._left(wanted)}")
                self._begin(step)

    def _is_ready(self, step: Step) -> bool:
        if step.name in self.failures or step.name in self._running or step.name in self.marks:
            return False
        return all(name in self.marks for name in step.after)

    def _begin(self, step: Step) -> None:
        begun = time.monotonic()
        twin = self._twin_of(step)
        try:
            if twin is not None:
                self._mark(step, 0.0, same_as=twin)
                self._line.say(f"  {step.name}: the same as {twin}")
            elif step.command == "pick":
                self._pick(step)
                self._end_well(step, begun)
            else:
                taken = {running.place for running in self._running.values()}
                place = min(set(range(self.settings.jobs)) - taken)
                process = self._start(step, place)
                self._running[step.name] = _Running(step, process, place, begun)
        except ValueError as error:
            self._fail(step, str(error))

    def _start(self, step: Step, place: int) -> StepProcess:
        log, share = self.log_of(step), share_of(place, self.settings.jobs)
        if step.command in _COMMANDS:
            self._wait_for_folder(step)
            return start_command(step.command, self._arguments(step), log, share)
        if step.command == "draw":
            return StepProcess(draw_architecture, self._draw_arguments(step), log, share)
        arguments = (self.folder, self.settings.config, self.plan)
        return StepProcess(study_collect.collect, arguments, log, share)

    def _conclude(self, running: _Running, status: int) -> None:
        step = running.step
        del self._running[step.name]
        try:
            if status != 0:
                raise ValueError(reason(self.log_of(step), status))
            self._end_well(step, running.begun)
        except ValueError as error:
            self._fail(step, str(error))

    def _end_well(self, step: Step, begun: float) -> None:
        require_left(step, self.folder / step.folder)
        seconds = time.monotonic() - begun
        self._mark(step, seconds)
        self._failures_in_a_row = 0
        self._line.say(f"  {step.name}: done in {format_seconds(seconds)}")
        self._tidy()

    def _fail(self, step: Step, fault: str) -> None:
        self.failures[step.name] = fault
        self._failures_in_a_row += 1
        self._line.say(f"  {step.name}: failed: {fault}")

    def _pick(self, step: Step) -> None:
        before = picked_number(self.folder / step.folder)
        config, attacks = self.settings.config, self.settings.attacks
        condition = attacks[0] if attacks else CLEAN
        number = pick_repeat(self.folder, step, self.marks, config.select_on, condition)
        self._line.say(f"  {step.name}: repeat {number}")
        if before not in (None, number):
            self._forget_followers(step)

    def _forget_followers(self, step: Step) -> None:
        # What was done with another repeat's network is not this study's any more.
        for follower in self.plan.followers_of(step.name):
            self.marks.remove(follower.name)
            if not follower.is_renewed:
                shutil.rmtree(self.folder / follower.folder, ignore_errors=True)

    def _twin_of(self, step: Step) -> str | None:
        twin = step.twin
        if twin is None or twin.step not in self.marks:
            return None
        picked = picked_number(self.folder / self.plan[twin.pick].folder)
        return twin.step if picked == twin.number else None

    def _arguments(self, step: Step) -> list[str]:
        own = [argument.replace(STUDY, str(self.folder)) for argument in step.arguments]
        return [*self.settings.places[step.command], *own]

    def _draw_arguments(self, step: Step) -> tuple:
        settings = self.settings
        if step.number is None:
            raise ValueError(f"Step {step.name!r} draws for no repeat.")
        return (
            self.folder / step.folder,
            settings.space,
            settings.config.own_seed(str(step.arm), step.number),
            settings.data.image_size,
            settings.batch_size,
            settings.max_memory_gb or 0.8 * available_memory_gb(),
        )

    def _mark(self, step: Step, seconds: float, same_as: str | None = None) -> None:
        host = socket.gethostname()
        self.marks.write(
            step.name, Mark(step.command, step.arguments, round(seconds, 2), host, same_as)
        )

    def _tidy(self) -> None:
        """Removes the weights that no step needs any more."""
        for step in self.plan.steps:
            if step.command not in ("search", "train") or step.name not in self.marks:
                continue
            readers = self.plan.readers_of(step.name)
            if all(reader.name in self.marks for reader in readers):
                remove_weights(self.folder / step.folder)

    def _wait_for_folder(self, step: Step) -> None:
        """Waits until a step whose study was killed has let go of its folder."""
        deadline = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                with locked_folder(self.folder / step.folder):
                    return
            except ValueError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _show_running(self) -> None:
        if not self._line.is_live:
            return
        steps = [running.step for running in self._running.values()]
        said = [(step.name, last_line(self.log_of(step))) for step in steps]
        room = 100 // len(said)
        self._line.show("  " + " | ".join(f"{name}: {text}"[:room] for name, text in said))

    def _left(self, wanted: set[str]) -> str:
        seconds = self._time_left(wanted)
        return f", about {format_seconds(seconds)} left" if seconds else ""
