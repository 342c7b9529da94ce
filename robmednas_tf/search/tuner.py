"""The Tuner: runs the candidates that an oracle proposes and keeps what is worth keeping."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.src import config as kt_config

from robmednas_tf.evaluation.inference import Panel
from robmednas_tf.search.candidates import CandidateRunner, run_candidate
from robmednas_tf.search.details import details_of
from robmednas_tf.search.executor import (
    Executor,
    Job,
    LocalExecutor,
    Outcome,
    WorkerLostError,
    run_jobs,
)
from robmednas_tf.search.hypermodel import UNetHyperModel
from robmednas_tf.search.hyperparameters import architecture_of
from robmednas_tf.search.oracle import RecordedOracle
from robmednas_tf.search.pruning import rungs_in
from robmednas_tf.search.run_folder import writing_in
from robmednas_tf.search.tensorboard import write_hparams_config, write_rungs
from robmednas_tf.search.trials import (
    RUNNING,
    TrialRecord,
    best,
    checkpoint_path,
    trial_folder,
    weights_path,
)
from robmednas_tf.search.watching import SearchProgress, TrialWatcher

# KerasTuner prints each failed candidate's traceback; the trial's file keeps it instead.
kt_config.DEBUG = False


class SearchTuner(keras_tuner.Tuner):
    """Trains and scores candidates in the run's folder, as many at once as there are workers.

    A candidate whose process was killed goes on from its last epoch, with the same result.
    Trials on disk are the one source of truth: this tuner has no state of its own to save, and
    it alone writes them, whoever trains the candidates.

    Args:
        oracle: Proposes the candidates and records them.
        hypermodel: Builds, trains and scores them.
        folder: The run's folder.
        keep_models: Number of best trials whose weights stay on disk.
        progress: Told of each step.
        draw: Lays a panel out as a uint8 picture `(height, width, 3)` for TensorBoard.
        after_trial: Called with all records when a trial has ended.
        executor: Where candidates are trained; by default in this process, one after the other.
    """

    def __init__(
        self,
        oracle: RecordedOracle,
        hypermodel: UNetHyperModel,
        folder: Path,
        keep_models: int,
        progress: SearchProgress,
        draw: Callable[[Panel], np.ndarray],
        after_trial: Callable[[list[TrialRecord]], None],
        executor: Executor | None = None,
    ):
        self.folder, self.keep_models = folder, keep_models
        self.executor = executor or LocalExecutor()
        self._starts = itertools.count()
        self.progress, self._after_trial = progress, after_trial
        self._runner = CandidateRunner(folder, hypermodel, draw)
        super().__init__(oracle, hypermodel, directory=str(folder.parent), project_name=folder.name)
        oracle.verbose = 0

    def _populate_initial_space(self) -> None:
        # KerasTuner would build models until every condition was seen; the space is known.
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)

    def save(self) -> None:
        """Does nothing: the oracle has written the trial."""

    def reload(self) -> None:
        """Does nothing: the oracle reads the trials."""

    def get_trial_dir(self, trial_id: str) -> str:
        """Returns the trial's folder."""
        return str(trial_folder(self.folder, trial_id))

    def search(self, *args: Any, **kwargs: Any) -> None:
        """Runs trials until the budget is used.

        Neither an interruption nor a disk that is full costs a trial an attempt.

        Raises:
            RunFolderError: If files cannot be written.
        """
        with writing_in(self.folder):
            self.on_search_begin()
            run_jobs(self.executor, self)
            self.on_search_end()

    def on_search_begin(self) -> None:
        """Declares the HParams page's columns, and tidies up after a run that was killed."""
        write_hparams_config(
            self.folder / "tensorboard", self.oracle.get_space(), self.oracle.objective.name
        )
        for record in self.oracle.records():
            if record.status != RUNNING:
                checkpoint_path(self.folder, record.trial_id).unlink(missing_ok=True)
        self._drop_weights()

    def next_job(self) -> Job | None:
        """Begins the next trial, unless the budget is used or the space holds no more."""
        # KerasTuner's oracles give a tuner no second trial before its first has ended.
        trial = self.oracle.create_trial(f"{self.tuner_id}-{next(self._starts)}")
        if trial.status == TrialStatus.STOPPED:
            return None
        self.progress.trial_started(self.oracle.record(trial.trial_id))
        architecture = architecture_of(trial.hyperparameters)
        self.oracle.annotate(trial.trial_id, details_of(architecture, self.hypermodel))
        values, pruner = dict(trial.hyperparameters.values), self.oracle.pruner
        rungs = () if pruner is None else pruner.rungs_of(int(trial.trial_id))
        work = functools.partial(
            run_candidate, self._runner, trial.trial_id, values, architecture, rungs
        )
        return Job(trial.trial_id, work)

    def told(self, name: str, what: str, *arguments: Any) -> Any:
        """Answers what a trial's work tells or asks, as its watcher."""
        watcher = TrialWatcher(self.oracle, self.progress, self.oracle.record(name))
        with writing_in(self.folder):
            return getattr(watcher, what)(*arguments)

    def ended(self, name: str, outcome: Outcome) -> None:
        """Ends a trial as KerasTuner's own loop does, or has it tried again."""
        if isinstance(outcome.error, WorkerLostError):
            self._lost(name)
            return
        trial = self.oracle.trials[name]
        self._try_run_and_update_trial(trial, outcome)
        self.on_trial_end(trial)

    def interrupted(self) -> None:
        """Gives the attempts of the trials that run back."""
        for trial in list(self.oracle.ongoing_trials.values()):
            self.oracle.release(trial.trial_id)

    def run_trial(
        self, trial: keras_tuner.engine.trial.Trial, outcome: Outcome, *args: Any, **kwargs: Any
    ) -> dict[str, float]:
        """Returns the metrics of a trial whose work is done, or raises what ended it."""
        result = outcome.value()
        self.oracle.annotate(trial.trial_id, result.details)
        return result.metrics

    def _run_and_update_trial(self, *args: Any, **kwargs: Any) -> None:
        # KerasTuner would fail the candidate; the disk is at fault, and its turn comes again.
        with writing_in(self.folder):
            super()._run_and_update_trial(*args, **kwargs)

    def on_trial_end(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Records the trial, drops the weights that are no longer among the best."""
        try:
            self.oracle.end_trial(trial)
        finally:
            # Also where this was the failure that ends the search.
            self._tidy(trial.trial_id)

    def load_model(self, trial: keras_tuner.engine.trial.Trial) -> keras.Model:
        """Rebuilds a trial's network with the weights it was scored with.

        Raises:
            ValueError: If its weights are no longer kept.
        """
        path = self.weights_path(trial.trial_id)
        if not path.is_file():
            raise ValueError(
                f"Trial {trial.trial_id} keeps no weights: only the best {self.keep_models} do. "
                "Raise --keep_models, or train its architecture anew."
            )
        model = self.hypermodel.build_architecture(architecture_of(trial.hyperparameters))
        with np.load(path) as saved:
            model.set_weights([saved[name] for name in saved.files])
        return model

    def weights_path(self, trial_id: str) -> Path:
        """Returns where a trial's weights are while they are kept."""
        return weights_path(self.folder, trial_id)

    def _lost(self, trial_id: str) -> None:
        again = False
        try:
            again = self.oracle.lose(trial_id)
        finally:
            if not again:
                self._tidy(trial_id)
        if again:
            self.progress.trial_lost(self.oracle.record(trial_id))

    def _tidy(self, trial_id: str) -> None:
        # Another attempt begins anew.
        checkpoint_path(self.folder, trial_id).unlink(missing_ok=True)
        self._drop_weights()
        self._write_rungs(trial_id)
        self._after_trial(self.oracle.records())
        self.progress.trial_ended(self.oracle.record(trial_id))

    def _write_rungs(self, trial_id: str) -> None:
        name = self.oracle.objective.name
        scores = {rung.epoch: rung.score for rung in rungs_in(self.oracle.record(trial_id))}
        if scores:
            write_rungs(self.folder / "tensorboard" / trial_id, name, scores)

    def _drop_weights(self) -> None:
        records = self.oracle.records()
        kept = {
            record.trial_id
            for record in best(records, self.oracle.objective.direction, self.keep_models)
        }
        for record in records:
            if record.trial_id not in kept:
                self.weights_path(record.trial_id).unlink(missing_ok=True)
