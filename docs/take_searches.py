"""Takes the searches and draws of published results over into a study, as steps that are done.

Run from the root: `python docs/take_searches.py RESULTS --flagfile=STUDY.cfg`, with the
flags of the study that is to come. `run_study.py` with the same flags then trains the winners anew,
longer for one. Whoever has the first study's folder copies its `steps/search` and `steps/draw`
instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from robmednas_tf.cli import command, study_flags
from robmednas_tf.cli.run_record import flags_in
from robmednas_tf.cli.study_record import write_study_record
from robmednas_tf.cli.study_settings import StudySettings, settings_from_flags
from robmednas_tf.cli.subjects import open_cohort, split_subjects
from robmednas_tf.files import write_json, write_text
from robmednas_tf.report.study_contents import ARM, StudyInfo, StudyResults
from robmednas_tf.report.study_results import read_results
from robmednas_tf.search.outcome import OUTCOME_FILE
from robmednas_tf.search.trials import sayable
from robmednas_tf.study.marks import Mark, Marks
from robmednas_tf.study.plan import make_plan
from robmednas_tf.study.steps import Step

# Of trainings and evaluations, or of a place: a search's result does not depend on them.
MAY_DIFFER = (
    *("output_dir", "cache_dir", "data", "repeats", "baseline_repeats", "seeds", "folds"),
    *("epochs", "patience", "attacks", "curves", "train_attack", "replacement_probability"),
    *("select_on", "num_slices", "mixed_precision", "mirrored", "jit_compile", "baseline"),
    *("executor", "num_workers", "ray_address", "cpus_per_trial", "gpus_per_trial"),
)


def take(results: StudyResults, settings: StudySettings) -> None:
    """Writes what the study's searches and draws would have left, and marks them as done."""
    plan = make_plan(settings.config, settings.steps)
    marks = Marks(settings.output_dir, plan)
    for step in plan.steps:
        if step.command in ("search", "draw"):
            take_step(step, results, settings.output_dir / step.folder)
            # Done elsewhere: its time tells nothing of this machine.
            marks.write(step.name, Mark(step.command, step.arguments, 0.0, "elsewhere"))


def take_step(step: Step, results: StudyResults, folder: Path) -> None:
    """Writes the architecture that a search or a draw has found, and a search's scores."""
    key = (step.arm, step.number)
    [run] = [run for run in results.runs if run.part == ARM and (run.arm, run.number) == key]
    if step.command == "draw":
        write_text(folder / "architecture.json", run.architecture.to_json() + "\n")
        return
    [search] = [search for search in results.searches if (search.arm, search.number) == key]
    write_text(folder / "best_architecture.json", run.architecture.to_json() + "\n")
    found = {"seed": search.seed, "num_failed": search.num_failed, "seconds": search.seconds}
    write_json(folder / OUTCOME_FILE, {**found, "scores": sayable(search.scores)})


def require_same_searches(
    info: StudyInfo, settings: StudySettings, subjects: dict[str, list[str]]
) -> None:
    """Refuses a study whose own searches would be others, or would have seen its test subjects."""
    if settings.config.repeats > info.repeats:
        raise ValueError(
            f"--repeats must be at most what was published, {info.repeats}. "
            f"Received: {settings.config.repeats}."
        )
    now = flags_in(command.flag_file(study_flags.FLAGS, {}))
    known = (*MAY_DIFFER, *study_flags.OF_ONE_CALL)
    for name in sorted({*info.settings, *now} - {*known, *(f"no{each}" for each in known)}):
        if info.settings.get(name) != now.get(name):
            raise ValueError(
                f"The study's searches must be the published ones. --{name} is "
                f"{info.settings.get(name)} there, {now.get(name)} here. Give it the same value."
            )
    if {part: list(names) for part, names in info.subjects.items()} != subjects:
        raise ValueError(
            "The published searches were made on another split. Give the same cohort and seed."
        )


def main() -> None:
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="Published: a folder with study.json.")
    given, flags = parser.parse_known_args()
    with command.refusing_bad_input():
        results = read_results(given.results)
        command.parse_flags(["take_searches.py", *flags], study_flags.FLAGS)
        settings = settings_from_flags()
        cohort = open_cohort(settings.data)
        whole = split_subjects(cohort, settings.data)
        require_same_searches(results.info, settings, whole.to_dict())
    write_study_record(settings, cohort, whole)
    take(results, settings)


if __name__ == "__main__":
    main()
