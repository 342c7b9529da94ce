"""The settings of a run, one frozen dataclass a topic, checked when they are made.

The defaults are the quick start's; `configs/paper.cfg` holds the paper's numbers.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.data.preprocessing import AS_IN_PAPER, OWN_SPACING_MM, Preprocessing
from robmednas_tf.data.split import Fold
from robmednas_tf.objectives import FIRST, PickRule, require_objectives

PHANTOM = "phantom"
KERNEL_INITIALIZERS = ("he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "orthogonal")


@dataclass(frozen=True)
class DataConfig:
    """Which slices a run sees.

    Attributes:
        data: Folder in the layout of SynthRAD2023 or SynthRAD2025, manifest, or `phantom`.
        image_size: Slices are padded or cropped to this many pixels a side.
        slices_per_subject: At most this many axial slices of each subject, evenly spread; 0 for
            all. Of the phantom, how many it has.
        ct_bias: Added to the CT files' values to make them HU.
        cache_dir: Folder of the prepared slices.
        num_phantoms: Heads that a phantom cohort has; 0 for as many as a search needs.
        num_validation: Subjects of the cohort that choose the epoch; 0 for the paper's proportion.
        num_test: Subjects of the cohort that are held out; 0 for the paper's proportion.
        split_seed: Seed of the splits, and of the phantom.
        preprocessing: How volumes are resampled and MRs are z-scored.
        fold: The fold that validates, while the others train; None for the split itself.
    """

    data: str
    image_size: int
    slices_per_subject: int
    ct_bias: float
    cache_dir: Path
    num_phantoms: int = 0
    num_validation: int = 0
    num_test: int = 0
    split_seed: int = 0
    preprocessing: Preprocessing = AS_IN_PAPER
    fold: Fold | None = None

    def __post_init__(self) -> None:
        _require_at_least(("image_size", self.image_size, 8))
        _require_at_least(("num_phantoms", self.num_phantoms, 0))
        _require_at_least(("num_validation", self.num_validation, 0))
        _require_at_least(("num_test", self.num_test, 0), ("split_seed", self.split_seed, 0))
        _require_at_least(("slices_per_subject", self.slices_per_subject, 0))
        if self.data == PHANTOM and self.slices_per_subject < 8:
            raise ValueError(
                "The phantom needs at least 8 slices: set --slices_per_subject. "
                f"Received: {self.slices_per_subject}."
            )
        if self.data == PHANTOM and self.ct_bias:
            raise ValueError(
                f"The phantom's CT is in HU: leave --ct_bias out. Received: {self.ct_bias}."
            )
        if self.data == PHANTOM and self.preprocessing.spacing_mm != OWN_SPACING_MM:
            raise ValueError(
                "The phantom is drawn on the grid of its slices: leave --spacing_mm out. "
                f"Received: {self.preprocessing.spacing_mm}."
            )


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained: MSE on normalised CT, Adam with AMSGrad.

    Attributes:
        epochs: Passes over the training slices, at most.
        batch_size: Slices a step.
        learning_rate: Adam's step size.
        patience: Epochs without a lower validation loss before training stops; 0 never stops.
        kernel_initializer: One of `KERNEL_INITIALIZERS`, which are Keras's names.
        start_at_mean: Start the last layer as the training CTs' mean instead of at random.
        weight_averaging: Decay of the running average of the weights that is validated, kept and
            evaluated, in [0, 1); 0 uses the weights themselves.

    Source: paper sections 2.2 and 2.3.
    """

    epochs: int
    batch_size: int = 6
    learning_rate: float = 1e-3
    patience: int = 0
    kernel_initializer: str = "he_normal"
    start_at_mean: bool = True
    weight_averaging: float = 0.9

    def __post_init__(self) -> None:
        _require_at_least(("epochs", self.epochs, 1), ("batch_size", self.batch_size, 1))
        _require_at_least(("patience", self.patience, 0))
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be > 0. Received: {self.learning_rate}.")
        if self.kernel_initializer not in KERNEL_INITIALIZERS:
            raise ValueError(
                f"kernel_initializer must be one of {KERNEL_INITIALIZERS}. "
                f"Received: {self.kernel_initializer!r}."
            )
        if not 0 <= self.weight_averaging < 1:
            raise ValueError(
                f"weight_averaging must be in [0, 1). Received: {self.weight_averaging}."
            )


@dataclass(frozen=True)
class SearchConfig:
    """How a search proposes and scores candidates.

    Attributes:
        oracle: Name of the rule that proposes candidates.
        num_trials: Candidates that are trained and scored.
        objectives: Keys of `robmednas_tf.objectives.DIRECTIONS`, a score first.
        attack: What spoils the MR of the subjects that score.
        num_subjects: Subjects of the sub-dataset, parted 4:1:1.
        keep_models: Best trials whose weights stay on disk.
        seed: Seed of everything random in the search.
        confirm_top: Best trials that are trained again to choose the winner; 0 for none.
        confirm_seeds: Further trainings of each, with seeds of their own.
        pick: How the winner is picked where there are several objectives.
        max_attempts: Times that the process may end during one training before that has failed.

    Source: paper section 2.2.
    """

    oracle: str
    num_trials: int
    objectives: tuple[str, ...]
    attack: Perturbation
    num_subjects: int
    keep_models: int
    seed: int
    confirm_top: int
    confirm_seeds: int
    pick: PickRule = FIRST
    max_attempts: int = 3

    def __post_init__(self) -> None:
        _require_at_least(("num_trials", self.num_trials, 1), ("keep_models", self.keep_models, 1))
        _require_at_least(("num_subjects", self.num_subjects, 3), ("seed", self.seed, 0))
        _require_at_least(("confirm_top", self.confirm_top, 0))
        _require_at_least(("confirm_seeds", self.confirm_seeds, 1))
        _require_at_least(("max_attempts", self.max_attempts, 1))
        require_objectives(self.objectives)

    @property
    def objective(self) -> str:
        """The first objective: the score that progress, analysis and the best trials go by."""
        return self.objectives[0]


@dataclass(frozen=True)
class WorkersConfig:
    """Ray's workers, which train candidates.

    Attributes:
        num_workers: Candidates trained at once; None for as many as the cluster holds.
        address: `host:port` of a cluster that is there, or `auto` for this machine's; empty for
            one of this run's own.
        cpus_per_trial: Processors, and TensorFlow's threads, of a worker.
        gpus_per_trial: GPUs of a worker: a whole number, or a share below 1; None for 1 where the
            cluster has any, else none.
    """

    num_workers: int | None = None
    address: str = ""
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None

    def __post_init__(self) -> None:
        _require_at_least(("cpus_per_trial", self.cpus_per_trial, 1))
        if self.num_workers is not None:
            _require_at_least(("num_workers", self.num_workers, 1))
        gpus = self.gpus_per_trial or 0.0
        if not (0 <= gpus < 1 or (gpus > 0 and gpus.is_integer())):
            raise ValueError(
                f"gpus_per_trial must be a whole number or a share below 1. Received: {gpus:g}."
            )
        # No scheme: Ray's client of that kind would run all but the driver elsewhere.
        if self.address not in ("", "auto") and not re.fullmatch(r"[^/]+:\d{1,5}", self.address):
            raise ValueError(
                "ray_address must be host:port, or auto on a machine of the cluster. "
                f"Received: {self.address!r}."
            )


def _require_at_least(*rules: tuple[str, int, int]) -> None:
    for name, value, least in rules:
        if value < least:
            raise ValueError(f"{name} must be at least {least}. Received: {value}.")
