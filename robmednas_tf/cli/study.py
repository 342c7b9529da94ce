"""`run_study.py`: the paper's whole comparison, step by step, and its tables, figures and report.

Nothing here imports TensorFlow: each step that needs it is a process of its own.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import NoReturn

from robmednas_tf.cli import command, study_flags
from robmednas_tf.cli.run_record import require_own_folder
from robmednas_tf.cli.study_listing import listing
from robmednas_tf.cli.study_measure import measured_rate
from robmednas_tf.cli.study_record import study_sizes, write_study_record
from robmednas_tf.cli.study_run import StudyRun
from robmednas_tf.cli.study_settings import StudySettings, settings_from_flags
from robmednas_tf.cli.subjects import open_cohort, split_subjects
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.split import Split, split_search
from robmednas_tf.files import remove_leftovers
from robmednas_tf.folder_lock import locked_folder
from robmednas_tf.study.cost import Rate, StudyCosts, spread_over
from robmednas_tf.study.marks import Marks
from robmednas_tf.study.outlook import seconds_left, seconds_together
from robmednas_tf.study.plan import make_plan
from robmednas_tf.study.steps import Plan

SUMMARY = """\
Runs the paper's comparison: searches, trainings, evaluations, studies, tables, figures, a report.

  python run_study.py --flagfile=configs/study_smoke.cfg           all of it, tiny
  python run_study.py --flagfile=configs/study_phantom.cfg --list  the steps, their time and disk
  python run_study.py --tables_from=STUDY/results --output_dir=NEW tables anew from the results

The same command in the same --output_dir goes on where it was."""


def run() -> NoReturn:
    """Runs the command on the process's arguments."""
    command.run(main, SUMMARY, study_flags.FLAGS)


def main() -> None:
    """Checks what can be checked, then does what is not done."""
    if study_flags.FLAGS.tables_from:
        _write_tables_anew()
        return
    with command.refusing_bad_input():
        settings = settings_from_flags()
        cohort = open_cohort(settings.data)
        whole = split_subjects(cohort, settings.data)
        sub = split_search(whole.train, settings.num_subjects, settings.data.split_seed)
        _require_folds(settings, whole)
        cohort.check()
        plan = make_plan(settings.config, settings.steps)
        costs = StudyCosts(study_sizes(settings, whole, sub), settings.baseline, settings.space)
        marks = Marks(settings.output_dir, plan)
        wanted = _wanted(settings, plan)
        # At the door: all of them are as they were, or may be done anew.
        for step in plan.steps:
            marks.read(step.name)
    if study_flags.FLAGS.list:
        rate = _rate(settings)
        print(listing(plan, costs, spent_here(marks), rate, wanted, settings.jobs), flush=True)
        return
    _do(settings, cohort, whole, plan, costs, marks, wanted)


def _do(
    settings: StudySettings,
    cohort: Cohort,
    whole: Split,
    plan: Plan,
    costs: StudyCosts,
    marks: Marks,
    wanted: set[str],
) -> None:
    with command.refusing_bad_input():
        held = contextlib.ExitStack()
        held.enter_context(locked_folder(settings.output_dir))
        require_own_folder(settings.output_dir, "study")
        remove_leftovers(settings.output_dir)
    with held:
        write_study_record(settings, cohort, whole)
        print(f"{len(plan.steps)} steps in {settings.output_dir}.", flush=True)
        rate = _rate(settings)

        def time_left(names: set[str]) -> float | None:
            if rate is None:
                return None
            left = seconds_left(plan, costs, rate, spent_here(marks))
            return seconds_together(plan, left, names, settings.jobs)

        study = StudyRun(settings, plan, marks, time_left)
        study.run(wanted)
        _tell_end(settings, plan, marks, study, wanted)


def spent_here(marks: Marks) -> dict[str, float]:
    """Returns the seconds of each step that was done; 0 where on another machine."""
    spent = {}
    for step in marks.plan.steps:
        mark = marks.read(step.name)
        if mark is not None:
            spent[step.name] = mark.seconds if mark.host == socket.gethostname() else 0.0
    return spent


def _wanted(settings: StudySettings, plan: Plan) -> set[str]:
    if settings.until:
        return plan.with_what_they_follow(plan.matching(settings.until, "until"))
    if settings.only:
        return plan.matching(settings.only, "only")
    return {step.name for step in plan.steps}


def _require_folds(settings: StudySettings, whole: Split) -> None:
    available = len(whole.train) + len(whole.validation)
    if settings.config.folds > available:
        raise ValueError(
            f"--folds must be at most the number of subjects that are not tested, {available}. "
            f"Received: {settings.config.folds}."
        )


def _rate(settings: StudySettings) -> Rate | None:
    draws = spread_over(settings.space)
    return measured_rate(
        settings.output_dir / "rates",
        settings.baseline,
        # Of middle size.
        sorted(draws, key=lambda each: (each.depth, sum(b.filters for b in each.encoder)))[
            len(draws) // 2
        ],
        settings.data.image_size,
        settings.batch_size,
        settings.jobs,
        lambda text: print(text, flush=True),
    )


def _tell_end(
    settings: StudySettings, plan: Plan, marks: Marks, study: StudyRun, wanted: set[str]
) -> None:
    open_names = [step.name for step in plan.steps if step.name not in marks]
    if study.failures:
        first = next(iter(study.failures))
        command.fail(
            f"ERROR: {len(study.failures)} of the steps failed, the first {first!r}: "
            f"{study.failures[first]} What is done stays; the same command tries them again and "
            "does what follows them.",
            1,
        )
    blocked = [name for name in open_names if name in wanted]
    if blocked:
        missing = [name for name in plan[blocked[0]].after if name not in marks]
        command.fail(
            f"ERROR: Step {blocked[0]!r} follows steps that are not done, {missing[0]!r} for one. "
            f"Give --until={blocked[0]}, which does them first.",
            1,
        )
    if open_names:
        print(f"{len(open_names)} steps are left, {open_names[0]} the first.", flush=True)
        return
    folder = settings.output_dir
    print(
        f"Report:  {folder / 'report.html'}\n"
        f"Tables:  {folder / 'tables'}\n"
        f"Figures: {folder / 'figures'}\n"
        f"Numbers: {folder / 'results'}\n"
        f"Model:   {folder / 'steps' / 'pick' / 'robmednas_t' / 'model' / 'model.keras'}\n"
        f"Trials:  tensorboard --logdir {folder / 'steps' / 'search'}",
        flush=True,
    )


def _write_tables_anew() -> None:
    flags = study_flags.FLAGS
    folder = Path(flags.output_dir).expanduser().resolve()
    with command.refusing_bad_input():
        from robmednas_tf.report.study_results import read_results

        source = Path(flags.tables_from).expanduser()
        results = read_results(source)
        if (folder / "flags.cfg").exists():
            raise ValueError(
                f"Folder {str(folder)!r} holds a run, whose tables stay its own. Give another "
                "--output_dir."
            )
    # The report's rooms load it; nothing is computed with it.
    command.start_tensorflow(use_gpus=False)
    from robmednas_tf.report.study import write_study

    write_study(folder, results)
    print(f"Report:  {folder / 'report.html'}\nTables:  {folder / 'tables'}", flush=True)
