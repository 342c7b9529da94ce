"""The steps of a search, in order; each does only what a run before it has not done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property

import keras_tuner

from robmednas_tf.cli import command as commands
from robmednas_tf.cli import search_flags
from robmednas_tf.cli.progress import ConsoleProgress
from robmednas_tf.cli.run_record import write_record
from robmednas_tf.cli.search_confirm import confirm, remove_confirmation
from robmednas_tf.cli.search_data import prepare
from robmednas_tf.cli.search_flags import SearchSettings
from robmednas_tf.cli.search_report import SearchedRun, Winner, write_report
from robmednas_tf.cli.search_result import FinalModel, final_model, tell_result, trial_model
from robmednas_tf.config import PHANTOM, TrainingConfig
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.data.split import Split
from robmednas_tf.files import write_text
from robmednas_tf.machine import available_memory_gb
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.objectives import DIRECTIONS
from robmednas_tf.onnx_export import ONNX_FILE, export_onnx
from robmednas_tf.report.model_card import mr_in_words
from robmednas_tf.report.panels import panel_image
from robmednas_tf.report.pareto_csv import write_pareto_csv
from robmednas_tf.report.trials_csv import write_trials_csv
from robmednas_tf.search.confirmation import Confirmation
from robmednas_tf.search.failures import InfeasibleTrialError
from robmednas_tf.search.front import candidates, front_of
from robmednas_tf.search.hypermodel import SearchData, UNetHyperModel
from robmednas_tf.search.hyperparameters import declare_space
from robmednas_tf.search.identity import read_identity
from robmednas_tf.search.memory import memory_may_run_out
from robmednas_tf.search.oracle import RecordedOracle
from robmednas_tf.search.oracles import ORACLES
from robmednas_tf.search.trials import TrialRecord
from robmednas_tf.search.tuner import SearchTuner, require_details


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
        self.fault: str | None = None
        self.confirmation: Confirmation | None = None
        self.direction = DIRECTIONS[settings.search.objective]

    def run(self) -> None:
        """Does every step that is not done yet."""
        with commands.refusing_bad_input():
            self.oracle.open_folder(self.folder)
            self.subjects = prepare(
                self.cohort, self.cache, self.whole, self.sub, self.settings.search.objectives
            )
            self._write_record()
        try:
            self._search()
            self.confirmation = self._confirm()
        except OSError:
            # The folder cannot be written to: there is no finishing either.
            raise
        except keras_tuner.errors.FatalError as error:
            self.fault = f"The search has stopped: {error}"
            remove_confirmation(self.folder)
        try:
            with memory_may_run_out("making the report"):
                self._finish()
        except InfeasibleTrialError as error:
            commands.fail(f"ERROR: {error}. What is done stays.", 1)
        if self.fault:
            commands.fail(f"ERROR: {self.fault}", 1)

    @cached_property
    def cache(self) -> SliceCache:
        """The prepared slices."""
        data = self.settings.data
        return SliceCache(data.cache_dir, data.image_size, data.slices_per_subject)

    @cached_property
    def oracle(self) -> RecordedOracle:
        """The rule that proposes, for the run's folder."""
        search = self.settings.search
        space = keras_tuner.HyperParameters()
        declare_space(space, self.settings.space)
        return ORACLES[search.oracle](
            objective=[keras_tuner.Objective(name, DIRECTIONS[name]) for name in search.objectives],
            max_trials=search.num_trials,
            hyperparameters=space,
            seed=search.seed,
            settings=self._identity(),
            pruner=self.settings.pruner,
            max_attempts=search.max_attempts,
            check_details=require_details,
        )

    @cached_property
    def max_memory_gb(self) -> float:
        """The limit for candidates: as given, as when the search began, or 80 % of what is free."""
        if self.settings.max_memory_gb:
            return self.settings.max_memory_gb
        saved = read_identity(self.folder)
        if saved is not None:
            return saved["settings"].get("max_memory_gb", 0.0)
        return round(0.8 * available_memory_gb(), 2)

    def _identity(self) -> dict:
        used = self.sub.to_dict()
        return {
            "image_size": self.settings.data.image_size,
            "slices_per_subject": self.settings.data.slices_per_subject,
            "subjects": used,
            **self._files(used),
            "epsilon": self.settings.search.epsilon,
            "training": asdict(self.settings.training),
            "deterministic": self.settings.deterministic,
            "max_memory_gb": self.max_memory_gb,
        }

    def _files(self, parts: Mapping[str, Iterable[str]]) -> dict[str, str]:
        names = [name for part in parts.values() for name in part]
        return {f"files of {name!r}": self.cache.key(self.cohort[name]) for name in names}

    def _write_record(self) -> None:
        write_record(
            self.folder,
            "search",
            search_flags.FLAGS,
            self.settings.data,
            {
                "max_memory_gb": self.max_memory_gb,
                "num_phantoms": self._num_phantoms,
                # Also where --objectives alone was given: a repeat must not contradict itself.
                "objective": self.settings.search.objective,
            },
            {
                "cohort": self.whole.to_dict(),
                "search": self.sub.to_dict(),
                "identities": self.subjects.identities,
            },
        )

    @property
    def _num_phantoms(self) -> int:
        return len(self.cohort) if self.settings.data.data == PHANTOM else 0

    def _search(self) -> None:
        training, search = self.settings.training, self.settings.search
        hypermodel = self._hypermodel(training, self.subjects.search)
        progress = ConsoleProgress(
            search.num_trials,
            training.epochs,
            search.objective,
            self.direction,
            self.oracle.records(),
        )
        progress.search_started(self.folder)
        self.tuner = SearchTuner(
            self.oracle,
            hypermodel,
            self.folder,
            # Any candidate of the confirmation may win.
            max(search.keep_models, search.confirm_top),
            progress,
            panel_image,
            self._write_trials,
        )
        self.tuner.search()
        self._write_trials(self.oracle.records())
        progress.search_ended()

    def _confirm(self) -> Confirmation | None:
        return confirm(
            self.folder,
            self.settings.search,
            self.direction,
            self.oracle.records(),
            self.tuner.hypermodel,
            self._identity(),
        )

    def _hypermodel(self, training: TrainingConfig, data: SearchData) -> UNetHyperModel:
        return UNetHyperModel(
            self.settings.space,
            data,
            training,
            self.settings.search.epsilon,
            self.settings.search.seed,
            self.max_memory_gb,
        )

    def _write_trials(self, records: list[TrialRecord]) -> None:
        write_trials_csv(self.folder / "trials.csv", records)

    def _finish(self) -> None:
        winners = candidates(self.oracle.records(), self.settings.search, 1)
        if not winners:
            self._report()
            self.fault = self.fault or "No trial came to its end; trials.csv has the reasons."
            return
        winner, final = winners[0], self.settings.final_training
        if self.confirmation is not None:
            winner = self.confirmation.winner.trial
        architecture = Architecture.from_dict(winner.details["architecture"])
        write_text(self.folder / "best_architecture.json", architecture.to_json() + "\n")
        result = final_model(
            self.folder / "best_model",
            architecture,
            self._hypermodel(final, self.subjects.final) if final else None,
            lambda: trial_model(self.tuner, winner),
            {
                "search": self._identity(),
                "seed": self.settings.search.seed,
                "trial": winner.trial_id,
                "final": self.subjects.final.names,
                **self._files(self.subjects.final.names),
            },
            self.settings.data.preprocessing,
            self.settings.search.max_attempts,
        )
        if self.settings.onnx and not (self.folder / "best_model" / ONNX_FILE).is_file():
            words = mr_in_words(self.settings.data.preprocessing)
            export_onnx(result.model, self.folder / "best_model", words)
        self._report(winner, result)
        tell_result(self.folder, self.settings.search, winner, self.confirmation)

    def _report(self, winner: TrialRecord | None = None, result: FinalModel | None = None) -> None:
        search = SearchedRun(
            self.settings,
            self.cohort.name,
            self.whole,
            self.sub,
            self.subjects,
            self.oracle.records(),
            self.command,
            self.fault,
            self.confirmation,
            front_of(self.oracle.records(), self.settings.search),
        )
        if search.front is not None:
            write_pareto_csv(self.folder / "pareto.csv", search.front, winner)
        won = Winner(winner, result) if winner is not None and result is not None else None
        write_report(self.folder, search, won)
