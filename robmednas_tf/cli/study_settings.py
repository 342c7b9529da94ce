"""The settings of a study, from its flags: every step's own command has to accept its part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from absl.testing import flagsaver

from robmednas_tf.attacks.kinds import TRANSFER
from robmednas_tf.attacks.notation import CURVES, Perturbation, parse_perturbations
from robmednas_tf.cli import data_flags, search_flags, study_flags, train_flags
from robmednas_tf.cli.command import parse_flags
from robmednas_tf.cli.study_flags import FLAGS
from robmednas_tf.cli.train_architecture import find_architecture
from robmednas_tf.config import DataConfig
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.study.arms import StudyConfig
from robmednas_tf.study.plan import StepFlags


@dataclass(frozen=True)
class StudySettings:
    """All the settings of a study.

    Attributes:
        output_dir: The study's folder.
        config: How much is done.
        data: Which subjects, and how they are prepared.
        baseline: The hand-crafted architecture.
        space: Where is searched.
        steps: What the steps' commands are told.
        places: What they are told of this very machine, by command.
        num_subjects: Of the search's sub-dataset.
        attacks: Perturbations of an evaluation.
        batch_size: Slices of a training step.
        num_levels: Levels of the progressive corruptions.
        max_memory_gb: Random architectures estimated to need more are passed over; 0 for 80 % of
            the main memory that is free.
        jobs: Steps that are done at a time.
        only: As the flag.
        until: As the flag.
    """

    output_dir: Path
    config: StudyConfig
    data: DataConfig
    baseline: Architecture
    space: SearchSpace
    steps: StepFlags
    places: dict[str, tuple[str, ...]]
    num_subjects: int
    attacks: tuple[str, ...]
    batch_size: int
    num_levels: int
    max_memory_gb: float
    jobs: int
    only: tuple[str, ...]
    until: tuple[str, ...]


def settings_from_flags() -> StudySettings:
    """Turns the parsed flags into settings; every step's own command has to accept its flags.

    Raises:
        ValueError: If a value is outside its domain.
    """
    if FLAGS.fold:
        raise ValueError("--fold is for one training: a study takes --folds. Leave it out.")
    if FLAGS.only and FLAGS.until:
        raise ValueError("--only and --until do not go together: leave one out.")
    _require_possible_jobs()
    config = StudyConfig(
        repeats=FLAGS.repeats,
        baseline_repeats=FLAGS.baseline_repeats,
        seeds=FLAGS.seeds,
        folds=FLAGS.folds,
        seed=FLAGS.seed,
        select_on=FLAGS.select_on,
        curves=FLAGS.curves,
    )
    steps = study_flags.step_flags()
    _require_accepted(steps)
    return StudySettings(
        output_dir=Path(FLAGS.output_dir).expanduser().resolve(),
        config=config,
        data=data_flags.data_config(FLAGS),
        baseline=find_architecture(FLAGS.baseline),
        space=SearchSpace(
            FLAGS.max_depth,
            tuple(FLAGS.patterns),
            tuple(map(int, FLAGS.filters)),
            tuple(map(int, FLAGS.reduction_ratios)),
        ),
        steps=steps,
        places=study_flags.places(),
        num_subjects=FLAGS.num_subjects,
        attacks=tuple(map(str, _attacks())),
        batch_size=FLAGS.batch_size,
        num_levels=sum(map(len, CURVES.values())) if FLAGS.curves else 0,
        max_memory_gb=FLAGS.max_memory_gb,
        jobs=FLAGS.jobs,
        only=tuple(FLAGS.only),
        until=tuple(FLAGS.until),
    )


def _require_possible_jobs() -> None:
    if FLAGS.jobs < 1:
        raise ValueError(f"--jobs must be at least 1. Received: {FLAGS.jobs}.")
    if FLAGS.jobs == 1:
        return
    if FLAGS.executor != "local":
        raise ValueError(
            f"--jobs={FLAGS.jobs} does several steps at a time, --executor={FLAGS.executor} "
            "several trials of one search: leave one of them out."
        )
    if FLAGS.mirrored:
        raise ValueError(
            f"--jobs={FLAGS.jobs} gives each step a GPU of its own, --mirrored gives one step all "
            "of them: leave one of them out."
        )


def _attacks() -> tuple[Perturbation, ...]:
    attacks = parse_perturbations(each for each in FLAGS.attacks if each)
    for each in attacks:
        if each.table.made_by == TRANSFER:
            raise ValueError(
                "The attacks of a study must be made on each network by itself. "
                f"Received: {each}. Transfer attacks afterwards, with run_eval.py."
            )
    return attacks


def _require_accepted(steps: StepFlags) -> None:
    """Lets each command look at its flags, as it will when its step is done."""
    for module, arguments in (
        (search_flags, (*steps.search, *study_flags.places()["search"])),
        (train_flags, (*steps.train, *steps.adversarial, *study_flags.places()["train"])),
    ):
        saved = flagsaver.save_flag_values(module.FLAGS)
        try:
            parse_flags(["step", *arguments], module.FLAGS)
            module.settings_from_flags()
        finally:
            flagsaver.restore_flag_values(saved, module.FLAGS)
