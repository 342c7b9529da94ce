"""`run_search.py`: from a cohort to a robust U-Net, exported and reported.

Nothing here imports TensorFlow before the flags and the cohort's files are checked.
"""

from __future__ import annotations

import contextlib
from typing import NoReturn

from robmednas_tf.cli import command, search_flags
from robmednas_tf.cli.executors import opened_executor
from robmednas_tf.cli.run_record import require_own_folder
from robmednas_tf.cli.search_flags import SearchSettings, settings_from_flags
from robmednas_tf.cli.search_repeats_folder import folders_of_searches, require_same_kind
from robmednas_tf.cli.subjects import open_cohort, split_subjects
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.split import Split, num_subjects_for_search, split_search
from robmednas_tf.files import remove_leftovers
from robmednas_tf.folder_lock import locked_folder
from robmednas_tf.search.executor import Executor

SUMMARY = """\
Searches for a U-Net that synthesises CT from MR and stays accurate under attack.

  python run_search.py --oracle bayesian                  quick start on made-up heads
  python run_search.py --data=FOLDER --output_dir=RUN     your own paired volumes
  python run_search.py --flagfile=configs/paper.cfg --data=FOLDER    the paper's numbers
  python run_search.py --repeats=15 --output_dir=RUN      independent searches, compared

The same command in the same --output_dir goes on where it was."""


def run() -> NoReturn:
    """Runs the command on the process's arguments."""
    command.run(main, SUMMARY, search_flags.FLAGS)


def main() -> None:
    """Checks what can be checked, then searches."""
    with command.refusing_bad_input():
        settings = settings_from_flags()
        cohort = open_cohort(settings.data, num_phantoms(settings))
        splits = split(settings, cohort)
        cohort.check()
        held = contextlib.ExitStack()
        held.enter_context(locked_folder(settings.output_dir))
        require_own_folder(settings.output_dir, "search")
        require_same_kind(settings.output_dir, settings.repeats)
        if settings.repeats > 1:
            # Each can be gone on with by itself: not by two at once.
            for folder in folders_of_searches(settings.output_dir, settings.repeats):
                held.enter_context(locked_folder(folder))
        remove_leftovers(settings.output_dir)
    with held:
        greet(settings)
        with opened_executor(settings) as executor:
            run_searches(settings, cohort, *splits, executor)


def run_searches(
    settings: SearchSettings, cohort: Cohort, whole: Split, sub: Split, executor: Executor
) -> None:
    """Searches, once or repeatedly; ends the process with status 1 where a search has stopped."""
    repeat = command.repeat_command(settings.output_dir)
    if settings.repeats > 1:
        from robmednas_tf.cli.search_repeats import RepeatedSearch

        RepeatedSearch(settings, cohort, whole, sub, repeat, executor).run()
        return
    from robmednas_tf.cli.search_run import SearchRun

    run = SearchRun(settings, cohort, whole, sub, repeat, executor)
    run.run()
    if run.fault:
        command.fail(f"ERROR: {run.fault}", 1)


def split(settings: SearchSettings, cohort: Cohort) -> tuple[Split, Split]:
    """Splits the cohort, and draws the search's sub-dataset from its training subjects."""
    whole, seed = split_subjects(cohort, settings.data), settings.data.split_seed
    return whole, split_search(whole.train, settings.search.num_subjects, seed)


def num_phantoms(settings: SearchSettings) -> int:
    """Returns how many heads the search and its test subjects need."""
    data = settings.data
    return num_subjects_for_search(settings.search.num_subjects, data.num_validation, data.num_test)


def greet(settings: SearchSettings) -> None:
    """Says what is about to be done and, on the phantom, how to do the real thing."""
    search, space = settings.search, settings.space
    score = ", ".join(search.objectives)
    times = f", {settings.repeats} times" if settings.repeats > 1 else ""
    print(
        f"Searching {space.size:.3g} architectures with {search.num_trials} trials of "
        f"{settings.training.epochs} epochs ({search.oracle}); score: {score}, "
        f"attack: {search.attack}{times}.",
        flush=True,
    )
    if settings.pruner is not None:
        rungs = ", ".join(map(str, settings.pruner.rungs))
        print(
            f"Pruner: {settings.pruner.name}, rungs at epoch {rungs}: there the best "
            f"1/{settings.pruner.eta} of the candidates so far go on.",
            flush=True,
        )
    if settings.data.data == PHANTOM:
        print(
            "On made-up heads. For your own volumes: --data=FOLDER. "
            "For the paper's protocol: --flagfile=configs/paper.cfg --data=FOLDER.",
            flush=True,
        )
