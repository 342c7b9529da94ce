"""Between KerasTuner's trials, with their metric trackers, and records with plain numbers."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from robmednas_tf.search.trials import PRUNED, TrialRecord

# KerasTuner knows no trial that ended before its end; to it this one is none that completed.
STATUS_OF_PRUNED = TrialStatus.STOPPED


def trial_of(record: TrialRecord, space: keras_tuner.HyperParameters, objective: Any) -> Trial:
    """Returns a record as KerasTuner's kind of trial, with its values in a copy of `space`."""
    hyperparameters = space.copy()
    hyperparameters.values = dict(record.values)
    status = STATUS_OF_PRUNED if record.status == PRUNED else record.status
    trial = Trial(hyperparameters, record.trial_id, status, record.message)
    observe(trial, record.metrics, record.best_step, objective)
    trial.score, trial.best_step = record.score, record.best_step
    return trial


def observe(trial: Trial, metrics: Mapping[str, float], step: int, objective: Any) -> None:
    """Adds metrics of one step to a trial's tracker."""
    with quiet_about_nan():
        for name, value in metrics.items():
            if not trial.metrics.exists(name):
                trial.metrics.register(name, direction=_direction(objective, name))
            trial.metrics.update(name, value, step=step)


def metrics_at(trial: Trial, step: int | None) -> dict[str, float]:
    """Returns every metric at `step`, or its last value where it was not reported then."""
    values = {}
    for name in trial.metrics.metrics:
        history = trial.metrics.get_history(name)
        at_step = next((each for each in history if each.step == step), history[-1])
        values[name] = float(at_step.mean())
    return values


@contextlib.contextmanager
def quiet_about_nan() -> Iterator[None]:
    """Silences NumPy's warning where all values of a metric are NaN, as when training diverges."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN (axis|slice)", RuntimeWarning)
        yield


def _direction(objective: Any, name: str) -> str | None:
    return objective.direction if objective.name == name else None
