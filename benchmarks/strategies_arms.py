"""The strategies of `strategies.py`, each as its user would run it, but for the training."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import keras_tuner
import optuna
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial as KerasTunerTrial

from robmednas_tf.search.oracles import ORACLES
from robmednas_tf.search.quiet import quiet_optuna
from robmednas_tf.search.sampling import Values, random_values, walk
from robmednas_tf.search.trials import COMPLETED, TrialRecord, id_of, write_trial

Space: TypeAlias = keras_tuner.HyperParameters
Score = Callable[[Values], float]
_NONE: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Took:
    """How long a step took, in seconds.

    Attributes:
        clock: By the clock on the wall, waiting for other processes and the disk included.
        processor: Processor time of this process.
    """

    clock: float
    processor: float


@dataclass(frozen=True)
class Trial:
    """One trial of a strategy.

    Attributes:
        values: What was proposed.
        score: What came back.
        suggestion: Until the values were there.
        record: From the score until the next trial may be asked for.
    """

    values: Values
    score: float
    suggestion: Took
    record: Took


def project(name: str, space: Space, seed: int, num_trials: int, score: Score) -> Iterator[Trial]:
    """Runs one of this project's oracles, in a folder that is deleted afterwards."""
    oracle = ORACLES[name](_objective(), num_trials, space, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        yield from _trials_of(oracle, Path(folder), num_trials, score)


def keras_tuner_bayesian(space: Space, seed: int, num_trials: int, score: Score) -> Iterator[Trial]:
    """Runs KerasTuner's own Bayesian oracle, with its defaults; needs scikit-learn."""
    oracle = _keras_tuner_oracle(space, seed, num_trials)
    with tempfile.TemporaryDirectory() as folder:
        yield from _trials_of(oracle, Path(folder), num_trials, score)


def plain_optuna(space: Space, seed: int, num_trials: int, score: Score) -> Iterator[Trial]:
    """Runs Optuna with its defaults over the same conditional space."""
    yield from _studied(_study(seed), space, num_trials, score)


STRATEGIES: Mapping[str, Callable[[Space, int, int, Score], Iterator[Trial]]] = {
    "bayesian": lambda *given: project("bayesian", *given),
    "random": lambda *given: project("random", *given),
    "optuna": plain_optuna,
    "kerastuner": keras_tuner_bayesian,
}


def after_history(name: str, space: Space, history: int, count: int, score: Score) -> list[Trial]:
    """Returns trials that follow on a history of random ones.

    Args:
        name: Key of `STRATEGIES`.
        space: The search space.
        history: How many random trials were completed before.
        count: How many trials to return; one before them warms up, and is left out.
        score: Of values.
    """
    drawn = [random_values(space, 0, number) for number in range(history)]
    scored = [(values, score(values)) for values in drawn]
    if name == "optuna":
        study = _study(0)
        study.add_trials([_finished(space, *each) for each in scored])
        return list(_studied(study, space, 1 + count, score))[1:]
    with tempfile.TemporaryDirectory() as folder:
        if name == "kerastuner":
            oracle = _keras_tuner_oracle(space, 0, history + 1 + count)
            trials = {id_of(n): _ended(space, id_of(n), *each) for n, each in enumerate(scored)}
        else:
            oracle, trials = ORACLES[name](_objective(), history + 1 + count, space), {}
            for number, (values, found) in enumerate(scored):
                record = TrialRecord(id_of(number), number, COMPLETED, 1, "startup", values, found)
                write_trial(Path(folder) / "search", record)
        return list(_trials_of(oracle, Path(folder), 1 + count, score, trials))[1:]


def _trials_of(
    oracle: Any, folder: Path, num_trials: int, score: Score, history: Mapping[str, Any] = _NONE
) -> Iterator[Trial]:
    oracle.verbose = 0
    # A tuner tells its oracle where to keep its files.
    BaseTuner(oracle, directory=str(folder), project_name="search")
    oracle.trials.update(history)
    for _ in range(num_trials):
        began = _now()
        trial = oracle.create_trial("tuner0")
        suggestion = _since(began)
        if trial.status != "RUNNING":
            raise RuntimeError(f"A search of {num_trials} trials ended early: {trial.status}.")
        found = score(trial.hyperparameters.values)
        began = _now()
        oracle.update_trial(trial.trial_id, {"score": found})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        yield Trial(dict(trial.hyperparameters.values), found, suggestion, _since(began))


def _studied(study: optuna.Study, space: Space, num_trials: int, score: Score) -> Iterator[Trial]:
    for _ in range(num_trials):
        began = _now()
        trial = study.ask()
        values = walk(space, functools.partial(_suggested, trial))
        suggestion = _since(began)
        found = score(values)
        began = _now()
        study.tell(trial, found)
        yield Trial(values, found, suggestion, _since(began))


def _suggested(trial: optuna.Trial, hyperparameter: Any, place: int) -> Any:
    return trial.suggest_categorical(hyperparameter.name, hyperparameter.values)


def _finished(space: Space, values: Values, score: float) -> optuna.trial.FrozenTrial:
    choices = {each.name: tuple(each.values) for each in space.space}
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(choices[name]) for name in values
    }
    return optuna.trial.create_trial(value=score, params=values, distributions=distributions)


def _ended(space: Space, trial_id: str, values: Values, score: float) -> KerasTunerTrial:
    trial = KerasTunerTrial(space.copy(), trial_id, COMPLETED)
    trial.hyperparameters.values, trial.score = values, score
    return trial


def _study(seed: int) -> optuna.Study:
    with quiet_optuna():
        return optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed)
        )


def _keras_tuner_oracle(space: Space, seed: int, num_trials: int) -> Any:
    # To the oracle a seed of 0 is none.
    return keras_tuner.oracles.BayesianOptimizationOracle(
        _objective(), num_trials, seed=seed + 1, hyperparameters=space.copy()
    )


def _objective() -> keras_tuner.Objective:
    return keras_tuner.Objective("score", "max")


def _now() -> Took:
    return Took(time.perf_counter(), time.process_time())


def _since(began: Took) -> Took:
    now = _now()
    return Took(now.clock - began.clock, now.processor - began.processor)
