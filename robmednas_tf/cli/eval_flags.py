"""The flags of `run_eval.py`, and the settings they make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from robmednas_tf.attacks.kinds import TRANSFER
from robmednas_tf.attacks.notation import (
    CLEAN,
    CORRUPTION_CURVES,
    CURVES,
    Perturbation,
    described,
    parse_perturbations,
)
from robmednas_tf.cli import data_flags
from robmednas_tf.cli.eval_models import ModelSource, parse_models
from robmednas_tf.cli.run_record import read_flags

FLAGS = flags.FlagValues()
data_flags.define(FLAGS, image_size=0, slices_per_subject=0, num_phantoms=24)

SPLITS = ("test", "validation", "train", "all")

flags.DEFINE_list(
    "models",
    [],
    "Models under evaluation, name=PATH,name=PATH: the folder of a run, a .keras file or a "
    "SavedModel's folder. The first one's run gives --data and its kin where they are not given.",
    flag_values=FLAGS,
)
flags.DEFINE_string("output_dir", "runs/eval", "Folder of the evaluation.", flag_values=FLAGS)
flags.DEFINE_enum(
    "split",
    "test",
    SPLITS,
    "Part of the cohort that is evaluated; all is for a cohort that no model has seen.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "attacks",
    ["fgsm:0.06"],
    f"Attacks, name:size, or name:size:option=value, in standard deviations of MR; "
    f"{described()}. Empty for none. Paper: fgsm:0.06 (Tables 2 and 3), fgsm:0.15 (Figure 4).",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "curves",
    False,
    "Evaluate the paper's progressive corruptions too: FGSM 0.02 to 0.20, Gaussian noise of "
    "standard deviation 0.025 to 0.25.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "corruptions",
    False,
    f"Evaluate MR corruptions too ({', '.join(CORRUPTION_CURVES)}), each at five severities, which "
    "change the MR by 0.04 to 0.20 of its standard deviation, root mean squared.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "checks",
    False,
    "Check whether attacks on each model can be believed: whether its gradient leads anywhere, "
    "whether stronger attacks do more harm, whether black boxes do less, and so on.",
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "check_epsilon", 0.1, "Size of the checks' attacks, in SD of the MR.", flag_values=FLAGS
)
flags.DEFINE_integer(
    "check_slices", 12, "Slices that models are checked on, of all subjects.", flag_values=FLAGS
)
flags.DEFINE_string(
    "baseline",
    None,
    "Name of the model that the others are compared with. Default: the first.",
    flag_values=FLAGS,
)
flags.DEFINE_integer("num_slices", 5, "Slices shown in figures. Paper: 5.", flag_values=FLAGS)
flags.DEFINE_integer("batch_size", 6, "Slices predicted at a time.", flag_values=FLAGS)
flags.DEFINE_integer(
    "seed", 0, "Seed of chance: of noise, random starts and random searches.", flag_values=FLAGS
)


@dataclass(frozen=True)
class EvalSettings:
    """All the settings of one evaluation, but for its data, whose grid the models decide."""

    output_dir: Path
    models: tuple[ModelSource, ...]
    baseline: str
    split: str
    attacks: tuple[Perturbation, ...]
    curves: tuple[Perturbation, ...]
    num_slices: int
    batch_size: int
    seed: int
    checks: bool = False
    check_epsilon: float = 0.1
    check_slices: int = 12

    @property
    def sources(self) -> list[str]:
        """Names of the models that transferred attacks are made on."""
        found = (str(each["from"]) for each in self.attacks if each.table.made_by == TRANSFER)
        return list(dict.fromkeys(found))

    @property
    def conditions(self) -> list[str]:
        """What is scored in full and shown: `clean`, then the attacks."""
        return [CLEAN, *map(str, self.attacks)]

    @property
    def levels(self) -> list[str]:
        """The levels of the progressive corruptions."""
        return [str(each) for each in self.curves]


def settings_from_flags() -> EvalSettings:
    """Turns the parsed flags into settings; takes over what the first model's run says of data.

    Raises:
        ValueError: If a value is outside its domain, or a model is not to be found.
    """
    for name, least in (("num_slices", 0), ("batch_size", 1), ("seed", 0), ("check_slices", 1)):
        value = FLAGS.flag_values_dict()[name]
        if value < least:
            raise ValueError(f"--{name} must be at least {least}. Received: {value}.")
    if not (math.isfinite(FLAGS.check_epsilon) and FLAGS.check_epsilon > 0):
        raise ValueError(f"--check_epsilon must be > 0. Received: {FLAGS.check_epsilon}.")
    attacks = parse_perturbations(each for each in FLAGS.attacks if each)
    models = parse_models(FLAGS.models)
    names = [model.name for model in models]
    if FLAGS.baseline is not None and FLAGS.baseline not in names:
        raise ValueError(
            f"--baseline must be one of the models {', '.join(names)}. "
            f"Received: {FLAGS.baseline!r}."
        )
    _require_sources(attacks, names)
    _take_over_data(models)
    return EvalSettings(
        output_dir=Path(FLAGS.output_dir).expanduser().resolve(),
        models=models,
        baseline=FLAGS.baseline or names[0],
        split=FLAGS.split,
        attacks=attacks,
        curves=_curves(),
        num_slices=FLAGS.num_slices,
        batch_size=FLAGS.batch_size,
        seed=FLAGS.seed,
        checks=FLAGS.checks,
        check_epsilon=FLAGS.check_epsilon,
        check_slices=FLAGS.check_slices,
    )


def _curves() -> tuple[Perturbation, ...]:
    kinds = {**(CURVES if FLAGS.curves else {}), **(CORRUPTION_CURVES if FLAGS.corruptions else {})}
    return tuple(level for levels in kinds.values() for level in levels)


def _require_sources(attacks: tuple[Perturbation, ...], names: list[str]) -> None:
    for each in attacks:
        if each.table.made_by == TRANSFER and each["from"] not in names:
            raise ValueError(
                f"Attack {str(each)!r} must come from one of the models {', '.join(names)}. "
                f"Received: {each['from']!r}. Add it to --models."
            )


def _take_over_data(models: tuple[ModelSource, ...]) -> None:
    recorded = next((read_flags(model.run) for model in models if model.run is not None), {})
    # Of another cohort nothing that a run says of its own holds.
    if FLAGS["data"].present and recorded.get("data") not in (FLAGS.data, _absolute(FLAGS.data)):
        return
    for name in data_flags.NAMES:
        if name in recorded and not FLAGS[name].present and name != "image_size":
            try:
                FLAGS[name].parse(recorded[name])
            except flags.Error as error:
                raise ValueError(
                    f"The record of the first model's run (flags.cfg) is damaged: {error}. "
                    f"Restore it, or give --{name}."
                ) from error


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().resolve())
