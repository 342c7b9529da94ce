"""The steps of a training, in order; each does only what a run before it has not done."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from robmednas_tf.cli import command as commands
from robmednas_tf.cli import train_flags
from robmednas_tf.cli.onnx_file import add_onnx
from robmednas_tf.cli.run_record import read_used, require_unused, write_record
from robmednas_tf.cli.subjects import identities, prepare_subjects
from robmednas_tf.cli.train_architecture import architecture_folder
from robmednas_tf.cli.train_flags import TrainSettings
from robmednas_tf.cli.train_network import NetworkTraining
from robmednas_tf.cli.train_report import TrainedRun, write_report
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.prepared import PreparedSubject, SliceCache
from robmednas_tf.data.split import Split
from robmednas_tf.differences import differences
from robmednas_tf.evaluation.inference import AttackedInference
from robmednas_tf.export import export_keras, export_saved_model
from robmednas_tf.files import write_json, write_text
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.report.training_wording import kept_first

_MADE, _RECIPE = "training.json", "run.json"


class TrainRun:
    """One training in its folder, from prepared slices to the report.

    Args:
        settings: All settings, checked.
        architecture: What is trained.
        cohort: The subjects, their headers checked.
        split: The cohort's split; its test subjects are prepared, but not looked at.
        command: The command line that repeats the run.
    """

    def __init__(
        self,
        settings: TrainSettings,
        architecture: Architecture,
        cohort: Cohort,
        split: Split,
        command: str,
    ):
        self.settings, self.architecture, self.command = settings, architecture, command
        self.cohort, self.split = cohort, split
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
            self.test = tuple(prepared[name] for name in self.split.test)
            self._write_record(prepared)
        done = self._read_made()
        if done is None:
            done = self._train_and_export()
        else:
            print(f"The model in {self.folder} is trained.", flush=True)
        model, made = done
        if self.settings.onnx:
            add_onnx(model, self.folder / "model", self.settings.data.preprocessing)
        if not self.settings.brief:
            self._write_pages(model, made)
        self._say_where(made)

    def _write_pages(self, model: keras.Model, made: dict[str, Any]) -> None:
        if not (self.folder / "model" / "saved_model").is_dir():
            export_saved_model(
                model,
                self.folder / "model",
                self.settings.training.batch_size,
                self.settings.data.preprocessing,
            )
        write_report(
            self.folder,
            TrainedRun(
                self.settings,
                self.architecture,
                self.cohort.name,
                self.split,
                self.train,
                self.validation,
                self.test,
                self.command,
            ),
            AttackedInference(model, self.settings.attack, self.settings.training.batch_size),
            made,
        )

    def _describe(self, cache: SliceCache) -> dict[str, Any]:
        """Returns all that the trained weights follow from, as it reads from JSON."""
        settings = self.settings
        adversarial = settings.adversarial
        recipe = {
            "architecture": self.architecture.to_dict(),
            "training": asdict(settings.training),
            "adversarial": adversarial.to_dict() if adversarial else None,
            "attack": str(settings.attack),
            "seed": settings.seed,
            "mixed_precision": settings.mixed_precision,
            "deterministic": settings.deterministic,
            "image_size": settings.data.image_size,
            "slices_per_subject": settings.data.slices_per_subject,
            "ct_bias": settings.data.ct_bias,
            "preprocessing": settings.data.preprocessing.to_dict(),
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

    def _write_record(self, prepared: Mapping[str, PreparedSubject]) -> None:
        settings, known = self.settings, identities(prepared.values())
        source = architecture_folder(settings.architecture)
        used = self._used_by_search(source, known) if source else {}
        split = {"cohort": self.split.to_dict(), "identities": known, "used_by_search": used}
        found = Path(settings.architecture).expanduser()
        effective = {"architecture": found.resolve() if found.exists() else settings.architecture}
        write_record(self.folder, "training", train_flags.FLAGS, settings.data, effective, split)
        write_text(self.folder / "architecture.json", self.architecture.to_json() + "\n")
        write_json(self.folder / _RECIPE, self._recipe)

    def _used_by_search(self, source: Path, known: Mapping[str, str]) -> dict[str, str]:
        used = read_used(source)
        if used is None:
            print(
                f"Note: nothing in {source} says on which subjects the architecture was found. "
                "Make sure that no test subject is among them.",
                flush=True,
            )
            return {}
        require_unused(
            {name: known[name] for name in self.split.test},
            used,
            f"The search in {str(source)!r}",
            "Give the search's own cohort and split (--data, --num_phantoms, --split_seed), or a "
            "--split_seed under which they are not tested.",
        )
        return used

    def _read_made(self) -> tuple[keras.Model, dict[str, Any]] | None:
        folder = self.folder / "model"
        if not (folder / _MADE).is_file():
            return None
        try:
            made = json.loads((folder / _MADE).read_text(encoding="utf-8"))
            if made["recipe"] != self._recipe:
                return None
            return keras.saving.load_model(folder / "model.keras", compile=False), made
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            print(f"Note: the model in {folder} is damaged, and is trained anew.", flush=True)
            return None

    def _train_and_export(self) -> tuple[keras.Model, dict[str, Any]]:
        training = NetworkTraining(
            self.settings, self.architecture, self.train, self.validation, self._checkpoint
        )
        try:
            model, made = training.run()
        except FloatingPointError as error:
            commands.fail(f"ERROR: {error}", 1)
        except KeyboardInterrupt:
            if self.settings.checkpoint:
                raise
            commands.fail(
                "Interrupted. Without --checkpoint the same command begins anew.",
                commands.INTERRUPTED,
            )
        except (tf.errors.ResourceExhaustedError, MemoryError):
            commands.fail(
                "ERROR: Memory ran out while training. Lower --batch_size or --image_size, or give "
                "a smaller --architecture; what is done stays.",
                1,
            )
        shutil.rmtree(self.folder / "model" / "saved_model", ignore_errors=True)
        export_keras(model, self.folder / "model", self.settings.data.preprocessing)
        made["recipe"] = self._recipe
        write_json(self.folder / "model" / _MADE, made)
        self._checkpoint.unlink(missing_ok=True)
        return model, made

    def _say_where(self, made: dict[str, Any]) -> None:
        report = "" if self.settings.brief else f"Report:  {self.folder / 'report.html'}\n"
        print(
            f"Kept: {_kept(made)}\n{_warning(made)}"
            f"{report}"
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


def _warning(made: dict[str, Any]) -> str:
    warning = kept_first(made["best_epoch"], len(made["history"]["loss"]))
    return warning and f"Note: {warning}\n"
