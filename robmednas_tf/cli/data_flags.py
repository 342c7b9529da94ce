"""The flags that say which slices a command sees, shared by all commands."""

from __future__ import annotations

import os
from pathlib import Path

from absl import flags

from robmednas_tf.config import PHANTOM, DataConfig

NAMES = (
    *("data", "cache_dir", "image_size", "slices_per_subject", "ct_bias"),
    *("num_phantoms", "num_validation", "num_test", "split_seed"),
)


def define(
    flag_values: flags.FlagValues, *, image_size: int, slices_per_subject: int, num_phantoms: int
) -> None:
    """Defines the flags, with a command's own defaults for some of them."""
    flags.DEFINE_string(
        "data",
        PHANTOM,
        "Folder with one folder a subject, each with mr.nii.gz and ct.nii.gz (SynthRAD2023's "
        "layout); or phantom, heads made by the program.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "cache_dir",
        None,
        "Folder of prepared slices. Default: robmednas_tf in the user's cache.",
        flag_values=flag_values,
    )
    from_models = "" if image_size else " 0: the models' own."
    flags.DEFINE_integer(
        "image_size",
        image_size,
        f"Pixels a side that slices are padded or cropped to.{from_models} Paper: 256.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "slices_per_subject",
        slices_per_subject,
        "Axial slices a subject at most, evenly spread; 0 for all. Paper: all 182.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "ct_bias",
        0.0,
        "Added to the CT files' values to make them HU. Paper: -1000.",
        flag_values=flag_values,
    )
    as_needed = "" if num_phantoms else " 0: as many as the search needs."
    flags.DEFINE_integer(
        "num_phantoms",
        num_phantoms,
        f"Heads of the phantom cohort.{as_needed} Paper: 79 patients.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "num_validation",
        0,
        "Subjects that choose the epoch; 0 for the paper's proportion, 9 of 79.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "num_test",
        0,
        "Subjects held out as test subjects; 0 for the paper's proportion, 7 of 79.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "split_seed",
        0,
        "Seed of the splits (and of the phantom); repeats under other --seed share their subjects.",
        flag_values=flag_values,
    )


def data_config(flag_values: flags.FlagValues, image_size: int | None = None) -> DataConfig:
    """Returns what the parsed flags say.

    Args:
        flag_values: Parsed.
        image_size: Takes the flag's place where given.

    Raises:
        ValueError: If a value is outside its domain.
    """
    return DataConfig(
        data=flag_values.data,
        image_size=image_size or flag_values.image_size,
        slices_per_subject=flag_values.slices_per_subject,
        ct_bias=flag_values.ct_bias,
        cache_dir=Path(flag_values.cache_dir or _user_cache()).expanduser(),
        num_phantoms=flag_values.num_phantoms,
        num_validation=flag_values.num_validation,
        num_test=flag_values.num_test,
        split_seed=flag_values.split_seed,
    )


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "robmednas_tf"
