"""A study's steps, done one after the other; each that is done stays done."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.cli import study_collect
from robmednas_tf.cli.progress import Line, format_seconds
from robmednas_tf.cli.study_checks import remove_weights, require_left
from robmednas_tf.cli.study_process import run_command, run_function
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


class StudyRun:
    """The steps of a study in its folder.

    Args:
        settings: All settings, checked.
        plan: The steps.
        marks: Which are done.
        time_left: Returns how long the steps that are left will take, in seconds by name.
    """

    def __init__(
        self,
        settings: StudySettings,
        plan: Plan,
        marks: Marks,
        time_left: Callable[[], Mapping[str, float]],
    ):
        self.settings, self.plan, self.marks = settings, plan, marks
        self.folder, self._time_left = settings.output_dir, time_left
        self.failures: dict[str, str] = {}
        self._line = Line(None)

    def run(self, wanted: set[str]) -> None:
        """Does the wanted steps that are not done, but those that follow one that failed.

        Args:
            wanted: Names of steps.
        """
        self._tidy()
        in_a_row = 0
        for number, step in enumerate(self.plan.steps, start=1):
            if step.name not in wanted or step.name in self.marks:
                continue
            if not all(name in self.marks for name in step.after):
                continue
            self._line.say(f"[{number}/{len(self.plan.steps)}] {step.name}{self._left(wanted)}")
            fault = self._do(step)
            if fault is None:
                in_a_row = 0
                self._tidy()
                continue
            self.failures[step.name] = fault
            self._line.say(f"  failed: {fault}")
            in_a_row += 1
            if in_a_row == _MOST_FAILURES:
                break

    def log_of(self, step: Step) -> Path:
        """Returns the file that takes what a step says."""
        return self.folder / "logs" / f"{step.name.replace('/', '-')}.log"

    def _do(self, step: Step) -> str | None:
        """Does a step and marks it; returns why it failed, if it did."""
        begun = time.monotonic()
        twin = self._twin_of(step)
        if twin is not None:
            self._mark(step, 0.0, same_as=twin)
            self._line.say(f"  the same as {twin}")
            return None
        fault = self._carry_out(step)
        seconds = time.monotonic() - begun
        if fault is None:
            try:
                require_left(step, self.folder / step.folder)
            except ValueError as error:
                fault = str(error)
        if fault is not None:
            return fault
        self._mark(step, seconds)
        self._line.say(f"  done in {format_seconds(seconds)}")
        return None

    def _carry_out(self, step: Step) -> str | None:
        log = self.log_of(step)
        try:
            if step.command in _COMMANDS:
                self._wait_for_folder(step)
                status = run_command(step.command, self._arguments(step), log, self._teller(log))
            elif step.command == "draw":
                status = run_function(
                    draw_architecture, self._draw_arguments(step), log, lambda: None
                )
            elif step.command == "collect":
                arguments = (self.folder, self.settings.config, self.plan)
                status = run_function(study_collect.collect, arguments, log, lambda: None)
            else:
                self._pick(step)
                status = 0
        except ValueError as error:
            return str(error)
        return None if status == 0 else _reason(log, status)

    def _pick(self, step: Step) -> None:
        before = picked_number(self.folder / step.folder)
        config, attacks = self.settings.config, self.settings.attacks
        condition = attacks[0] if attacks else CLEAN
        number = pick_repeat(self.folder, step, self.marks, config.select_on, condition)
        self._line.say(f"  picked repeat {number}")
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

    def _teller(self, log: Path) -> Callable[[], None]:
        def tell() -> None:
            if self._line.is_live:
                self._line.show(f"  {_last_line(log)[:100]}")

        return tell

    def _left(self, wanted: set[str]) -> str:
        seconds = sum(value for name, value in self._time_left().items() if name in wanted)
        return f", about {format_seconds(seconds)} left" if seconds else ""


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 2000))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")


def _reason(log: Path, status: int) -> str:
    how = f"ended by signal {status - 128}" if status > 128 else f"exit status {status}"
    said = _last_line(log).removeprefix("ERROR: ")
    return f"{said} ({how}; {str(log)!r} has the rest)"
