"""`run_train.py`: one architecture trained on a cohort's training subjects, exported, reported.

Nothing here imports TensorFlow before the flags and the cohort's files are checked.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NoReturn

from robmednas_tf.cli import command, train_flags
from robmednas_tf.cli.run_record import read_used, require_unused
from robmednas_tf.cli.subjects import identities, open_cohort, split_subjects
from robmednas_tf.cli.train_flags import TrainSettings, settings_from_flags
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.split import Split
from robmednas_tf.files import locked_folder, remove_leftovers
from robmednas_tf.models.architecture import Architecture, load_architecture

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
        used = _require_new_test_subjects(settings, cohort, split)
        held = contextlib.ExitStack()
        held.enter_context(locked_folder(settings.output_dir))
        remove_leftovers(settings.output_dir)
    with held:
        greet(settings, split)
        command.start_tensorflow(settings.deterministic)
        from robmednas_tf.cli.train_run import TrainRun

        repeat = command.repeat_command(settings.output_dir)
        TrainRun(settings, architecture, cohort, split, used, repeat).run()


def find_architecture(text: str) -> Architecture:
    """Returns a named architecture, that in a JSON file, or the one that a search's folder holds.

    Raises:
        ValueError: If it is none of these.
    """
    folder = Path(text).expanduser()
    if not folder.is_dir():
        return load_architecture(Path(text).expanduser() if folder.is_file() else text)
    for name in ("best_architecture.json", "architecture.json"):
        if (folder / name).is_file():
            return load_architecture(folder / name)
    raise ValueError(
        f"A folder given as --architecture must be a search's. Received: {text!r}, which holds no "
        "best_architecture.json. Wait until its search has ended, or give another."
    )


def greet(settings: TrainSettings, split: Split) -> None:
    """Says what is about to be done."""
    adversarial = settings.adversarial
    how = "on clean slices"
    if adversarial is not None:
        share = 100 * adversarial.replacement_probability
        how = f"adversarially ({share:g} % of slices under FGSM {adversarial.epsilon:g})"
    print(
        f"Training {settings.architecture} {how}: {len(split.train)} subjects to train, "
        f"{len(split.validation)} to validate, {len(split.test)} kept for testing; "
        f"{settings.training.epochs} epochs at most.",
        flush=True,
    )
    if settings.data.data == PHANTOM:
        print("On made-up heads. For your own volumes: --data=FOLDER.", flush=True)


def _require_new_test_subjects(
    settings: TrainSettings, cohort: Cohort, split: Split
) -> dict[str, str]:
    folder = Path(settings.architecture).expanduser()
    used = read_used(folder) if folder.is_dir() else {}
    if used:
        require_unused(
            identities(cohort, split.test),
            used,
            f"The search in {str(folder)!r}",
            "Give the search's own cohort and split (--data, --num_phantoms, --split_seed), or a "
            "--split_seed under which they are not tested.",
        )
    return used
