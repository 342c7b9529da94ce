"""The steps of a training, in order; each does only what a run before it has not done."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from robmednas_tf.cli import command as commands
from robmednas_tf.cli import train_flags
from robmednas_tf.cli.progress import StepLine
from robmednas_tf.cli.run_record import describe_training, read_flags, write_record
from robmednas_tf.cli.score_rows import lookup_table_row, network_row
from robmednas_tf.cli.subjects import identities, prepare_subjects
from robmednas_tf.cli.train_flags import TrainSettings
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.data.slices import ShuffledSlices, mean_normalized_ct
from robmednas_tf.data.split import Split
from robmednas_tf.differences import differences
from robmednas_tf.evaluation.inference import (
    AttackedInference,
    AttackedValidation,
    evenly_spread_panels,
)
from robmednas_tf.export import export_model
from robmednas_tf.files import write_json, write_text
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.unet import build_unet
from robmednas_tf.report.contents import ScoreGroup
from robmednas_tf.report.panels import panel_image
from robmednas_tf.report.training import (
    TrainingReport,
    write_training_figures,
    write_training_report,
)
from robmednas_tf.training.checkpoints import read_history
from robmednas_tf.training.fit import fit
from robmednas_tf.training.scalars import EpochScalars
from robmednas_tf.training.unet import TrainableUNet, compile_model

_MADE, _RECIPE = "training.json", "run.json"


class TrainRun:
    """One training in its folder, from prepared slices to the report.

    Args:
        settings: All settings, checked.
        architecture: What is trained.
        cohort: The subjects, their headers checked.
        split: The cohort's split; its test subjects are prepared, but not looked at.
        used: Subjects that the search for the architecture has seen, names by identity.
        command: The command line that repeats the run.
    """

    def __init__(
        self,
        settings: TrainSettings,
        architecture: Architecture,
        cohort: Cohort,
        split: Split,
        used: dict[str, str],
        command: str,
    ):
        self.settings, self.architecture, self.command = settings, architecture, command
        self.cohort, self.split, self.used = cohort, split, used
        self.folder = settings.output_dir
        self._checkpoint = self.folder / "checkpoint.npz"

    def run(self) -> None:
        """Does every step that is not done yet."""
        with commands.refusing_bad_input():
            data = self.settings.data
            cache = SliceCache(data.cache_dir, data.image_size, data.slices_per_subject)
            self._recipe = self._describe(cache)
            self._refuse_other_settings()
            prepared = prepare_subjects(self.cohort, cache, self.split.names)
            self.train = tuple(prepared[name] for name in self.split.train)
            self.validation = tuple(prepared[name] for name in self.split.validation)
            self._write_record()
        made = self._read_made()
        if made is None:
            made = self._train_and_export()
        else:
            print(f"The model in {self.folder} is trained: {_kept(made)}.", flush=True)
        self._report(made)
        self._say_where(made)

    @property
    def _shape(self) -> tuple[int, int, int]:
        size = self.settings.data.image_size
        return (size, size, 1)

    def _describe(self, cache: SliceCache) -> dict[str, Any]:
        """Returns all that the trained weights follow from, as it reads from JSON."""
        settings = self.settings
        adversarial = settings.adversarial
        recipe = {
            "architecture": self.architecture.to_dict(),
            "training": asdict(settings.training),
            "adversarial": asdict(adversarial) if adversarial else None,
            "attack_epsilon": settings.attack_epsilon,
            "seed": settings.seed,
            "mixed_precision": settings.mixed_precision,
            "deterministic": settings.deterministic,
            "image_size": settings.data.image_size,
            "slices_per_subject": settings.data.slices_per_subject,
            "subjects": self.split.to_dict(),
            "files": {name: cache.key(self.cohort[name]) for name in self.split.names},
        }
        return json.loads(json.dumps(recipe))

    def _refuse_other_settings(self) -> None:
        path = self.folder / _RECIPE
        if not path.is_file():
            return
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            found = list(differences(saved, self._recipe))
        except (ValueError, AttributeError) as error:
            raise ValueError(
                f"File {str(path)!r}, which says how the training was set up, is damaged: {error}. "
                "Give another --output_dir."
            ) from error
        if found:
            raise ValueError(
                f"The training in {str(self.folder)!r} was started with other settings. "
                f"{'; '.join(found[:5])}. Give another --output_dir, or the folder's settings."
            )

    def _write_record(self) -> None:
        names = identities(self.cohort, self.split.names)
        split = {"cohort": self.split.to_dict(), "identities": names, "used_by_search": self.used}
        write_record(self.folder, train_flags.FLAGS, self.settings.data, {}, split)
        write_text(self.folder / "architecture.json", self.architecture.to_json() + "\n")
        write_json(self.folder / _RECIPE, self._recipe)

    def _read_made(self) -> dict[str, Any] | None:
        try:
            made = json.loads((self.folder / "model" / _MADE).read_text(encoding="utf-8"))
            return made if made["recipe"] == self._recipe else None
        except (OSError, ValueError, KeyError, TypeError):
            # Missing or damaged: all the same, the model is made anew.
            return None

    def _train_and_export(self) -> dict[str, Any]:
        model, made = self._train()
        export_model(model, self.folder / "model", self.settings.training.batch_size)
        write_json(self.folder / "model" / _MADE, made)
        self._checkpoint.unlink(missing_ok=True)
        return made

    def _train(self) -> tuple[keras.Model, dict[str, Any]]:
        settings, config = self.settings, self.settings.training
        checkpoint = self._checkpoint if settings.checkpoint else None
        history = read_history(self._checkpoint) if checkpoint else {}
        if history:
            print(f"Going on in {self.folder} after {len(history['loss'])} epochs.", flush=True)
        line = StepLine("Training", config.epochs, steps_stay=True)
        scalars = EpochScalars(self.folder / "tensorboard", history)
        with self._strategy().scope():
            model = self._build("mixed_bfloat16" if settings.mixed_precision else "float32")
            trainable = TrainableUNet(model, settings.adversarial)
            compile_model(trainable, config, settings.jit_compile)
            result = fit(
                trainable,
                ShuffledSlices(self.train, config.batch_size, settings.seed),
                AttackedValidation(
                    trainable, self.validation, settings.attack_epsilon, config.batch_size
                ),
                config,
                [_EpochLine(line), scalars],
                checkpoint,
            )
        line.close()
        # In float32 and on one device, whatever it was trained in and on.
        final = self._build("float32")
        final.set_weights(trainable.get_weights())
        self._write_picture(scalars, final, result.best_epoch)
        made = {
            "recipe": self._recipe,
            "best_epoch": result.best_epoch,
            "history": result.history,
            "seconds": line.seconds,
        }
        return final, made

    @cached_property
    def _output_bias(self) -> float | None:
        return mean_normalized_ct(self.train) if self.settings.training.start_at_mean else None

    def _build(self, dtype_policy: str) -> keras.Model:
        return build_unet(
            self.architecture,
            self._shape,
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
        subject = self.validation[0]
        inference = self._inference(model)
        picture = panel_image(inference.panel(subject, subject.num_slices // 2))
        with scalars.writer.as_default(step=epoch + 1):
            tf.summary.image("slices", picture[None])
        scalars.writer.close()

    def _inference(self, model: keras.Model) -> AttackedInference:
        epsilon, size = self.settings.attack_epsilon, self.settings.training.batch_size
        return AttackedInference(model, epsilon, size)

    def _report(self, made: dict[str, Any]) -> None:
        model = keras.saving.load_model(self.folder / "model" / "model.keras", compile=False)
        inference = self._inference(model)
        report = TrainingReport(
            cohort=self.cohort.name,
            subjects={
                "train": self.split.train,
                "validation": self.split.validation,
                "test (not looked at)": self.split.test,
            },
            architecture=self.architecture,
            architecture_name=self.settings.architecture,
            training=describe_training(made["recipe"]),
            history=made["history"],
            best_epoch=made["best_epoch"],
            epsilon=self.settings.attack_epsilon,
            image_size=self.settings.data.image_size,
            seconds=made["seconds"],
            command=self.command,
            scores=[self._scores(inference)],
            panels=evenly_spread_panels(inference, self.validation[0]),
            settings=read_flags(self.folder),
            notes=self._notes(),
        )
        write_training_report(self.folder / "report.html", report)
        write_training_figures(self.folder / "figures", report)

    def _scores(self, inference: AttackedInference) -> ScoreGroup:
        return ScoreGroup(
            "Validation subjects",
            "used to choose the epoch",
            self.split.validation,
            [
                network_row("This network", inference, self.validation),
                lookup_table_row(self.train, self.validation),
            ],
        )

    def _notes(self) -> list[str]:
        notes = [
            "The epoch was chosen on the validation subjects, so that its figures there are better "
            "than it is. run_eval.py scores it on the test subjects, which were not looked at here."
        ]
        if self.settings.data.data == PHANTOM:
            notes.append("The subjects are made-up heads: the figures say nothing of patients.")
        return notes

    def _say_where(self, made: dict[str, Any]) -> None:
        print(
            f"Kept: {_kept(made)}\n"
            f"Report:  {self.folder / 'report.html'}\n"
            f"Model:   {self.folder / 'model'}\n"
            f"Curves:  tensorboard --logdir {self.folder / 'tensorboard'}\n"
            f"Test it: python run_eval.py --models={self.folder.name}={self.folder}",
            flush=True,
        )


def _kept(made: dict[str, Any]) -> str:
    best, history = made["best_epoch"], made["history"]
    return (
        f"epoch {best + 1} of {len(history['loss'])}, validation loss "
        f"{history['val_loss'][best]:.5f}, Dice {history['val_dice_clean'][best]:.3f} clean, "
        f"{history['val_dice_adversarial'][best]:.3f} attacked"
    )


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
