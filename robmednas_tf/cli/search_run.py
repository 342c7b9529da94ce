"""The steps of a search, in order; each does only what a run before it has not done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property, partial

import keras_tuner

from robmednas_tf.cli import command as commands
from robmednas_tf.cli.onnx_file import add_onnx
from robmednas_tf.cli.search_confirm import confirm, remove_confirmation
from robmednas_tf.cli.search_data import PreparedCohort, prepare
from robmednas_tf.cli.search_flags import SearchSettings
from robmednas_tf.cli.search_identity import files_of, search_identity
from robmednas_tf.cli.search_outcome import outcome_of, outcome_recipe
from robmednas_tf.cli.search_progress import ConsoleProgress
from robmednas_tf.cli.search_record import with_memory_limit, write_search_record
from robmednas_tf.cli.search_repeats_place import RepeatPlace
from robmednas_tf.cli.search_report import SearchedRun, Winner, write_report
from robmednas_tf.cli.search_result import FinalModel, final_model, tell_result, trial_model
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.data.split import Split
from robmednas_tf.files import write_text
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.objectives import DIRECTIONS
from robmednas_tf.report.panels import panel_image
from robmednas_tf.report.pareto_csv import write_pareto_csv
from robmednas_tf.report.trials_csv import write_trials_csv
from robmednas_tf.search.confirmation import Confirmation
from robmednas_tf.search.details import require_details
from robmednas_tf.search.executor import Executor
from robmednas_tf.search.failures import InfeasibleTrialError
from robmednas_tf.search.front import candidates, front_of
from robmednas_tf.search.hypermodel import SearchData, UNetHyperModel
from robmednas_tf.search.hyperparameters import declare_space
from robmednas_tf.search.memory import memory_may_run_out
from robmednas_tf.search.oracle import RecordedOracle
from robmednas_tf.search.oracles import ORACLES
from robmednas_tf.search.outcome import OUTCOME_FILE, write_search_outcome
from robmednas_tf.search.trials import TrialRecord
from robmednas_tf.search.tuner import SearchTuner


class SearchRun:
    """One search in its folder, from prepared slices to the report.

    Args:
        settings: All settings, checked.
        cohort: The subjects, their headers checked.
        whole: The cohort's split; only its test subjects are used here, to score the winner.
        sub: The search's sub-dataset, drawn from `whole`'s training subjects.
        command: The command line that repeats the run.
        executor: Where networks are trained.
        subjects: The subjects, prepared, where several searches share them.
        place: Which of these searches it is.
    """

    def __init__(
        self,
        settings: SearchSettings,
        cohort: Cohort,
        whole: Split,
        sub: Split,
        command: str,
        executor: Executor,
        subjects: PreparedCohort | None = None,
        place: RepeatPlace | None = None,
    ):
        self.settings, self.cohort, self.whole, self.sub = settings, cohort, whole, sub
        self.command, self.executor = command, executor
        self.place, self._shared = place, subjects
        self.folder = settings.output_dir
        self.fault: str | None = None
        self.confirmation: Confirmation | None = None
        self.direction = DIRECTIONS[settings.search.objective]

    def run(self) -> None:
        """Does every step that is not done yet; `fault` says why the search stopped, if it did."""
        with commands.refusing_bad_input():
            self.oracle.open_folder(self.folder)
            self.subjects = self._shared or prepare(
                self.cohort, self.cache, self.whole, self.sub, self.settings.search.objectives
            )
            # Removed first: while the search goes on, no note may say that it has ended.
            (self.folder / OUTCOME_FILE).unlink(missing_ok=True)
            write_search_record(
                self.limited, self.cohort, self.whole, self.sub, self.subjects, self.executor
            )
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
            self.fault = f"{error}. What is done stays."
        except keras_tuner.errors.FatalRuntimeError as error:  # Of those who train the winner.
            self.fault = str(error)

    @property
    def recipe(self) -> dict:
        """All that the outcome follows from."""
        return outcome_recipe(self.limited, self.whole, self.sub, self._files)

    @cached_property
    def limited(self) -> SearchSettings:
        """The settings, with the limit of memory that holds."""
        return with_memory_limit(self.settings)

    @cached_property
    def cache(self) -> SliceCache:
        """The prepared slices."""
        data = self.settings.data
        # Workers may be elsewhere in the file system.
        return SliceCache(data.cache_dir.resolve(), data.image_size, data.slices_per_subject)

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
            settings=self._identity,
            pruner=self.settings.pruner,
            max_attempts=search.max_attempts,
            check_details=require_details,
        )

    @cached_property
    def _identity(self) -> dict:
        return search_identity(self.limited, self.sub, self._files(self.sub.to_dict()))

    def _files(self, parts: Mapping[str, Iterable[str]]) -> dict[str, str]:
        return files_of(self.cache, self.cohort, parts)

    def _search(self) -> None:
        training, search = self.settings.training, self.settings.search
        progress = ConsoleProgress(
            search.num_trials,
            training.epochs,
            search.objective,
            self.direction,
            self.oracle.records(),
            place=self.place,
            num_workers=self.executor.num_workers,
        )
        progress.search_started(self.folder)
        write_trials = partial(write_trials_csv, self.folder / "trials.csv")
        self.tuner = SearchTuner(
            self.oracle,
            self._hypermodel(training, self.subjects.search),
            self.folder,
            # Any candidate of the confirmation may win.
            max(search.keep_models, search.confirm_top),
            progress,
            panel_image,
            write_trials,
            self.executor,
        )
        self.tuner.search()
        write_trials(self.oracle.records())
        progress.search_ended()

    def _confirm(self) -> Confirmation | None:
        return confirm(
            self.folder,
            self.settings.search,
            self.direction,
            self.oracle.records(),
            self.tuner.hypermodel,
            self._identity,
            self.executor,
        )

    def _hypermodel(self, training: TrainingConfig, data: SearchData) -> UNetHyperModel:
        return UNetHyperModel(
            self.settings.space,
            data,
            training,
            self.settings.search.attack,
            self.settings.search.seed,
            self.limited.max_memory_gb,
        )

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
                "search": self._identity,
                "seed": self.settings.search.seed,
                "trial": winner.trial_id,
                "final": self.subjects.final.names,
                **self._files(self.subjects.final.names),
            },
            self.settings.data.preprocessing,
            self.settings.search.max_attempts,
            self.executor,
        )
        if self.settings.onnx:
            add_onnx(result.model, self.folder / "best_model", self.settings.data.preprocessing)
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
        report = write_report(self.folder, search, won)
        if won is not None and self.fault is None:
            outcome = outcome_of(report, self.settings.search.seed, won.result.note)
            write_search_outcome(self.folder, outcome, self.recipe)
