"""The steps of a search, in order; each does only what a run before it has not done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import keras
import keras_tuner

from robmednas_tf.cli import command as commands
from robmednas_tf.cli import search_flags
from robmednas_tf.cli.environment import available_memory_gb, describe_environment
from robmednas_tf.cli.progress import ConsoleProgress, StepLine
from robmednas_tf.cli.search_flags import SearchSettings
from robmednas_tf.cli.search_scores import score_groups
from robmednas_tf.config import OBJECTIVES, PHANTOM, TrainingConfig
from robmednas_tf.data.cohort import Cohort, Split
from robmednas_tf.data.slices import (
    PreparedSubject,
    SliceCache,
    ordered_batches,
)
from robmednas_tf.evaluation.inference import AttackedInference, Panel
from robmednas_tf.export import export_model
from robmednas_tf.files import write_json, write_text
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.report.contents import SearchReport
from robmednas_tf.report.panels import panel_image
from robmednas_tf.report.search import write_figures, write_search_report
from robmednas_tf.report.trials_csv import write_trials_csv
from robmednas_tf.search.hypermodel import SearchData, UNetHyperModel
from robmednas_tf.search.hyperparameters import declare_space
from robmednas_tf.search.identity import read_identity
from robmednas_tf.search.oracle import RecordedOracle
from robmednas_tf.search.oracles import ORACLES
from robmednas_tf.search.trials import TrialRecord, best
from robmednas_tf.search.tuner import SearchTuner
from robmednas_tf.training import fit

_NUM_PANELS = 3


class SearchRun:
    """One search in its folder, from prepared slices to the report.

    Args:
        settings: All settings, checked.
        cohort: The subjects, their headers checked.
        whole: The cohort's split; only its test subjects are used here, to score the winner.
        sub: The search's sub-dataset, drawn from `whole`'s training subjects.
        command: The command line that repeats the run.
    """

    def __init__(
        self, settings: SearchSettings, cohort: Cohort, whole: Split, sub: Split, command: str
    ):
        self.settings, self.cohort, self.whole, self.sub = settings, cohort, whole, sub
        self.command = command
        self.folder = settings.output_dir
        self.direction = OBJECTIVES[settings.search.objective]
        data = settings.data
        self.cache = SliceCache(data.cache_dir, data.image_size, data.slices_per_subject)

    def run(self) -> None:
        """Does every step that is not done yet."""
        try:
            with commands.refusing_bad_input():
                self.oracle.open_folder(self.folder)
                self._prepare()
                self._write_record()
            self._search()
        except keras_tuner.errors.FatalValueError as error:
            commands.fail(f"ERROR: {error}", commands.BAD_INPUT)
        except keras_tuner.errors.FatalError as error:
            self._report(None)
            commands.fail(f"ERROR: {error}", 1)
        self._finish()

    @cached_property
    def oracle(self) -> RecordedOracle:
        """The rule that proposes, for the run's folder."""
        search = self.settings.search
        space = keras_tuner.HyperParameters()
        declare_space(space, self.settings.space)
        return ORACLES[search.oracle](
            objective=keras_tuner.Objective(search.objective, self.direction),
            max_trials=search.num_trials,
            hyperparameters=space,
            seed=search.seed,
            settings=self._identity(),
        )

    @cached_property
    def max_memory_gb(self) -> float:
        """The limit for candidates: as given, as when the search began, or 80 % of what is free."""
        if self.settings.max_memory_gb:
            return self.settings.max_memory_gb
        saved = read_identity(self.folder)
        if saved is not None:
            return saved["settings"]["max_memory_gb"]
        return round(0.8 * available_memory_gb(), 2)

    def _identity(self) -> dict:
        training, search = asdict(self.settings.training), self.settings.search
        used = self.sub.to_dict()
        return {
            "image_size": self.settings.data.image_size,
            "slices_per_subject": self.settings.data.slices_per_subject,
            "subjects": {
                part: {name: self.cache.key(self.cohort[name]) for name in names}
                for part, names in used.items()
            },
            "epsilon": search.epsilon,
            "training": training,
            "deterministic": self.settings.deterministic,
            "max_memory_gb": self.max_memory_gb,
        }

    def _prepare(self) -> None:
        names = (*self.sub.train, *self.sub.validation, *self.sub.test, *self.whole.test)
        line = StepLine("Preparing slices", len(names))
        prepared = {}
        for name in names:
            prepared[name] = self.cache.prepare(self.cohort[name])
            line.step(name)
        line.close()
        self.data = SearchData(
            *(
                tuple(prepared[name] for name in part)
                for part in (self.sub.train, self.sub.validation, self.sub.test)
            )
        )
        self.held_out = tuple(prepared[name] for name in self.whole.test)
        self._warn_of_cropping(list(prepared.values()))
        self._require_regions()

    def _warn_of_cropping(self, subjects: Sequence[PreparedSubject]) -> None:
        cut = [subject for subject in subjects if subject.cropped > 0]
        if cut:
            worst = max(cut, key=lambda subject: subject.cropped)
            print(
                f"Note: {len(cut)} subjects are larger than --image_size="
                f"{self.settings.data.image_size} and are cropped; {worst.name!r} loses "
                f"{100 * worst.cropped:.0f} % of its body. "
                "What is cut is neither learnt nor scored.",
                flush=True,
            )

    def _require_regions(self) -> None:
        region = self.settings.search.objective.split("_", 2)[2:]
        for subject in self.data.test:
            empty = [name for name, count in subject.voxels.items() if not count]
            if set(region) & set(empty) or (not region and empty):
                raise ValueError(
                    f"Subject {subject.name!r} scores the candidates, so its CT must have every "
                    f"region of --objective={self.settings.search.objective}. "
                    f"Received: no voxel of {', '.join(empty)}. "
                    "Give another --seed, leave the subject out, or score another region."
                )

    def _write_record(self) -> None:
        data = self.settings.data
        paths = {"output_dir": self.folder, "cache_dir": data.cache_dir.resolve()}
        if data.data != PHANTOM:
            paths["data"] = Path(data.data).expanduser().resolve()
        write_text(self.folder / "flags.cfg", commands.flag_file(search_flags.__name__, paths))
        write_json(self.folder / "environment.json", describe_environment())
        write_json(
            self.folder / "split.json",
            {"cohort": self.whole.to_dict(), "search": self.sub.to_dict()},
        )

    def _search(self) -> None:
        training, search = self.settings.training, self.settings.search
        hypermodel = self._hypermodel(training)
        progress = ConsoleProgress(
            search.num_trials,
            training.epochs,
            search.objective,
            self.direction,
            self.oracle.records(),
        )
        if self.oracle.records():
            done = self.oracle.ledger.num_completed
            print(f"Going on in {self.folder}: {done} of {search.num_trials} trials are done.")
        self.tuner = SearchTuner(
            self.oracle,
            hypermodel,
            self.folder,
            search.keep_models,
            progress,
            panel_image,
            self._write_trials,
        )
        self.tuner.search()
        self._write_trials(self.oracle.records())

    def _hypermodel(self, training: TrainingConfig) -> UNetHyperModel:
        return UNetHyperModel(
            self.settings.space,
            self.data,
            training,
            self.settings.search.epsilon,
            self.settings.search.seed,
            self.max_memory_gb,
        )

    def _write_trials(self, records: list[TrialRecord]) -> None:
        write_trials_csv(self.folder / "trials.csv", records)

    def _finish(self) -> None:
        winners = best(self.oracle.records(), self.direction)
        if not winners:
            self._report(None)
            commands.fail("ERROR: No trial could be scored; see trials.csv for the reasons.", 1)
        winner = winners[0]
        architecture = Architecture.from_dict(winner.details["architecture"])
        write_text(self.folder / "best_architecture.json", architecture.to_json() + "\n")
        model = self._final_model(winner, architecture)
        self._report(winner, architecture, model)
        print(
            f"Best trial {winner.trial_id}: {self.settings.search.objective} {winner.score:.4f}\n"
            f"Report:  {self.folder / 'report.html'}\n"
            f"Model:   {self.folder / 'best_model'}\n"
            f"Curves:  tensorboard --logdir {self.folder / 'tensorboard'}",
            flush=True,
        )

    def _final_model(self, winner: TrialRecord, architecture: Architecture) -> keras.Model:
        folder, final = self.folder / "best_model", self.settings.final_training
        recipe = {"trial": winner.trial_id, "training": asdict(final) if final else None}
        made = folder / "training.json"
        if made.is_file() and json.loads(made.read_text())["recipe"] == recipe:
            return keras.saving.load_model(folder / "model.keras", compile=False)
        if final is None:
            model = self.tuner.load_model(self.oracle.trials[winner.trial_id])
            history = winner.details["history"]
        else:
            checkpoint = folder / f"checkpoint-{_digest(recipe)}.npz"
            model, history = self._train(architecture, final, checkpoint)
        export_model(model, folder, self.settings.training.batch_size)
        write_json(made, {"recipe": recipe, "history": history})
        for path in folder.glob("checkpoint-*.npz"):
            path.unlink()
        return model

    def _train(self, architecture: Architecture, final: TrainingConfig, checkpoint: Path):
        keras.backend.clear_session()
        hypermodel = self._hypermodel(final)
        model = hypermodel.build_architecture(architecture)
        line = StepLine("Training the winner anew", final.epochs)
        result = fit(
            model,
            hypermodel.training_slices(architecture),
            ordered_batches(self.data.validation, final.batch_size),
            final,
            [_EpochStep(line)],
            checkpoint,
        )
        line.close()
        return model, result.history

    def _report(
        self,
        winner: TrialRecord | None,
        architecture: Architecture | None = None,
        model: keras.Model | None = None,
    ) -> None:
        records, search = self.oracle.records(), self.settings.search
        scores, panels = [], []
        if winner is not None and model is not None:
            inference = AttackedInference(model, search.epsilon, self.settings.training.batch_size)
            scores = score_groups(self.data, self.held_out, inference, winner, records)
            panels = self._panels(inference)
        report = SearchReport(
            cohort=self.cohort.name,
            subjects={**self.sub.to_dict(), "held out": list(self.whole.test)},
            records=records,
            objective=search.objective,
            direction=self.direction,
            best_trial_id=winner.trial_id if winner else None,
            architecture=architecture,
            image_size=self.settings.data.image_size,
            epsilon=search.epsilon,
            seconds=sum(record.seconds or 0 for record in records),
            command=self.command,
            settings=self._flat_settings(),
            scores=scores,
            panels=panels,
            notes=self._notes(),
        )
        write_search_report(self.folder / "report.html", report)
        write_figures(self.folder / "figures", report)

    def _panels(self, inference: AttackedInference) -> list[Panel]:
        subject = self.held_out[0]
        places = [
            round(subject.num_slices * (place + 1) / (_NUM_PANELS + 1))
            for place in range(_NUM_PANELS)
        ]
        return [inference.panel(subject, min(place, subject.num_slices - 1)) for place in places]

    def _flat_settings(self) -> dict:
        text = (self.folder / "flags.cfg").read_text(encoding="utf-8")
        pairs = (line.lstrip("-").partition("=") for line in text.splitlines())
        return {name: value if mark else "true" for name, mark, value in pairs}

    def _notes(self) -> list[str]:
        notes = [
            "The winner was chosen by its score on the search's test subjects, so its figures "
            "there are better than it is; those on the held-out subjects are fair.",
        ]
        if self.settings.data.data == PHANTOM:
            notes.append("The subjects are made-up heads: the figures say nothing of patients.")
        return notes


def _digest(recipe: dict) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


class _EpochStep(keras.callbacks.Callback):
    def __init__(self, line: StepLine):
        super().__init__()
        self._line = line

    def on_epoch_end(self, epoch, logs=None):
        self._line.step(f"validation loss {logs['val_loss']:.5f}")
