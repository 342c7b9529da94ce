"""The flags of `run_search.py`, and the settings they make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from robmednas_tf.cli import (
    attack_flags,
    data_flags,
    executor_flags,
    objective_flags,
    pruner_flags,
    training_flags,
)
from robmednas_tf.config import DataConfig, SearchConfig, TrainingConfig, WorkersConfig
from robmednas_tf.models.architecture import PATTERNS
from robmednas_tf.models.space import FILTERS, MAX_DEPTH, REDUCTION_RATIOS, SearchSpace
from robmednas_tf.onnx_export import require_onnx
from robmednas_tf.search.pruning import Pruner

FLAGS = flags.FlagValues()
data_flags.define(FLAGS, image_size=64, slices_per_subject=24, num_phantoms=0)
training_flags.define(FLAGS)
objective_flags.define(FLAGS)
pruner_flags.define(FLAGS)
executor_flags.define(FLAGS)

# What is searched, on what.
flags.DEFINE_enum(
    "oracle",
    "bayesian",
    ("bayesian", "random"),
    "Rule that proposes candidates: bayesian (TPE, the paper's RobMedNAS-T) or random "
    "(RobMedNAS-R).",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "output_dir", "runs/search", "Folder of the run; a search in it goes on.", flag_values=FLAGS
)
flags.DEFINE_integer(
    "num_trials",
    12,
    "Candidates trained and scored, those that the pruner stops included; failed ones do not "
    "count. Paper: 200.",
    flag_values=FLAGS,
)
attack_flags.define(FLAGS, "What spoils the MR of the subjects that score a candidate")
flags.DEFINE_integer(
    "max_depth", 3, f"Largest depth of the U-Net. Paper: {MAX_DEPTH}.", flag_values=FLAGS
)
flags.DEFINE_list(
    "patterns",
    list(PATTERNS),
    "Connection patterns, four switches each. Paper: all 15.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "filters",
    ["8", "16", "32"],
    f"Numbers of filters. Paper: {','.join(map(str, FILTERS))}.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "reduction_ratios",
    [str(ratio) for ratio in REDUCTION_RATIOS],
    "Reduction ratios of squeeze-and-excitation; empty for none. "
    f"Paper: {','.join(map(str, REDUCTION_RATIOS))}.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "num_subjects",
    6,
    "Subjects of the search's sub-dataset, parted 4:1:1. Paper: 6.",
    flag_values=FLAGS,
)

# How a candidate is trained.
flags.DEFINE_integer(
    "epochs", 12, "Epochs of a trial. Paper: 10, of 122 steps each.", flag_values=FLAGS
)
flags.DEFINE_integer(
    "final_epochs",
    40,
    "Epochs at most of the winner's training from scratch, stopped early; 0 exports the trial's "
    "own weights. Paper: 150.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "patience",
    5,
    "Epochs without a lower validation loss that end the final training. Paper: 5.",
    flag_values=FLAGS,
)

# How the winner is chosen.
flags.DEFINE_integer(
    "confirm_top",
    2,
    "Best trials that are trained and scored again, with new seeds, at the end: a trial's score is "
    "one draw, and the best of many is a lucky one. The best mean of the new scores wins. 0 for "
    "none, as the paper names none; may differ when a search goes on. With several --objectives, "
    "those of the Pareto front that are best by the first; with another --pick than first, the "
    "picked trial alone, which stays the winner.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "confirm_seeds",
    2,
    "Further seeds for each of the --confirm_top trials; may differ when a search goes on.",
    flag_values=FLAGS,
)

# How the run is run.
flags.DEFINE_integer(
    "repeats",
    1,
    "Independent searches, on the same split and with seeds of their own, and a report of them "
    "all; may differ when they go on. 1 for a single search. Paper: 15.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "seed", 0, "Seed of the proposals, the weights and the batches.", flag_values=FLAGS
)
flags.DEFINE_float(
    "max_memory_gb",
    0.0,
    "Candidates estimated to need more to train are passed over, in 10^9 bytes. "
    "0: 80 % of the main memory that is free.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "max_attempts",
    3,
    "Times that the process may end during one candidate's training before that has failed. "
    "Raise it where machines are taken away without a signal; may differ when a search goes on.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "keep_models",
    3,
    "Best trials whose weights stay on disk; at least --confirm_top do.",
    flag_values=FLAGS,
)


@dataclass(frozen=True)
class SearchSettings:
    """All the settings of one search."""

    output_dir: Path
    data: DataConfig
    space: SearchSpace
    search: SearchConfig
    training: TrainingConfig
    final_training: TrainingConfig | None
    pruner: Pruner | None
    deterministic: bool
    max_memory_gb: float
    onnx: bool = False
    repeats: int = 1
    workers: WorkersConfig | None = None


def settings_from_flags() -> SearchSettings:
    """Turns the parsed flags into settings.

    Raises:
        ValueError: If a value is outside its domain, or a package is missing.
    """
    if not (math.isfinite(FLAGS.max_memory_gb) and FLAGS.max_memory_gb >= 0):
        raise ValueError(f"--max_memory_gb must be >= 0. Received: {FLAGS.max_memory_gb}.")
    if FLAGS.repeats < 1:
        raise ValueError(f"--repeats must be at least 1. Received: {FLAGS.repeats}.")
    if FLAGS.onnx:
        require_onnx()
    return SearchSettings(
        output_dir=Path(FLAGS.output_dir).expanduser().resolve(),
        data=data_flags.data_config(FLAGS),
        space=SearchSpace(
            max_depth=FLAGS.max_depth,
            patterns=tuple(FLAGS.patterns),
            filters=_integers("filters"),
            reduction_ratios=_integers("reduction_ratios"),
        ),
        search=SearchConfig(
            oracle=FLAGS.oracle,
            num_trials=FLAGS.num_trials,
            objectives=objective_flags.objectives(FLAGS),
            attack=attack_flags.attack(FLAGS),
            num_subjects=FLAGS.num_subjects,
            keep_models=FLAGS.keep_models,
            seed=FLAGS.seed,
            confirm_top=FLAGS.confirm_top,
            confirm_seeds=FLAGS.confirm_seeds,
            pick=objective_flags.pick(FLAGS),
            max_attempts=FLAGS.max_attempts,
        ),
        training=training_flags.training_config(FLAGS, FLAGS.epochs, patience=0),
        final_training=_final_training(),
        pruner=pruner_flags.pruner(FLAGS, FLAGS.epochs, FLAGS.objectives or ()),
        deterministic=FLAGS.deterministic,
        max_memory_gb=FLAGS.max_memory_gb,
        onnx=FLAGS.onnx,
        repeats=FLAGS.repeats,
        workers=executor_flags.workers_config(FLAGS),
    )


def _final_training() -> TrainingConfig | None:
    if FLAGS.final_epochs < 0:
        raise ValueError(f"--final_epochs must be >= 0. Received: {FLAGS.final_epochs}.")
    if not FLAGS.final_epochs:
        return None
    return training_flags.training_config(FLAGS, FLAGS.final_epochs, FLAGS.patience)


def _integers(name: str) -> tuple[int, ...]:
    values: Sequence[str] = FLAGS[name].value or ()
    try:
        return tuple(int(value) for value in values)
    except ValueError:
        raise ValueError(
            f"--{name} must be whole numbers with commas between. Received: {','.join(values)!r}."
        ) from None
