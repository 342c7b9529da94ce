"""The flags of `run_synthesize.py`, and the settings they make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from robmednas_tf.cli.eval_models import find_model, what_is_wrong

FLAGS = flags.FlagValues()

flags.DEFINE_string(
    "model",
    None,
    "The model: the folder of a run, a .keras file or a SavedModel's folder.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "ensemble",
    [],
    "Further models; the synthetic CT is the mean over all of them.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "input",
    None,
    "An MR (.nii.gz, .nii or .mha); or a folder of MRs; or a folder of subjects' folders, each "
    "with an mr file.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "output",
    None,
    "Folder of the synthetic CTs: one a file, under its name, or <subject>/synthetic_ct. Of a "
    "single MR also a file's name.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "mask",
    None,
    "Body mask, for models trained with --zscore=mask: a file, or a folder with masks under the "
    "MRs' names. Subjects' folders hold their own.",
    flag_values=FLAGS,
)
flags.DEFINE_bool("overwrite", False, "Replace synthetic CTs that are there.", flag_values=FLAGS)
flags.DEFINE_bool(
    "uncertainty",
    False,
    "Write <name>_uncertainty too: standard deviation over models and left-right flips, in HU.",
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "robustness_map",
    0.0,
    "Epsilon, in standard deviations of MR, > 0: write <name>_robustness too, how far FGSM of "
    "that size, aimed away from the model's own prediction, moves each voxel, in HU. 0 for none. "
    "Paper's attack: 0.06.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "batch_size",
    0,
    "Slices predicted at a time; 0 for as many as a quarter of the free memory holds, at most 16.",
    flag_values=FLAGS,
)


@dataclass(frozen=True)
class SynthesizeSettings:
    """All the settings of one synthesis.

    Attributes:
        models: `.keras` files or SavedModels' folders.
        source: An MR, or a folder.
        output: A folder, or a single MR's synthetic CT.
        mask: A mask, or a folder of masks; None for those beside the MRs.
        overwrite: Whether what is there is replaced.
        uncertainty: Whether the standard deviation is written too.
        epsilon: Size of the attack; 0 for none.
        batch_size: Slices at a time; 0 for what memory holds.
    """

    models: tuple[Path, ...]
    source: Path
    output: Path
    mask: Path | None
    overwrite: bool
    uncertainty: bool
    epsilon: float
    batch_size: int

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is written of each MR."""
        asked = {"uncertainty": self.uncertainty, "robustness": self.epsilon > 0}
        return ("ct", *(kind for kind, wanted in asked.items() if wanted))


def settings_from_flags() -> SynthesizeSettings:
    """Turns the parsed flags into settings.

    Raises:
        ValueError: If a flag is missing or outside its domain, or a model is not to be found.
    """
    for name in ("model", "input", "output"):
        if not FLAGS[name].value:
            raise ValueError(
                "A synthesis needs --model, --input and --output. "
                f"Missing: --{name}. Pass --help for the list of flags."
            )
    epsilon = FLAGS.robustness_map
    if not (math.isfinite(epsilon) and epsilon >= 0):
        raise ValueError(f"--robustness_map must be an epsilon >= 0. Received: {epsilon}.")
    if FLAGS.batch_size < 0:
        raise ValueError(f"--batch_size must be at least 0. Received: {FLAGS.batch_size}.")
    models = tuple(_model(text) for text in (FLAGS.model, *FLAGS.ensemble) if text)
    if len(set(models)) < len(models):
        raise ValueError(
            f"The models of an ensemble must differ. Received: --model={FLAGS.model}, "
            f"--ensemble={','.join(FLAGS.ensemble)}."
        )
    return SynthesizeSettings(
        models=models,
        source=Path(FLAGS.input).expanduser(),
        output=Path(FLAGS.output).expanduser(),
        mask=Path(FLAGS.mask).expanduser() if FLAGS.mask else None,
        overwrite=FLAGS.overwrite,
        uncertainty=FLAGS.uncertainty,
        epsilon=epsilon,
        batch_size=FLAGS.batch_size,
    )


def _model(text: str) -> Path:
    given = Path(text).expanduser()
    found = find_model(given)
    if found is None:
        raise ValueError(
            "A model must be the folder of a run that has ended, a .keras file or a SavedModel. "
            f"Received: {text!r}, which {what_is_wrong(given)}."
        )
    return found.resolve()
