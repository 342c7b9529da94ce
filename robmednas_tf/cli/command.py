"""What every command shares: parsing flags, its exit statuses, and a quiet start of TensorFlow."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from absl import flags

from robmednas_tf.files import remedy_of
from robmednas_tf.standard_error import standard_error_into

BAD_INPUT, INTERRUPTED = 2, 130
_GOES_ON = "What is done stays; the same command goes on from here."
_RAISED_AGAIN_S = 10

_HELP_FLAGS = ("--help", "-help", "-h", "--helpshort", "--helpfull")
# Lines of the runtime's own logger, which no setting silences before it is initialised.
_RUNTIME_LINE = re.compile(
    r"[IWE]\d{4} \d\d:|WARNING: All log messages before absl|To enable the following instructions:"
)


def run(main: Callable[[], None], summary: str, flag_values: flags.FlagValues) -> NoReturn:
    """Runs a command: parses its flags, calls it, and exits.

    Args:
        main: Reads `flag_values`.
        summary: What the command does, for `--help`.
        flag_values: The command's flags.

    Exit status 0 when all is done, 2 for a mistake in input, 1 for a failure of the work, 130
    when interrupted; what is done by then stays.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if any(argument in _HELP_FLAGS for argument in sys.argv[1:]):
        print(f"{summary}\n{help_text(flag_values)}")
        sys.exit(0)
    with refusing_bad_input():
        parse_flags(sys.argv, flag_values)
    warnings.formatwarning = _in_one_line
    # A scheduler's polite end is the same as the user's.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _interrupt)
    sys.unraisablehook = _say_unless_interrupt
    try:
        main()
    except KeyboardInterrupt:
        fail("Interrupted. The same command goes on from here.", INTERRUPTED)
    except OSError as error:
        # Where there is no number, the error says itself what to do.
        remedy = f" {remedy_of(error)}." if error.errno is not None else ""
        fail(f"ERROR: {error}.{remedy} {_GOES_ON}", 1)
    sys.exit(0)


def parse_flags(argv: Sequence[str], flag_values: flags.FlagValues) -> None:
    """Parses the command line into `flag_values`; it overrides what its flag files say.

    Raises:
        ValueError: If a flag is unknown or has a value it cannot have, or if arguments are left
            over.
    """
    try:
        leftover = flag_values([argv[0], *_flag_files_first(argv[1:])])[1:]
    except flags.Error as error:
        text = str(error).removeprefix("ERROR:: ").rstrip(".")
        raise ValueError(f"{text}. Pass --help for the list of flags.") from error
    if leftover:
        raise ValueError(
            "Every setting is a flag, --name=value. "
            f"Received: {' '.join(leftover)!r}. Pass --help for the list of flags."
        )


def help_text(flag_values: flags.FlagValues) -> str:
    """Returns the help of every flag, by topic."""
    return re.sub(
        r"^(?:\w+\.)*(\w+)[._]flags:$", r"\1 flags:", flag_values.get_help(), flags=re.MULTILINE
    )


def flag_file(flag_values: flags.FlagValues, effective: Mapping[str, object]) -> str:
    """Returns a flag file that repeats the run: every flag with its value.

    Args:
        flag_values: The command's flags.
        effective: What stands for the values given, such as absolute paths: a repeat must not
            depend on where and when it is run.
    """
    lines = [f"--{name}={value}" for name, value in effective.items()]
    for name in flag_values:
        if name not in effective:
            lines += flag_values[name].serialize().splitlines()
    return "\n".join(sorted(filter(None, lines))) + "\n"


def repeat_command(folder: Path) -> str:
    """Returns the command line that repeats a run from its own record of flags."""
    return shlex.join(["python", sys.argv[0], f"--flagfile={folder / 'flags.cfg'}"])


def fail(message: str, status: int) -> NoReturn:
    """Ends the command with one line on standard error."""
    signal.alarm(0)
    print(" ".join(message.split()), file=sys.stderr, flush=True)
    sys.exit(status)


@contextlib.contextmanager
def refusing_bad_input() -> Iterator[None]:
    """Ends the command with status 2 and the error's one line where the block finds bad input."""
    try:
        yield
    except (ValueError, OSError) as error:
        fail(f"ERROR: {error}", BAD_INPUT)


def start_tensorflow(deterministic: bool = False, use_gpus: bool = True) -> None:
    """Imports TensorFlow and finds its devices, without the runtime's own remarks.

    Args:
        deterministic: Whether the same inputs must give the same bits, at some cost in speed.
        use_gpus: Whether this process may use the GPUs there are.
    """
    with _without_runtime_lines():
        import keras
        import tensorflow as tf

        if not use_gpus:
            tf.config.set_visible_devices([], "GPU")
        # The devices, and a library's remark at its first gradient of an upsampling.
        slices = tf.zeros((1, 2, 2, 1))
        with tf.GradientTape() as tape:
            tape.watch(slices)
            enlarged = keras.layers.UpSampling2D(2)(slices)
        tape.gradient(enlarged, slices)
    # Ampere's shortcut: 10 bits of mantissa, where attacks are promised float32.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def share_machine(num_threads: int, gpu: int | None = None) -> None:
    """Keeps this process to a part of its machine; before `start_tensorflow`.

    Args:
        num_threads: Threads that an operation, and operations beside each other, may use.
        gpu: Number of the one GPU that it may use, counted round those that there are; None for
            all of them.
    """
    with _without_runtime_lines():
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(num_threads)
        gpus = tf.config.list_physical_devices("GPU")
        if gpu is not None and gpus:
            tf.config.set_visible_devices([gpus[gpu % len(gpus)]], "GPU")
    for each in gpus:
        # Others may have a share of it.
        tf.config.experimental.set_memory_growth(each, True)


@contextlib.contextmanager
def _without_runtime_lines() -> Iterator[None]:
    with tempfile.TemporaryFile() as held:
        try:
            with standard_error_into(held):
                yield
        finally:
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if not _RUNTIME_LINE.match(line):
                    print(line, file=sys.stderr)


def _in_one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    return f"Warning: {message}\n"


def _flag_files_first(arguments: Sequence[str]) -> list[str]:
    files: list[str] = []
    others: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if re.fullmatch("--?flagfile", argument) and rest:
            files.append(f"{argument}={rest.pop(0)}")
        else:
            (files if re.match("--?flagfile=", argument) else others).append(argument)
    return files + others


def _say_unless_interrupt(dropped: sys.UnraisableHookArgs) -> None:
    if not isinstance(dropped.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)


def _interrupt(*_: object) -> NoReturn:
    # Python drops what is raised while an object is being deleted: then it is raised again.
    signal.alarm(_RAISED_AGAIN_S)
    raise KeyboardInterrupt
