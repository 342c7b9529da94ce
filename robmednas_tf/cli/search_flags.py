"""The flags of `run_search.py`, and the settings they make."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from robmednas_tf.config import (
    KERNEL_INITIALIZERS,
    OBJECTIVES,
    PHANTOM,
    DataConfig,
    SearchConfig,
    TrainingConfig,
)
from robmednas_tf.models.architecture import PATTERNS
from robmednas_tf.models.space import FILTERS, MAX_DEPTH, REDUCTION_RATIOS, SearchSpace

FLAGS = flags.FLAGS

# What is searched, on what.
flags.DEFINE_enum(
    "oracle",
    "bayesian",
    ("bayesian", "random"),
    "Rule that proposes candidates: bayesian (TPE, the paper's RobMedNAS-T) or random "
    "(RobMedNAS-R).",
)
flags.DEFINE_string(
    "data",
    PHANTOM,
    "Folder with one folder a subject, each with mr.nii.gz and ct.nii.gz (SynthRAD2023's layout); "
    "or phantom, heads made by the program.",
)
flags.DEFINE_string("output_dir", "runs/search", "Folder of the run; a search in it goes on.")
flags.DEFINE_string(
    "cache_dir", None, "Folder of prepared slices. Default: robmednas_tf in the user's cache."
)
flags.DEFINE_integer(
    "num_trials",
    16,
    "Candidates trained and scored; failed ones do not count. Paper: 200.",
)
flags.DEFINE_enum(
    "objective",
    "adversarial_dice",
    sorted(OBJECTIVES),
    "What is optimised, on the sub-dataset's test subjects: mean over the four regions, or one "
    "region. Dice is maximised, MAE (HU) minimised. Paper: Dice under attack.",
)
flags.DEFINE_float(
    "epsilon", 0.2, "Size of the FGSM attack that scores, in standard deviations of MR. Paper: 0.2."
)
flags.DEFINE_integer("max_depth", 3, f"Largest depth of the U-Net. Paper: {MAX_DEPTH}.")
flags.DEFINE_list(
    "patterns", list(PATTERNS), "Connection patterns, four switches each. Paper: all 15."
)
flags.DEFINE_list(
    "filters", ["8", "16", "32"], f"Numbers of filters. Paper: {','.join(map(str, FILTERS))}."
)
flags.DEFINE_list(
    "reduction_ratios",
    [str(ratio) for ratio in REDUCTION_RATIOS],
    "Reduction ratios of squeeze-and-excitation; empty for none. "
    f"Paper: {','.join(map(str, REDUCTION_RATIOS))}.",
)
flags.DEFINE_integer(
    "num_subjects", 6, "Subjects of the search's sub-dataset, parted 4:1:1. Paper: 6."
)
flags.DEFINE_integer(
    "image_size", 64, "Pixels a side that slices are padded or cropped to. Paper: 256."
)
flags.DEFINE_integer(
    "slices_per_subject",
    24,
    "Axial slices a subject at most, evenly spread; 0 for all. Paper: all 182.",
)
flags.DEFINE_float("ct_bias", 0.0, "Added to the CT files' values to make them HU. Paper: -1000.")

# How a candidate is trained.
flags.DEFINE_integer("epochs", 12, "Epochs of a trial. Paper: 10, of 122 steps each.")
flags.DEFINE_integer("batch_size", 6, "Slices a step. Paper: 6.")
flags.DEFINE_float(
    "learning_rate", 1e-3, "Adam's step size. Paper: 1e-4, too small for a trial of 200 steps."
)
flags.DEFINE_enum(
    "kernel_initializer",
    "he_normal",
    KERNEL_INITIALIZERS,
    "Keras's name of the kernels' initializer. Paper: not said; Keras's default is glorot_uniform.",
)
flags.DEFINE_bool(
    "start_at_mean", True, "Start the last layer as the training CTs' mean. Paper: not said."
)
flags.DEFINE_float(
    "weight_averaging",
    0.96,
    "Decay of the running average of the weights that is validated and kept; 0 for none. "
    "Paper: not said.",
)
flags.DEFINE_integer(
    "final_epochs",
    40,
    "Epochs at most of the winner's training from scratch, stopped early; 0 exports the trial's "
    "own weights. Paper: 150.",
)
flags.DEFINE_integer(
    "patience", 5, "Epochs without a lower validation loss that end the final training. Paper: 5."
)

# How the run is run.
flags.DEFINE_integer("seed", 0, "Seed of the proposals, the weights and the batches.")
flags.DEFINE_integer(
    "split_seed",
    0,
    "Seed of the splits (and of the phantom); repeats under other --seed share their subjects.",
)
flags.DEFINE_bool(
    "deterministic", False, "The same bits each time, at some cost in speed on a GPU."
)
flags.DEFINE_float(
    "max_memory_gb",
    0.0,
    "Candidates estimated to need more to train are passed over, in 10^9 bytes. "
    "0: 80 % of the main memory that is free.",
)
flags.DEFINE_integer("keep_models", 3, "Best trials whose weights stay on disk.")


@dataclass(frozen=True)
class SearchSettings:
    """All the settings of one search."""

    output_dir: Path
    data: DataConfig
    space: SearchSpace
    search: SearchConfig
    training: TrainingConfig
    final_training: TrainingConfig | None
    deterministic: bool
    max_memory_gb: float


def settings_from_flags() -> SearchSettings:
    """Turns the parsed flags into settings.

    Raises:
        ValueError: If a value is outside its domain.
    """
    if not (math.isfinite(FLAGS.max_memory_gb) and FLAGS.max_memory_gb >= 0):
        raise ValueError(f"--max_memory_gb must be >= 0. Received: {FLAGS.max_memory_gb}.")
    return SearchSettings(
        output_dir=Path(FLAGS.output_dir).expanduser().resolve(),
        data=DataConfig(
            data=FLAGS.data,
            image_size=FLAGS.image_size,
            slices_per_subject=FLAGS.slices_per_subject,
            ct_bias=FLAGS.ct_bias,
            cache_dir=Path(FLAGS.cache_dir or _user_cache()).expanduser(),
        ),
        space=SearchSpace(
            max_depth=FLAGS.max_depth,
            patterns=tuple(FLAGS.patterns),
            filters=_integers("filters"),
            reduction_ratios=_integers("reduction_ratios"),
        ),
        search=SearchConfig(
            oracle=FLAGS.oracle,
            num_trials=FLAGS.num_trials,
            objective=FLAGS.objective,
            epsilon=FLAGS.epsilon,
            num_subjects=FLAGS.num_subjects,
            keep_models=FLAGS.keep_models,
            seed=FLAGS.seed,
            split_seed=FLAGS.split_seed,
        ),
        training=_training(FLAGS.epochs, patience=0),
        final_training=_final_training(),
        deterministic=FLAGS.deterministic,
        max_memory_gb=FLAGS.max_memory_gb,
    )


def _final_training() -> TrainingConfig | None:
    if FLAGS.final_epochs < 0:
        raise ValueError(f"--final_epochs must be >= 0. Received: {FLAGS.final_epochs}.")
    return _training(FLAGS.final_epochs, FLAGS.patience) if FLAGS.final_epochs else None


def _training(epochs: int, patience: int) -> TrainingConfig:
    return TrainingConfig(
        epochs=epochs,
        batch_size=FLAGS.batch_size,
        learning_rate=FLAGS.learning_rate,
        patience=patience,
        kernel_initializer=FLAGS.kernel_initializer,
        start_at_mean=FLAGS.start_at_mean,
        weight_averaging=FLAGS.weight_averaging,
    )


def _integers(name: str) -> tuple[int, ...]:
    values: Sequence[str] = FLAGS[name].value or ()
    try:
        return tuple(int(value) for value in values)
    except ValueError:
        raise ValueError(
            f"--{name} must be whole numbers with commas between. Received: {','.join(values)!r}."
        ) from None


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "robmednas_tf"
