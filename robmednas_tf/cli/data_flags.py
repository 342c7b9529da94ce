"""The flags that say which slices a command sees, shared by all commands."""

from __future__ import annotations

import os
from pathlib import Path

from absl import flags

from robmednas_tf.config import PHANTOM, DataConfig
from robmednas_tf.data.preprocessing import OWN_SPACING_MM, ZSCORES, Preprocessing
from robmednas_tf.data.split import Fold

# Of the cohort; how a volume is preprocessed is the models' own matter.
NAMES = (
    *("data", "cache_dir", "image_size", "slices_per_subject", "ct_bias"),
    *("num_phantoms", "num_validation", "num_test", "split_seed", "fold"),
)


def define(
    flag_values: flags.FlagValues, *, image_size: int, slices_per_subject: int, num_phantoms: int
) -> None:
    """Defines the flags, with a command's own defaults for some of them."""
    flags.DEFINE_string(
        "data",
        PHANTOM,
        "Folder with one folder a subject, each with mr and ct as .nii.gz, .nii or .mha (the "
        "layouts of SynthRAD2023 and 2025); or a manifest, subject,mr,ct[,mask][,split] in a .csv "
        "file; or phantom, heads made by the program.",
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
    _define_preprocessing(flag_values, "" if image_size else " Default: the models' own.")
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
    flags.DEFINE_string(
        "fold",
        "",
        "Cross-validation, number/count such as 3/8: the subjects that train and validate are "
        "dealt into so many folds, of which this one validates and the others train; the test "
        "subjects stay. Empty for none. Paper: 8 folds.",
        flag_values=flag_values,
    )


def _define_preprocessing(flag_values: flags.FlagValues, from_models: str) -> None:
    flags.DEFINE_list(
        "spacing_mm",
        [],
        "Resample volumes to this spacing in mm: one number, or three, from left to right, from "
        "back to front and from foot to head; 0 leaves an axis alone. Default: not resampled, as "
        f"in the paper.{from_models}",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "zscore",
        "volume",
        ZSCORES,
        "Voxels over which an MR is z-scored: all of the volume, as in the paper, or those inside "
        f"the body mask.{from_models}",
        flag_values=flag_values,
    )


def preprocessing(flag_values: flags.FlagValues) -> Preprocessing:
    """Returns how the parsed flags let volumes be prepared.

    Raises:
        ValueError: If the spacing is not one number or three, each >= 0.
    """
    given = flag_values.spacing_mm
    try:
        numbers = [float(text) for text in given] * (3 if len(given) == 1 else 1)
        left, anterior, superior = numbers or OWN_SPACING_MM
        return Preprocessing(flag_values.zscore, (left, anterior, superior))
    except ValueError as error:
        raise ValueError(
            "--spacing_mm must be one length in mm, or three, each 0 or from 0.1 to 50. "
            f"Received: {','.join(given)!r}."
        ) from error


def data_config(
    flag_values: flags.FlagValues,
    image_size: int | None = None,
    of_models: Preprocessing | None = None,
) -> DataConfig:
    """Returns what the parsed flags say.

    Args:
        flag_values: Parsed.
        image_size: Takes the flag's place where given.
        of_models: Takes the place of the flags of preprocessing where given.

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
        preprocessing=of_models or preprocessing(flag_values),
        fold=Fold.parse(flag_values.fold) if flag_values.fold else None,
    )


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "robmednas_tf"
