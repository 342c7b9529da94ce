"""`run_eval.py`: models on test subjects, clean and attacked, as tables, figures and a report."""

from __future__ import annotations

import contextlib
from typing import NoReturn

from robmednas_tf.cli import command, eval_flags
from robmednas_tf.cli.eval_flags import EvalSettings, settings_from_flags
from robmednas_tf.cli.run_record import require_own_folder
from robmednas_tf.files import remove_leftovers
from robmednas_tf.folder_lock import locked_folder

SUMMARY = """\
Evaluates models on subjects that they have not seen, clean and under attack.

  python run_eval.py --models=baseline=runs/baseline,found=runs/found       tables, figures, report
  python run_eval.py --models=... --curves                  the paper's progressive corruptions too
  python run_eval.py --models=... --attacks=fgsm:0.06,fgsm:0.15,gaussian:0.1

The same command in the same --output_dir computes only what is not there yet."""


def run() -> NoReturn:
    """Runs the command on the process's arguments."""
    command.run(main, SUMMARY, eval_flags.FLAGS)


def main() -> None:
    """Checks what can be checked, then evaluates."""
    with command.refusing_bad_input():
        settings = settings_from_flags()
        held = contextlib.ExitStack()
        held.enter_context(locked_folder(settings.output_dir))
        require_own_folder(settings.output_dir, "evaluation")
        remove_leftovers(settings.output_dir)
    with held:
        greet(settings)
        command.start_tensorflow()
        from robmednas_tf.cli.eval_run import EvalRun

        EvalRun(settings, command.repeat_command(settings.output_dir)).run()


def greet(settings: EvalSettings) -> None:
    """Says what is about to be done."""
    conditions = ", ".join(settings.conditions)
    curves = f", and {len(settings.curves)} levels of corruption" if settings.curves else ""
    names = ", ".join(model.name for model in settings.models)
    print(f"Evaluating {names}: {conditions}{curves}.", flush=True)
