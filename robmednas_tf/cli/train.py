"""`run_train.py`: one architecture trained on a cohort's training subjects, exported, reported.

Nothing here imports TensorFlow before the flags and the cohort's files are checked.
"""

from __future__ import annotations

import contextlib
from typing import NoReturn

from robmednas_tf.cli import command, train_flags
from robmednas_tf.cli.run_record import require_own_folder
from robmednas_tf.cli.subjects import open_cohort, split_subjects
from robmednas_tf.cli.train_architecture import find_architecture
from robmednas_tf.cli.train_flags import TrainSettings, settings_from_flags
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.split import Split
from robmednas_tf.files import remove_leftovers
from robmednas_tf.folder_lock import locked_folder

SUMMARY = """\
Trains one U-Net to synthesise CT from MR, and exports it.

  python run_train.py                                     the hand-crafted U-Net on made-up heads
  python run_train.py --adversarial --output_dir=RUN      the same with adversarial training
  python run_train.py --architecture=SEARCH --data=FOLDER --output_dir=RUN    what a search found

The same command in the same --output_dir goes on where it was."""


def run() -> NoReturn:
    """Runs the command on the process's arguments."""
    command.run(main, SUMMARY, train_flags.FLAGS)


def main() -> None:
    """Checks what can be checked, then trains."""
    with command.refusing_bad_input():
        settings = settings_from_flags()
        architecture = find_architecture(settings.architecture)
        cohort = open_cohort(settings.data)
        split = split_subjects(cohort, settings.data)
        cohort.check()
        held = contextlib.ExitStack()
        held.enter_context(locked_folder(settings.output_dir))
        require_own_folder(settings.output_dir, "training")
        remove_leftovers(settings.output_dir)
    with held:
        greet(settings, split)
        command.start_tensorflow(settings.deterministic)
        from robmednas_tf.cli.train_run import TrainRun

        repeat = command.repeat_command(settings.output_dir)
        TrainRun(settings, architecture, cohort, split, repeat).run()


def greet(settings: TrainSettings, split: Split) -> None:
    """Says what is about to be done."""
    adversarial = settings.adversarial
    how = "on clean slices"
    if adversarial is not None:
        how = f"adversarially ({adversarial.in_words})"
    print(
        f"Training {settings.architecture} {how}: {len(split.train)} subjects to train, "
        f"{len(split.validation)} to validate, {len(split.test)} kept for testing; "
        f"{settings.training.epochs} epochs at most.",
        flush=True,
    )
    if settings.data.data == PHANTOM:
        print("On made-up heads. For your own volumes: --data=FOLDER.", flush=True)
