"""Training one network, as `run_train.py` asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from robmednas_tf.checks.overfitting import OverfittingWatch
from robmednas_tf.cli.progress import StepLine
from robmednas_tf.cli.train_flags import TrainSettings
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.data.slices import ShuffledSlices, mean_normalized_ct
from robmednas_tf.evaluation.inference import AttackedInference, AttackedValidation
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.unet import build_unet
from robmednas_tf.report.panels import panel_image
from robmednas_tf.training.checkpoints import Validation, read_history
from robmednas_tf.training.fit import FitResult, best_of, fit
from robmednas_tf.training.scalars import EpochScalars
from robmednas_tf.training.unet import TrainableUNet, compile_model


class NetworkTraining:
    """One network, from its first weights to its best epoch.

    Args:
        settings: All settings.
        architecture: The network's.
        train: Subjects trained on.
        validation: Subjects that choose the epoch.
        checkpoint: Where the state is kept after each epoch, if the settings want it.
    """

    def __init__(
        self,
        settings: TrainSettings,
        architecture: Architecture,
        train: tuple[PreparedSubject, ...],
        validation: tuple[PreparedSubject, ...],
        checkpoint: Path,
    ):
        self.settings, self._architecture = settings, architecture
        self._train, self._validation = train, validation
        self._checkpoint = checkpoint

    def run(self) -> tuple[keras.Model, dict[str, Any]]:
        """Trains, or goes on from the checkpoint.

        Returns:
            The best epoch's network in float32 on one device, and what `training.json` says of it.

        Raises:
            FloatingPointError: If the training went wrong before an epoch was kept.
        """
        settings, config = self.settings, self.settings.training
        checkpoint = self._checkpoint if settings.checkpoint else None
        history = read_history(checkpoint) if checkpoint else {}
        if history:
            print(
                f"Going on in {settings.output_dir} after {len(history['loss'])} epochs.",
                flush=True,
            )
        line = StepLine("Training", config.epochs, steps_stay=True)
        scalars = EpochScalars(settings.output_dir / "tensorboard", history)
        with self._strategy().scope():
            model = self._build("mixed_bfloat16" if settings.mixed_precision else "float32")
            trainable = TrainableUNet(model, settings.adversarial)
            compile_model(trainable, config, settings.jit_compile)
            result, note = self._fit(trainable, checkpoint, [_EpochLine(line), scalars])
        line.close()
        # In float32 and on one device, whatever it was trained in and on.
        final = self._build("float32")
        final.set_weights(trainable.get_weights())
        self._write_picture(scalars, final, result.best_epoch)
        if history and not note:
            note = (
                f"The training went on after epoch {len(history['loss'])}: its time is from there."
            )
        made = {
            "best_epoch": result.best_epoch,
            "history": result.history,
            "seconds": line.seconds,
            "note": note,
        }
        return final, made

    def _fit(
        self,
        model: TrainableUNet,
        checkpoint: Path | None,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> tuple[FitResult, str | None]:
        """Trains; keeps the best epoch of a training that goes wrong, and says so."""
        config = self.settings.training
        slices = ShuffledSlices(self._train, config.batch_size, self.settings.seed)
        validate = self._validated(model)
        try:
            return fit(model, slices, validate, config, callbacks, checkpoint), None
        except FloatingPointError as error:
            result = best_of(model, config, checkpoint)
            if result is None:
                raise
            note = f"The training went wrong, and the best epoch before that is kept: {error}"
            print(f"Note: {note}", flush=True)
            return result, note

    def _validated(self, model: TrainableUNet) -> Validation:
        """Returns what an epoch logs of the validation subjects."""
        batch_size, adversarial = self.settings.training.batch_size, self.settings.adversarial
        scores = AttackedValidation(model, self._validation, self.settings.attack, batch_size)
        if adversarial is None:
            return scores
        watch = OverfittingWatch(model, self._validation, adversarial.epsilon)
        return lambda: {**scores(), **watch()}

    @cached_property
    def _output_bias(self) -> float | None:
        return mean_normalized_ct(self._train) if self.settings.training.start_at_mean else None

    def _build(self, dtype_policy: str) -> keras.Model:
        size = self.settings.data.image_size
        return build_unet(
            self._architecture,
            (size, size, 1),
            kernel_initializer=self.settings.training.kernel_initializer,
            output_bias=self._output_bias,
            seed=self.settings.seed,
            dtype_policy=dtype_policy,
        )

    def _strategy(self) -> tf.distribute.Strategy:
        if not self.settings.mirrored:
            return tf.distribute.get_strategy()
        devices = [
            device.name
            for kind in ("GPU", "CPU")
            for device in tf.config.list_logical_devices(kind)
        ]
        gpus = [name for name in devices if "GPU" in name]
        print(f"Each batch is shared among {len(gpus or devices)} devices.", flush=True)
        return tf.distribute.MirroredStrategy(gpus or devices)

    def _write_picture(self, scalars: EpochScalars, model: keras.Model, epoch: int) -> None:
        subject = self._validation[0]
        settings = self.settings
        inference = AttackedInference(model, settings.attack, settings.training.batch_size)
        picture = panel_image(inference.panel(subject, subject.num_slices // 2))
        with scalars.at_step(epoch + 1):
            tf.summary.image("slices", picture[None])
        scalars.close()


class _EpochLine(keras.callbacks.Callback):
    def __init__(self, line: StepLine):
        super().__init__()
        self._line = line

    def on_epoch_end(self, epoch, logs=None):
        self._line.step(
            f"validation loss {logs['val_loss']:.5f}, Dice {logs['val_dice_clean']:.3f} clean, "
            f"{logs['val_dice_adversarial']:.3f} attacked",
            epoch + 1,
        )
