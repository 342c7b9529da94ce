"""The flags of `run_check.py`, and the settings they make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from absl import flags

from robmednas_tf.config import PHANTOM
from robmednas_tf.machine import available_memory_gb, num_cores

FLAGS = flags.FlagValues()

# What one subject of 256 x 256 x 182 voxels takes while it is examined, with some to spare.
_SUBJECT_GB = 0.6

flags.DEFINE_string(
    "data",
    None,
    "Folder with one folder a subject, each with mr and ct as .nii.gz, .nii or .mha; or a manifest "
    "in a .csv file; or phantom, heads made by the program. Required.",
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "ct_bias",
    0.0,
    "Added to the CT files' values to make them HU. Paper: -1000.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "output_dir", "runs/check", "Folder of the page and the table.", flag_values=FLAGS
)
flags.DEFINE_integer("num_phantoms", 9, "Heads of the phantom cohort.", flag_values=FLAGS)
flags.DEFINE_integer(
    "num_workers",
    0,
    "Subjects examined at a time; 0 for as many as there are cores, or memory is there for.",
    flag_values=FLAGS,
)


@dataclass(frozen=True)
class CheckSettings:
    """All the settings of one examination.

    Attributes:
        data: Folder, manifest, or `phantom`.
        ct_bias: Added to the CT files' values to make them HU.
        output_dir: Folder of what is written.
        num_phantoms: Heads of the phantom cohort.
        num_workers: Subjects examined at a time, > 0.
    """

    data: str
    ct_bias: float
    output_dir: Path
    num_phantoms: int
    num_workers: int


def settings_from_flags() -> CheckSettings:
    """Turns the parsed flags into settings.

    Raises:
        ValueError: If a value is missing or outside its domain, or two do not go together.
    """
    if not FLAGS.data:
        raise ValueError(
            "--data must name what to examine. Received: nothing. Pass --data=FOLDER, or "
            "--data=phantom to try the command."
        )
    for name, value, least in (
        ("num_phantoms", FLAGS.num_phantoms, 1),
        ("num_workers", FLAGS.num_workers, 0),
    ):
        if value < least:
            raise ValueError(f"--{name} must be at least {least}. Received: {value}.")
    if FLAGS.data == PHANTOM and FLAGS.ct_bias:
        raise ValueError(
            f"The phantom's CT is in HU: leave --ct_bias out. Received: {FLAGS.ct_bias}."
        )
    return CheckSettings(
        data=FLAGS.data,
        ct_bias=FLAGS.ct_bias,
        output_dir=Path(FLAGS.output_dir).expanduser().resolve(),
        num_phantoms=FLAGS.num_phantoms,
        num_workers=FLAGS.num_workers or _default_workers(),
    )


def _default_workers() -> int:
    return max(1, min(num_cores(), int(available_memory_gb() / _SUBJECT_GB)))
