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
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from robmednas_tf.files import make_folder
from robmednas_tf.standard_error import standard_error_into

# What takes long to load, and is the same for every step.
_PRELOADED = tuple(f"robmednas_tf.cli.{name}_run" for name in ("search", "train", "eval"))
_GRACE_S = 60.0
_LOOKED_EVERY_S = 0.2


def run_command(name: str, arguments: Sequence[str], log: Path, tell: Callable[[], None]) -> int:
    """Runs `run_<name>.py` in a process of its own and returns its exit status.

    Args:
        name: Of the command.
        arguments: Its flags.
        log: File that takes all that it says, after what is there.
        tell: Called several times a second while it runs.

    Returns:
        As a shell's: 128 and the signal's number where a signal ended it.
    """
    return _run(_command, (name, tuple(arguments)), log, tell)


def run_function(
    function: Callable[..., None], arguments: tuple[Any, ...], log: Path, tell: Callable[[], None]
) -> int:
    """Runs a function of a module in a process of its own; else as `run_command`."""
    return _run(function, arguments, log, tell)


def _run(
    target: Callable[..., None], arguments: tuple[Any, ...], log: Path, tell: Callable[[], None]
) -> int:
    make_folder(log.parent)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    # What a library says when the server loads it.
    with log.open("ab") as file, standard_error_into(file):
        forkserver.ensure_running()
        process = context.Process(target=_in_child, args=(target, arguments, str(log)))
        process.start()
    try:
        while process.exitcode is None:
            process.join(_LOOKED_EVERY_S)
            tell()
    except BaseException:
        _end(process)
        raise
    status = process.exitcode
    process.close()
    return 128 - status if status < 0 else status


def _end(process: ForkServerProcess) -> None:
    # As the user's interruption: it keeps what is done.
    process.terminate()
    process.join(_GRACE_S)
    if process.exitcode is None:
        process.kill()
        process.join()


def _in_child(target: Callable[..., None], arguments: tuple[Any, ...], log: str) -> None:
    with Path(log).open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    target(*arguments)


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
