"""The folder half of an oracle: what it reads there, what it refuses, what it keeps."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.src.engine.objective import create_objective

from robmednas_tf.files import write_json
from robmednas_tf.search import identity, tracking, trials
from robmednas_tf.search.ledger import Ledger
from robmednas_tf.search.pruning import Pruner
from robmednas_tf.search.sampling import Values, is_active, require_in_space
from robmednas_tf.search.trials import TrialRecord


class FolderOracle(keras_tuner.Oracle):
    """What an oracle knows of its folder: settings, space and trials.

    The arguments are those of `RecordedOracle`.
    """

    name: str

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        *,
        seed: int = 0,
        settings: dict[str, Any] | None = None,
        num_startup_trials: int | None = None,
        check_details: Callable[[dict[str, Any]], None] | None = None,
        max_retries_per_trial: int = 0,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        pruner: Pruner | None = None,
    ) -> None:
        _refuse_workers()
        _require(0, seed=seed, max_retries_per_trial=max_retries_per_trial)
        if max_trials is not None:
            _require(1, max_trials=max_trials)
        if num_startup_trials is not None:
            _require(0, num_startup_trials=num_startup_trials)
        # KerasTuner would minimise the sum of several, whatever their units.
        first, *further = objective if isinstance(objective, (list, tuple)) else [objective]
        super().__init__(
            objective=first,
            max_trials=max_trials,
            # The oracle's space may grow; the caller's object stays as it is.
            hyperparameters=hyperparameters.copy() if hyperparameters else None,
            allow_new_entries=allow_new_entries,
            tune_new_entries=tune_new_entries,
            # The base class takes 0 for no seed.
            seed=seed or 1,
            max_retries_per_trial=max_retries_per_trial,
        )
        self.further_objectives = tuple(create_objective(each) for each in further)
        if further and pruner is not None:
            raise ValueError(
                "With several objectives there can be no pruner: it goes by the first alone, and "
                f"would stop the cheap candidates of a front. Received: {pruner.name}."
            )
        self.seed = seed
        self.pruner = pruner
        # Without a pruner there is no such setting, as in searches that knew none.
        pruned = {} if pruner is None else {"pruner": asdict(pruner)}
        self.settings = identity.as_json({**(settings or {}), **pruned})
        self._given_startup = num_startup_trials
        self._check_details = check_details
        self._declared = identity.as_json(self.hyperparameters.get_config()["space"])
        self._ledger: Ledger | None = None
        self._forget()

    def default_startup_trials(self) -> int:
        """Returns how many trials of a new search are completed before a model proposes."""
        return 0

    @property
    def folder(self) -> Path:
        """The search's folder."""
        return Path(self._project_dir)

    @property
    def ledger(self) -> Ledger:
        """The trials so far. The folder is read when it is first needed, whoever asks."""
        if self._ledger is None:
            self._ledger = self._read_folder()
        return self._ledger

    @property
    def num_startup_trials(self) -> int:
        """Completed trials before proposals follow a model; the folder's number counts."""
        self._require_folder_read()
        return self._startup

    def open_folder(self, folder: Path) -> None:
        """Goes to work in `folder`, as a tuner with this directory and project name would.

        Raises:
            keras_tuner.errors.FatalValueError: If its search was set up differently.
        """
        self._set_project_dir(str(folder.parent), folder.name)
        self._require_folder_read()

    def record(self, trial_id: str) -> TrialRecord:
        """Returns one trial."""
        return self.ledger[trial_id]

    def records(self) -> list[TrialRecord]:
        """Returns the trials so far, by number."""
        return self.ledger.records

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the completed trials with the best scores, the best first."""
        best = trials.best(self.ledger.records, self.objective.direction, num_trials)
        return [self.trials[record.trial_id] for record in best]

    def remaining_trials(self) -> int | None:
        """Returns how many trials may still be started, or None without a limit."""
        if self.max_trials is None:
            return None
        return max(0, self.max_trials - self.ledger.num_scored - len(self.ongoing_trials))

    def save(self) -> None:
        """Does nothing: every change is on disk as soon as it is made."""

    def reload(self) -> None:
        """Reads the folder again."""
        self._forget()
        self._require_folder_read()

    def _set_project_dir(self, directory: str, project_name: str) -> None:
        known = self._project_dir if self._ledger is not None else None
        super()._set_project_dir(directory, project_name)
        # What `open_folder` has read is not read, and its damage not said, a second time.
        if self._project_dir != known:
            self._forget()

    def _forget(self) -> None:
        self._ledger = None
        given = self._given_startup
        self._startup = self.default_startup_trials() if given is None else given
        self.trials: dict[str, Trial] = {}
        self.ongoing_trials: dict[str, Trial] = {}

    def _read_folder(self) -> Ledger:
        saved = identity.read_identity(self.folder)
        if saved is not None:
            identity.refuse_differences(saved, self._identity(), self.folder)
            self._startup = saved["num_startup_trials"]
            self._merge(saved["found"])
        ledger = Ledger(self.folder)
        # Of trials side by side, one may have values that the other was the first to find.
        for read in (lambda record: self._merge(record.found), self._read_record):
            for record in ledger.records:
                try:
                    read(record)
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    ledger.leave_out(record.trial_id, error)
        return ledger

    def _read_record(self, record: TrialRecord) -> None:
        if self._check_details is not None and record.status == trials.COMPLETED:
            self._check_details(record.details)
        require_in_space(record.values, self.hyperparameters.space, len(self._declared))
        self.trials[record.trial_id] = self._trial_of(record)

    def _require_folder_read(self) -> None:
        # For its refusals, or for what it says of the start-up.
        _ = self.ledger

    def _identity(self) -> dict[str, Any]:
        # Only what was declared at the start is compared. What a hypermodel's build adds by
        # itself is not known before it has been built, so it is only carried over.
        given = {} if self._given_startup is None else {"num_startup_trials": self._given_startup}
        return {
            "format": identity.FORMAT,
            "oracle": self.name,
            "objective": identity.describe_objective(self.objective),
            "further_objectives": [
                identity.describe_objective(each) for each in self.further_objectives
            ],
            "seed": self.seed,
            "space": self._declared,
            "settings": self.settings,
            **given,
        }

    def _write_identity(self) -> None:
        self._require_folder_read()
        path = self.folder / "search.json"
        if not path.exists():
            found = self.hyperparameters.get_config()["space"][len(self._declared) :]
            started = {"num_startup_trials": self._startup, "found": found}
            write_json(path, {**self._identity(), **started})

    def _grown(
        self, record: TrialRecord, offered: keras_tuner.HyperParameters
    ) -> tuple[Values, list[Any]]:
        size = len(self.hyperparameters.space)
        self.update_space(offered)
        found = self.hyperparameters.get_config()["space"][size:]
        known = {**offered.values, **record.values}
        values: Values = {}
        for each in self.hyperparameters.space:
            if each.name in known and is_active(each, values):
                values[each.name] = known[each.name]
        return values, record.found + found

    def _trial_of(self, record: TrialRecord) -> Trial:
        return tracking.trial_of(record, self.hyperparameters, self.objective)

    def _merge(self, configs: list[Any]) -> None:
        extra = keras_tuner.HyperParameters.from_config(
            {"space": identity.as_json(configs), "values": {}}
        )
        self.hyperparameters.merge(extra, overwrite=False)


def _refuse_workers() -> None:
    if os.environ.get("KERASTUNER_ORACLE_IP"):
        raise keras_tuner.errors.FatalValueError(
            "KERASTUNER_ORACLE_IP is set, but this search does not run as KerasTuner's chief and "
            "workers: a worker that dies leaves the others waiting for ever. Unset it; "
            "--executor=ray trains on several machines."
        )


def _require(least: int, **values: Any) -> None:
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number >= {least}. Received: {value!r}.")
