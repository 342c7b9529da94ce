"""Proposals by Optuna's tree-structured Parzen estimator, as a pure function of the history.

Source: paper section 2.2 (TPE); Bergstra et al. 2011. Multivariate and grouped, so that choices
which only work together are modelled together, and conditional ones among their like. With several
objectives the good trials are those of the first Pareto fronts (Ozaki et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras_tuner
from keras_tuner.engine import hyperparameters as kinds

from robmednas_tf.search.front import optuna_directions, values_of
from robmednas_tf.search.pruning import rungs_in
from robmednas_tf.search.quiet import quiet_optuna
from robmednas_tf.search.sampling import Values, random_stream, walk
from robmednas_tf.search.trials import COMPLETED, FAILED, PRUNED, RUNNING, TrialRecord

if TYPE_CHECKING:
    import optuna

# KerasTuner maps [0, 1) to values; Optuna's intervals are closed.
_LARGEST_SHARE = 1.0 - 2.0**-32


def tpe_values(
    space: keras_tuner.HyperParameters,
    history: Sequence[TrialRecord],
    direction: str,
    num_startup_trials: int,
    seed: int,
    number: int,
    salt: int = 0,
    further_objectives: Sequence[keras_tuner.Objective] = (),
) -> Values:
    """Proposes a configuration: the same for the same arguments.

    Args:
        space: The search space.
        history: Trials so far, by number. Those that run are taken for bad ones, so that they are
            not proposed again; failed ones teach nothing. Those that were stopped come after the
            completed ones, by their last rung, then by their score there.
        direction: "min" or "max", the score's.
        num_startup_trials: Scored trials below which the proposal is random.
        seed: The search's seed, >= 0.
        number: Number of the trial to propose.
        salt: Which of the proposals for this trial.
        further_objectives: What is optimised besides the score.

    Returns:
        Values of the active hyperparameters.
    """
    # Only this rule needs Optuna.
    import optuna

    sampler_seed = int(random_stream(seed, number, salt).generate_state(1)[0])
    with quiet_optuna():
        study = optuna.create_study(
            directions=optuna_directions(
                [direction, *(each.direction for each in further_objectives)]
            ),
            sampler=optuna.samplers.TPESampler(
                multivariate=True,
                group=True,
                constant_liar=True,
                n_startup_trials=num_startup_trials,
                seed=sampler_seed,
            ),
        )
        distributions = [_distribution(hyperparameter) for hyperparameter in space.space]
        names = [each.name for each in further_objectives]
        study.add_trials([_frozen(space, distributions, record, names) for record in history])
        trial = study.ask()
        return walk(space, lambda each, place: _suggested(trial, each, place))


def _suggested(trial: optuna.Trial, hyperparameter: Any, place: int) -> Any:
    name = _name(hyperparameter, place)
    if _is_fixed(hyperparameter):
        return hyperparameter.default
    if _is_categorical(hyperparameter):
        return trial.suggest_categorical(name, tuple(hyperparameter.values))
    return hyperparameter.prob_to_value(trial.suggest_float(name, 0.0, _LARGEST_SHARE))


def _frozen(
    space: keras_tuner.HyperParameters,
    distributions: Sequence[optuna.distributions.BaseDistribution | None],
    record: TrialRecord,
    further_names: Sequence[str],
) -> optuna.trial.FrozenTrial:
    import optuna

    from robmednas_tf.search.past_trials import past_trial

    params: dict[str, Any] = {}
    domains: dict[str, Any] = {}

    def take(hyperparameter: Any, place: int) -> Any:
        value = record.values.get(hyperparameter.name)
        # A trial may be older than a hyperparameter that a later build asked for.
        if value is not None and distributions[place] is not None:
            name = _name(hyperparameter, place)
            domains[name] = distributions[place]
            params[name] = (
                value if _is_categorical(hyperparameter) else _share(hyperparameter, value)
            )
        return value

    walk(space, take)
    states = optuna.trial.TrialState
    state = {
        COMPLETED: states.COMPLETE,
        RUNNING: states.RUNNING,
        FAILED: states.FAIL,
        PRUNED: states.PRUNED,
    }
    values = None
    if record.status == COMPLETED and record.score is not None:
        values = [record.score, *values_of(record, further_names)]
    return past_trial(
        state=state[record.status],
        values=values,
        intermediate_values={rung.epoch: rung.score for rung in rungs_in(record)},
        params=params,
        distributions=domains,
    )


def _distribution(hyperparameter: Any) -> optuna.distributions.BaseDistribution | None:
    import optuna

    if _is_fixed(hyperparameter):
        return None
    if _is_categorical(hyperparameter):
        return optuna.distributions.CategoricalDistribution(tuple(hyperparameter.values))
    # KerasTuner's own unit scale already holds log, reverse log and step.
    return optuna.distributions.FloatDistribution(0.0, _LARGEST_SHARE)


def _is_categorical(hyperparameter: Any) -> bool:
    return isinstance(hyperparameter, (kinds.Choice, kinds.Boolean))


def _is_fixed(hyperparameter: Any) -> bool:
    return isinstance(hyperparameter, kinds.Fixed)


def _share(hyperparameter: Any, value: Any) -> float:
    return min(max(float(hyperparameter.value_to_prob(value)), 0.0), _LARGEST_SHARE)


def _name(hyperparameter: Any, place: int) -> str:
    # Names may repeat under different conditions, with other choices; places do not.
    return f"{place}/{hyperparameter.name}"
