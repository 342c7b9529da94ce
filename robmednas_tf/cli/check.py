"""`run_check.py`: a cohort's figures, and everything that is wrong with it, in one run.

Nothing here imports TensorFlow.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NoReturn

from robmednas_tf.cli import check_flags, command
from robmednas_tf.cli.check_flags import CheckSettings, settings_from_flags
from robmednas_tf.cli.run_record import require_own_folder
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.cohort import Cohort, open_folder, open_phantom
from robmednas_tf.files import remove_leftovers
from robmednas_tf.folder_lock import locked_folder

SUMMARY = """\
Examines a cohort: grids, values, outlines of the body, and all that is wrong with any subject.

  python run_check.py --data=FOLDER                       table here, page and CSV in runs/check
  python run_check.py --data=FOLDER --ct_bias=-1000       for CT files that hold HU + 1000

Exit status 2 where a subject breaks a rule, so that other commands would refuse it. Run again, it
examines only the subjects whose files are new or have changed."""

_PHANTOM_SHAPE = (64, 64, 24)


def run() -> NoReturn:
    """Runs the command on the process's arguments."""
    command.run(main, SUMMARY, check_flags.FLAGS)


def main() -> None:
    """Opens the cohort, then examines it."""
    with command.refusing_bad_input():
        settings = settings_from_flags()
        cohort = open_cohort(settings)
        held = contextlib.ExitStack()
        held.enter_context(locked_folder(settings.output_dir))
        require_own_folder(settings.output_dir, "check")
        remove_leftovers(settings.output_dir)
    with held:
        # Figures are slow to start, and a mistake in a flag should be said at once.
        from robmednas_tf.cli.check_run import CheckRun

        repeat = command.repeat_command(settings.output_dir)
        broken = CheckRun(settings, cohort, repeat).run()
    if broken:
        verb = "breaks" if len(broken) == 1 else "break"
        command.fail(
            f"ERROR: {len(broken)} of {len(cohort)} subjects {verb} a rule: {_listed(broken)}. "
            f"Read {settings.output_dir / 'cohort.html'}.",
            command.BAD_INPUT,
        )


def open_cohort(settings: CheckSettings) -> Cohort:
    """Opens the folder, the manifest or the phantom.

    Raises:
        ValueError: If it holds no subjects.
    """
    if settings.data == PHANTOM:
        return open_phantom(settings.num_phantoms, _PHANTOM_SHAPE, seed=0)
    return open_folder(Path(settings.data).expanduser(), settings.ct_bias)


def _listed(names: list[str], at_most: int = 5) -> str:
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
