"""A KerasTuner oracle that keeps its trials on disk and can be stopped at any moment.

`RecordedOracle` starts and ends trials; the rule that it proposes them by is its subclass's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import time
import warnings
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from robmednas_tf.search import tracking
from robmednas_tf.search.ending import Ending, judged
from robmednas_tf.search.failures import MAX_ATTEMPTS, reason_of_deaths, setup_fault
from robmednas_tf.search.folder_oracle import FolderOracle
from robmednas_tf.search.locking import locked
from robmednas_tf.search.pruning import rungs_in
from robmednas_tf.search.sampling import Values, key_of, untried
from robmednas_tf.search.trials import FAILED, RUNNING, TrialRecord, checkpoint_path, id_of


class RecordedOracle(FolderOracle):
    """Base of this project's oracles: the trials on disk are the one source of truth.

    A subclass sets `name` and gives `propose`. Trials lie in `<directory>/<project_name>/trials`,
    the settings under which they compare in `search.json` beside them.

    Args:
        objective: As in `keras_tuner.Oracle`. Of a list, the first one is the trials' score, by
            which the best are told; the others are never added to it, but taken from a trial's
            metrics, or from what the tuner has noted of it. A trial without all of them fails.
        max_trials: Trials to score, > 0, or None without a limit: those completed and those that
            the pruner stopped. Failed ones do not count. It may differ when a search goes on.
        hyperparameters: The search space, as in `keras_tuner.Oracle`.
        seed: The search's seed, >= 0; 0 is a seed like any other.
        settings: Whatever else has to be the same when the search goes on, ready for JSON.
        num_startup_trials: Scored trials before proposals follow a model. By default what the
            folder says or, in a new one, what the rule does with this `max_trials`.
        check_details: Called with a completed trial's details when it is read; raises ValueError,
            TypeError or KeyError where they are not what the tuner notes.
        max_retries_per_trial: How often a trial that raised or has no finite score is repeated.
        max_attempts: How many times the process may end during a trial before the trial is failed.
            It may differ when a search goes on.
        allow_new_entries: As in `keras_tuner.Oracle`.
        tune_new_entries: As in `keras_tuner.Oracle`.
        pruner: Says at rungs which trials go on, by the score; part of `settings`. None stops none,
            as it must be with several objectives.

    Raises:
        ValueError: If a number is outside its domain or `settings` is not ready for JSON.
        keras_tuner.errors.FatalValueError: If KerasTuner is asked to run as chief and workers;
            and, when the folder is first needed, if its search was set up differently.
    """

    def __init__(self, *args: Any, max_attempts: int = MAX_ATTEMPTS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if max_attempts < 1:
            raise ValueError(f"max_attempts must be at least 1. Received: {max_attempts}.")
        self.max_attempts = max_attempts
        self._started: dict[str, float] = {}

    def propose(self, number: int, salt: int) -> tuple[Values, str]:
        """Proposes values for a trial; every oracle has its own rule.

        Args:
            number: The trial's number.
            salt: Which of the proposals for this trial; another salt should give another.

        Returns:
            Values of every active hyperparameter, and the record's `source`. Both follow from
            the space, the records, the seed and the arguments alone.
        """
        raise NotImplementedError

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns values that no trial has had, or says that the space holds no more of them."""
        number = int(trial_id)
        tried = {key_of(record.values) for record in self.ledger.records}
        found = untried(
            self.hyperparameters, tried, lambda salt: self.propose(number, salt), self.seed, number
        )
        if found is None:
            return {"status": TrialStatus.STOPPED}
        return {"status": TrialStatus.RUNNING, "values": found[0], "source": found[1]}

    @locked
    def create_trial(self, tuner_id: str) -> Trial:
        """Returns the next trial to run: one that its process left behind, or else a new one.

        Raises:
            keras_tuner.errors.FatalValueError: If the folder's search was set up differently.
            keras_tuner.errors.FatalRuntimeError: If trials fail for a fault of the set-up.
        """
        if tuner_id in self.ongoing_trials:
            return self.ongoing_trials[tuner_id]
        self._write_identity()
        record = None
        if self.remaining_trials() != 0:
            record = self._left_behind() or self._new()
        if record is None:
            return Trial(self.get_space(), id_of(self.ledger.next_number), TrialStatus.STOPPED)
        return self._begin(tuner_id, record)

    @locked
    def update_trial(self, trial_id: str, metrics: dict[str, float], step: int = 0) -> Trial:
        """Notes metrics of a running trial.

        Raises:
            ValueError: If the objective is not among them.
        """
        trial = self.trials[trial_id]
        self._check_objective_found(metrics)
        tracking.observe(trial, metrics, step, self.objective)
        self.ledger.change(trial_id, metrics=tracking.metrics_at(trial, step))
        return trial

    @locked
    def rung_reached(self, trial_id: str, epoch: int, metrics: dict[str, float]) -> bool:
        """Notes a running trial's metrics at a rung and says whether it goes on.

        Both are on disk before the answer is given; asked again, the answer is the same.
        """
        record = self.ledger[trial_id]
        known = {rung.epoch: rung for rung in rungs_in(record)}
        if self.pruner is not None and epoch not in known:
            rung = self.pruner.judge(self.ledger.records, record, epoch, metrics, self.objective)
            known[epoch] = rung
            rungs = [each.to_dict() for each in known.values()]
            self.ledger.change(trial_id, details={**record.details, "rungs": rungs})
        return epoch not in known or known[epoch].goes_on

    @locked
    def end_trial(self, trial: Trial) -> None:
        """Records how a trial ended, and whether it is to be tried again.

        Raises:
            keras_tuner.errors.FatalRuntimeError: If trials fail for a fault of the set-up; this
                trial is on disk by then.
        """
        record, kept = self.ledger[trial.trial_id], self.trials[trial.trial_id]
        values, found = self._grown(record, trial.hyperparameters)
        text = trial.message or ""
        objectives = [self.objective, *self.further_objectives]
        found_out = judged(kept, record, trial.status, text, objectives, self.score_trial)
        ending = Ending.of(record, *found_out, self.max_retries_per_trial)
        ending.settle(kept, text)
        self.ledger.change(
            record.trial_id,
            values=values,
            found=found,
            seconds=round(time.monotonic() - self._started[record.trial_id], 3),
            **ending.changes(kept, record, text),
        )
        self._display.on_trial_end(kept)
        self._let_go(record.trial_id)
        self._stop_at_setup_fault()

    @locked
    def release(self, trial_id: str) -> None:
        """Gives an attempt back, where that can be written down: it was not the trial's fault."""
        with contextlib.suppress(OSError):
            self.ledger.change(trial_id, attempts=self.ledger[trial_id].attempts - 1)
        self._let_go(trial_id)

    @locked
    def lose(self, trial_id: str) -> bool:
        """Lets go of a trial whose process has ended, and fails it if that was once too often.

        Returns:
            Whether `create_trial` gives it again.

        Raises:
            keras_tuner.errors.FatalRuntimeError: If trials fail for a fault of the set-up.
        """
        self._let_go(trial_id)
        return self._goes_on(self.ledger[trial_id])

    @locked
    def annotate(self, trial_id: str, details: dict[str, Any]) -> None:
        """Merges `details`, ready for JSON, into a trial's record."""
        self.ledger.change(trial_id, details={**self.ledger[trial_id].details, **details})

    def _left_behind(self) -> TrialRecord | None:
        ongoing = {trial.trial_id for trial in self.ongoing_trials.values()}
        for record in self.ledger.records:
            if record.status != RUNNING or record.trial_id in ongoing:
                continue
            if self._goes_on(record):
                return record
        return None

    def _goes_on(self, record: TrialRecord) -> bool:
        deaths = record.attempts - record.retries
        if deaths >= self.max_attempts:
            self._give_up(record, deaths)
        return deaths < self.max_attempts

    def _new(self) -> TrialRecord | None:
        number = self.ledger.next_number
        found = self.populate_space(id_of(number))
        if found["status"] != TrialStatus.RUNNING:
            return None
        source = found.get("source", "model")
        return TrialRecord(id_of(number), number, RUNNING, 0, source, found["values"])

    def _begin(self, tuner_id: str, record: TrialRecord) -> Trial:
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        record = dataclasses.replace(
            record, attempts=record.attempts + 1, metrics={}, started_at=now, seconds=None
        )
        # On disk before the trial starts, or a trial that ends its process would do so for ever.
        self.ledger.put(record)
        trial = self.trials[record.trial_id] = self._trial_of(record)
        self.ongoing_trials[tuner_id] = trial
        self._started[record.trial_id] = time.monotonic()
        self._display.on_trial_begin(trial)
        return trial

    def _give_up(self, record: TrialRecord, deaths: int) -> None:
        checkpoint = checkpoint_path(self.folder, record.trial_id)
        reason = reason_of_deaths(deaths, "this trial", checkpoint)
        self.ledger.change(record.trial_id, status=FAILED, message=reason)
        self.trials[record.trial_id].status = FAILED
        checkpoint.unlink(missing_ok=True)
        warnings.warn(
            f"Trial {record.trial_id} is given up: {reason}.", RuntimeWarning, stacklevel=2
        )
        self._stop_at_setup_fault()

    def _stop_at_setup_fault(self) -> None:
        fault = setup_fault(self.ledger.records)
        if fault is not None:
            raise keras_tuner.errors.FatalRuntimeError(fault)

    def _let_go(self, trial_id: str) -> None:
        self.ongoing_trials = {
            tuner_id: trial
            for tuner_id, trial in self.ongoing_trials.items()
            if trial.trial_id != trial_id
        }
