"""Steps as processes of their own, which start without loading TensorFlow each time.

One server process loads it, without using it, and every step is forked from there. A step ends
when the study does, however that ends.
"""

from __future__ import annotations

import importlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from robmednas_tf.cli.command import share_machine
from robmednas_tf.files import make_folder
from robmednas_tf.machine import num_cores
from robmednas_tf.standard_error import standard_error_into

# What takes long to load, and is the same for every step.
_PRELOADED = tuple(f"robmednas_tf.cli.{name}_run" for name in ("search", "train", "eval"))
_GRACE_S = 60.0
LOOKED_EVERY_S = 0.2


@dataclass(frozen=True)
class Share:
    """What a process may use of its machine.

    Attributes:
        num_threads: Of TensorFlow.
        gpu: Number of its GPU, counted round those that there are.
    """

    num_threads: int
    gpu: int


def share_of(place: int, jobs: int) -> Share | None:
    """Returns the share of one of several processes; None where there is one alone.

    Args:
        place: Which, from 0.
        jobs: How many at a time.
    """
    return Share(max(1, num_cores() // jobs), place) if jobs > 1 else None


class StepProcess:
    """A function of a module in a process of its own, from now on.

    Args:
        function: Of a module.
        arguments: Its own.
        log: File that takes all that it says, after what is there.
        share: What it may use of the machine; None for all of it.
    """

    def __init__(
        self,
        function: Callable[..., None],
        arguments: tuple[Any, ...],
        log: Path,
        share: Share | None = None,
    ):
        make_folder(log.parent)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(_PRELOADED))
        # What a library says when the server loads it.
        with log.open("ab") as file, standard_error_into(file):
            forkserver.ensure_running()
            self._process = context.Process(
                target=_in_child, args=(function, arguments, str(log), share)
            )
            self._process.start()

    @property
    def status(self) -> int | None:
        """How it ended, as a shell has it: 128 and the number of a signal; None while it runs."""
        code = self._process.exitcode
        return 128 - code if code is not None and code < 0 else code

    def wait(self) -> int:
        """Waits for its end, and ends it where the waiting is interrupted; returns the status."""
        try:
            self._process.join()
        except BaseException:
            end([self])
            raise
        return self.status or 0

    def ask_to_end(self) -> None:
        """Interrupts it as a user would: it keeps what is done."""
        self._process.terminate()

    def require_end(self, deadline: float) -> None:
        """Waits until it has ended, and kills it at a moment of the monotonic clock."""
        self._process.join(max(0.0, deadline - time.monotonic()))
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()


def start_command(
    name: str, arguments: Sequence[str], log: Path, share: Share | None = None
) -> StepProcess:
    """Starts `run_<name>.py`.

    Args:
        name: Of the command.
        arguments: Its flags.
        log: As of `StepProcess`.
        share: Likewise.
    """
    return StepProcess(_command, (name, tuple(arguments)), log, share)


def end(processes: Sequence[StepProcess]) -> None:
    """Ends processes: all are asked at once, and those that take too long are killed."""
    for process in processes:
        process.ask_to_end()
    deadline = time.monotonic() + _GRACE_S
    for process in processes:
        process.require_end(deadline)


def last_line(log: Path) -> str:
    """Returns what a process said last; nothing where it has said nothing yet."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 2000))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")


def reason(log: Path, status: int) -> str:
    """Returns why a process failed, in one line.

    Args:
        log: What it said.
        status: How it ended.
    """
    how = f"ended by signal {status - 128}" if status > 128 else f"exit status {status}"
    said = last_line(log).removeprefix("ERROR: ")
    return f"{said} ({how}; {str(log)!r} has the rest)"


def _in_child(
    function: Callable[..., None], arguments: tuple[Any, ...], log: str, share: Share | None
) -> None:
    with Path(log).open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if share is not None:
        share_machine(share.num_threads, share.gpu)
    function(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    multiprocessing.connection.wait([parent.sentinel])
    # Killed, the study could not ask for it.
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _command(name: str, arguments: tuple[str, ...]) -> None:
    sys.argv = [f"run_{name}.py", *arguments]
    importlib.import_module(f"robmednas_tf.cli.{name}").run()
