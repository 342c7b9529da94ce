"""The flags of `run_study.py`, the settings they make, and what its steps' commands are told.

Most are the commands' own flags, taken over as they are: help, default and domain.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable

from absl import flags

from robmednas_tf.cli import data_flags, eval_flags, search_flags, train_flags
from robmednas_tf.cli.train_architecture import find_architecture
from robmednas_tf.models.architecture import NAMED, Architecture
from robmednas_tf.study.arms import SELECT_ON
from robmednas_tf.study.plan import STUDY, StepFlags

FLAGS = flags.FlagValues()
data_flags.define(FLAGS, image_size=64, slices_per_subject=24, num_phantoms=24)

# Flags that a step's command has under another name in the study.
_RENAMED = {"epochs": "trial_epochs"}
_RENAMED_TRAIN = {"attack": "train_attack"}
_SEARCH = (
    *("num_trials", "objective", "attack", "max_depth", "patterns", "filters"),
    *("reduction_ratios", "num_subjects", "epochs", "confirm_top", "confirm_seeds"),
    *("pruner", "rungs", "pruner_eta", "max_memory_gb", "max_attempts"),
)
# Of how a network is trained, in searches and in trainings alike.
_TRAINING = (
    *("batch_size", "learning_rate", "kernel_initializer", "start_at_mean"),
    *("weight_averaging", "deterministic"),
)
_TRAIN = ("epochs", "patience", "attack", "mixed_precision")
_EVALUATE = ("attacks",)
# Where a step runs and whose files it reads: another machine may say otherwise.
_DATA_PLACE = ("data", "cache_dir")
_SEARCH_PLACE = ("executor", "num_workers", "ray_address", "cpus_per_trial", "gpus_per_trial")
_TRAIN_PLACE = ("jit_compile", "mirrored")
_DATA = (
    *("image_size", "slices_per_subject", "ct_bias", "spacing_mm", "zscore", "num_phantoms"),
    *("num_validation", "num_test", "split_seed"),
)


def _take(source: flags.FlagValues, names: Iterable[str], new_names: dict[str, str]) -> None:
    for name in names:
        flag = copy.deepcopy(source[name])
        flag.name = new_names.get(name, name)
        module = source.find_module_defining_flag(name)
        flags.DEFINE_flag(flag, flag_values=FLAGS, module_name=module)


_take(search_flags.FLAGS, (*_SEARCH, *_TRAINING, *_SEARCH_PLACE), _RENAMED)
_take(train_flags.FLAGS, (*_TRAIN, "replacement_probability", *_TRAIN_PLACE), _RENAMED_TRAIN)
_take(eval_flags.FLAGS, (*_EVALUATE, "num_slices"), {})

# How much is done.
flags.DEFINE_string(
    "output_dir", "runs/study", "Folder of the study; a study in it goes on.", flag_values=FLAGS
)
flags.DEFINE_integer(
    "repeats",
    3,
    "Independent repeats of the arms Random, RobMedNAS-R and RobMedNAS-T; may grow when a study "
    "goes on. Paper: 15.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "baseline_repeats",
    0,
    "Trainings of the baseline, and as many adversarial ones, each with a seed of its own; 0 for "
    "as many as --repeats. Paper: 1.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "seeds",
    3,
    "Study of weight initialisation: the picked RobMedNAS-T architecture and the baseline under so "
    "many seeds; 0 leaves it out. Paper: 11.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "folds",
    3,
    "Study of training data: the same two, on so many cross-validation folds of the subjects that "
    "are not tested; 0 leaves it out. Paper: 8.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "curves",
    True,
    "Evaluate the picked networks under the paper's progressive corruptions too (its Figure 7).",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "baseline",
    "baseline",
    "Architecture of the two baseline arms: as --architecture of run_train.py.",
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    "select_on",
    "validation",
    SELECT_ON,
    "Subjects that choose, by Dice under attack, which repeat of an arm the tables report. test is "
    "the paper's way, and flatters: the same subjects are reported on. All repeats are shown "
    "either way.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "seed", 0, "Seed from which those of all repeats are drawn.", flag_values=FLAGS
)

# What of it is done now.
flags.DEFINE_bool(
    "list",
    False,
    "Show the steps, and how long they will take, without doing any.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "jobs",
    1,
    "Steps done at a time, each with its part of the processors and one of the GPUs. On processors "
    "small networks gain from it; they share the memory: see --max_memory_gb. A training's last "
    "digits depend on its number of threads.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "only",
    [],
    "Do these steps alone (the beginnings of names will do: search, train/random), where all that "
    "they follow is done.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "until",
    [],
    "Do these steps (or beginnings) and all that they follow, and no others.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "tables_from",
    None,
    "Folder of a study's results (its folder results): write tables, figures and report from these "
    "alone into --output_dir, and do nothing else.",
    flag_values=FLAGS,
)
# What says how a study is called, not what it is.
OF_ONE_CALL = ("list", "jobs", "only", "until", "tables_from")


def step_flags() -> StepFlags:
    """Returns what the parsed flags tell the steps' commands, but where they run."""
    if FLAGS.num_slices < 0:
        raise ValueError(f"--num_slices must be at least 0. Received: {FLAGS.num_slices}.")
    return StepFlags(
        search=_lines((*_DATA, *_TRAINING, *_SEARCH), _RENAMED),
        train=("--brief", *_lines((*_DATA, *_TRAINING, *_TRAIN), _RENAMED_TRAIN)),
        adversarial=("--adversarial", *_lines(("replacement_probability",))),
        evaluate=_lines((*_DATA, *_EVALUATE, "batch_size")),
        # A file may lie elsewhere on the next machine, or change: the study keeps a copy.
        baseline=FLAGS.baseline
        if FLAGS.baseline in NAMED
        else f"{STUDY}/{baseline_file(find_architecture(FLAGS.baseline))}",
        num_slices=FLAGS.num_slices,
        draw=_lines(("max_depth", "patterns", "filters", "reduction_ratios")),
    )


def baseline_file(architecture: Architecture) -> str:
    """Returns where a study keeps its baseline, from its folder on: another one, another name."""
    digest = hashlib.sha256(architecture.to_json().encode()).hexdigest()
    return f"steps/baseline_{digest[:8]}.json"


def places() -> dict[str, tuple[str, ...]]:
    """Returns what the parsed flags tell the steps' commands of this very machine, by command."""
    data = _lines(_DATA_PLACE)
    return {
        "search": (*data, *_lines(_SEARCH_PLACE)),
        "train": (*data, *_lines(_TRAIN_PLACE)),
        "eval": data,
    }


def _lines(names: Iterable[str], renamed: dict[str, str] | None = None) -> tuple[str, ...]:
    lines = []
    for name in names:
        own = FLAGS[(renamed or {}).get(name, name)]
        # Without a value there is nothing to say: the command's default is the same.
        text = own.serialize() if own.value is not None else ""
        lines += [text.replace(f"--{own.name}=", f"--{name}=", 1)] if text else []
    return tuple(lines)
