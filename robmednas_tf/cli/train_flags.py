"""The flags of `run_train.py`, and the settings they make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from absl import flags

from robmednas_tf.adversarial import AdversarialConfig
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.cli import adversarial_flags, attack_flags, data_flags, training_flags
from robmednas_tf.config import DataConfig, TrainingConfig
from robmednas_tf.onnx_export import require_onnx

FLAGS = flags.FlagValues()
data_flags.define(FLAGS, image_size=64, slices_per_subject=24, num_phantoms=24)
training_flags.define(FLAGS)

# What is trained.
flags.DEFINE_string(
    "architecture",
    "baseline",
    "baseline (hand-crafted), robmednas_t (the paper's Table 4), a JSON file such as a search's "
    "best_architecture.json, or a search's folder.",
    flag_values=FLAGS,
)
flags.DEFINE_string("output_dir", "runs/train", "Folder of the run.", flag_values=FLAGS)
flags.DEFINE_integer("epochs", 150, "Epochs at most. Paper: 150.", flag_values=FLAGS)
flags.DEFINE_integer(
    "patience",
    5,
    "Epochs without a lower validation loss that end the training; 0 never does. Paper: 5.",
    flag_values=FLAGS,
)

adversarial_flags.define(FLAGS)

# How the run is run.
flags.DEFINE_integer("seed", 0, "Seed of the weights and the batches.", flag_values=FLAGS)
flags.DEFINE_bool(
    "checkpoint",
    True,
    "Keep the training's state after each epoch, so that the same command goes on after a kill.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "brief",
    False,
    "Leave the network (model.keras) and the run's records alone: no SavedModel, report, figures "
    "or card. Without it the same command adds them, without training anew.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "mixed_precision",
    False,
    "Train in bfloat16 (GPUs from NVIDIA's Ampere on); weights, attacks, validation and the "
    "exported model stay in float32.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "jit_compile",
    None,
    "Compile the training step with XLA. Default: on one GPU yes, else no.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "mirrored",
    False,
    "Share each batch among all GPUs of this machine (tf.distribute.MirroredStrategy).",
    flag_values=FLAGS,
)


@dataclass(frozen=True)
class TrainSettings:
    """All the settings of one training."""

    output_dir: Path
    architecture: str
    data: DataConfig
    training: TrainingConfig
    adversarial: AdversarialConfig | None
    attack: Perturbation
    seed: int
    checkpoint: bool
    mixed_precision: bool
    jit_compile: bool | None
    mirrored: bool
    deterministic: bool
    onnx: bool = False
    brief: bool = False


def settings_from_flags() -> TrainSettings:
    """Turns the parsed flags into settings.

    Raises:
        ValueError: If a value is outside its domain, two do not go together, or a package is
            missing.
    """
    if FLAGS.seed < 0:
        raise ValueError(f"--seed must be at least 0. Received: {FLAGS.seed}.")
    if FLAGS.mirrored and FLAGS.jit_compile:
        raise ValueError("--jit_compile and --mirrored do not go together: leave one out.")
    if FLAGS.onnx:
        require_onnx()
    return TrainSettings(
        output_dir=Path(FLAGS.output_dir).expanduser().resolve(),
        architecture=FLAGS.architecture,
        data=data_flags.data_config(FLAGS),
        training=training_flags.training_config(FLAGS, FLAGS.epochs, FLAGS.patience),
        adversarial=adversarial_flags.adversarial_config(FLAGS),
        attack=attack_flags.attack(FLAGS),
        seed=FLAGS.seed,
        checkpoint=FLAGS.checkpoint,
        mixed_precision=FLAGS.mixed_precision,
        jit_compile=FLAGS.jit_compile,
        mirrored=FLAGS.mirrored,
        deterministic=FLAGS.deterministic,
        onnx=FLAGS.onnx,
        brief=FLAGS.brief,
    )
