"""The flags that say how a network is trained, shared by the commands that train."""

from __future__ import annotations

from absl import flags

from robmednas_tf.config import KERNEL_INITIALIZERS, TrainingConfig


def define(flag_values: flags.FlagValues) -> None:
    """Defines the flags that are the same for a search's trials and for one training."""
    flags.DEFINE_bool(
        "onnx",
        False,
        "Write the model as model.onnx, too (extra [onnx]); added without training anew.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer("batch_size", 6, "Slices a step. Paper: 6.", flag_values=flag_values)
    flags.DEFINE_float(
        "learning_rate",
        1e-3,
        "Adam's step size. Paper: 1e-4, too small for a few hundred steps.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "kernel_initializer",
        "he_normal",
        KERNEL_INITIALIZERS,
        "Keras's name of the kernels' initializer. Paper: not said; Keras's default is "
        "glorot_uniform.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "start_at_mean",
        True,
        "Start the last layer as the training CTs' mean. Paper: not said.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "weight_averaging",
        0.9,
        "Decay of the running average of the weights that is validated and kept; 0 for none. "
        "Paper: not said.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "deterministic",
        False,
        "The same bits each time, at some cost in speed on a GPU.",
        flag_values=flag_values,
    )


def training_config(flag_values: flags.FlagValues, epochs: int, patience: int) -> TrainingConfig:
    """Returns what the parsed flags say.

    Raises:
        ValueError: If a value is outside its domain.
    """
    return TrainingConfig(
        epochs=epochs,
        batch_size=flag_values.batch_size,
        learning_rate=flag_values.learning_rate,
        patience=patience,
        kernel_initializer=flag_values.kernel_initializer,
        start_at_mean=flag_values.start_at_mean,
        weight_averaging=flag_values.weight_averaging,
    )
