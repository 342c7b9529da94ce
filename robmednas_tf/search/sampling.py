"""Drawing configurations from a KerasTuner space, parents before the children they switch on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine import hyperparameters as kinds

Values = dict[str, Any]

MAX_PROPOSALS = 11
MAX_DRAWS = 300
MAX_COUNTED = 10_000


def random_stream(seed: int, number: int, salt: int) -> np.random.SeedSequence:
    """Returns the source of randomness of one trial's proposal.

    Streams of different seeds, trials or salts are independent: seeds that are neighbours share
    nothing.

    Args:
        seed: The search's seed, >= 0.
        number: The trial's number, >= 0.
        salt: Which of the proposals for this trial, >= 0.
    """
    return np.random.SeedSequence([seed, number, salt])


def walk(space: keras_tuner.HyperParameters, choose: Callable[[Any, int], Any]) -> Values:
    """Gives every active hyperparameter a value, and no other.

    Args:
        space: The search space, in which a condition's parent stands before its children.
        choose: Returns the value of a hyperparameter, given it and its place in the space.

    Returns:
        Values by name. Hyperparameters may share a name under different conditions: the first
        that is active counts.
    """
    values: Values = {}
    for place, hyperparameter in enumerate(space.space):
        if hyperparameter.name not in values and is_active(hyperparameter, values):
            values[hyperparameter.name] = choose(hyperparameter, place)
    return values


def is_active(hyperparameter: Any, values: Mapping[str, Any]) -> bool:
    """Tells whether `values` switch a hyperparameter on."""
    return all(condition.is_active(values) for condition in hyperparameter.conditions)


def random_values(
    space: keras_tuner.HyperParameters, seed: int, number: int, salt: int = 0
) -> Values:
    """Draws one configuration at random: the same for the same arguments, on every machine."""
    generator = np.random.default_rng(random_stream(seed, number, salt))
    return walk(space, lambda hyperparameter, _: hyperparameter.prob_to_value(generator.random()))


def configurations(space: keras_tuner.HyperParameters) -> Iterator[Values]:
    """Yields every configuration of a space once; none where the space is continuous."""
    if all(_choices(hyperparameter) is not None for hyperparameter in space.space):
        yield from _completions(space.space, {})


def untried(
    space: keras_tuner.HyperParameters,
    tried: Collection[str],
    propose: Callable[[int], tuple[Values, str]],
    seed: int,
    number: int,
) -> tuple[Values, str] | None:
    """Returns a configuration that was not tried before, or None where the space is exhausted.

    Args:
        space: The search space.
        tried: `key_of` every configuration that was tried.
        propose: Returns values and their source for a salt; asked again while it repeats itself.
        seed: The search's seed.
        number: Number of the trial to propose.

    Returns:
        Values and where they come from, "random" where the rule did nothing but repeat itself.
        Spaces of up to `MAX_COUNTED` configurations are counted through before they are given up.
    """
    draws = (
        (random_values(space, seed, number, salt), "random")
        for salt in range(MAX_PROPOSALS, MAX_PROPOSALS + MAX_DRAWS)
    )
    for values, source in itertools.chain(map(propose, range(MAX_PROPOSALS)), draws):
        if key_of(values) not in tried:
            return values, source
    counted = itertools.islice(configurations(space), MAX_COUNTED)
    left = [values for values in counted if key_of(values) not in tried]
    if not left:
        return None
    generator = np.random.default_rng(random_stream(seed, number, MAX_PROPOSALS + MAX_DRAWS))
    return left[generator.integers(len(left))], "random"


def key_of(values: Mapping[str, Any]) -> str:
    """Returns a text that equal configurations share, whatever the order of their values."""
    return json.dumps(values, sort_keys=True)


def require_in_space(values: Mapping[str, Any], space: Sequence[Any], num_needed: int) -> None:
    """Refuses values that a space cannot have given.

    Args:
        values: By name.
        space: The hyperparameters, parents before their children.
        num_needed: How many of them, from the first, must have a value where they are active.

    Raises:
        ValueError: If a value is missing, or is none of its hyperparameter's.
    """
    seen = set()
    for place, hyperparameter in enumerate(space):
        name = hyperparameter.name
        if name in seen or not is_active(hyperparameter, values):
            continue
        if name in values:
            seen.add(name)
            listed = isinstance(hyperparameter, (kinds.Choice, kinds.Boolean))
            # As text: 1 is not True.
            if listed and repr(values[name]) not in map(repr, hyperparameter.values):
                raise ValueError(f"its {name} cannot be {values[name]!r}.")
        elif place < num_needed:
            raise ValueError(f"it has no value of {name}.")


def _completions(hyperparameters: Sequence[Any], values: Values) -> Iterator[Values]:
    for place, hyperparameter in enumerate(hyperparameters):
        if hyperparameter.name not in values and is_active(hyperparameter, values):
            for value in _choices(hyperparameter) or ():
                yield from _completions(
                    hyperparameters[place + 1 :], {**values, hyperparameter.name: value}
                )
            return
    yield values


def _choices(hyperparameter: Any) -> Sequence[Any] | None:
    if isinstance(hyperparameter, (kinds.Int, kinds.Float)) and hyperparameter.step is None:
        # KerasTuner's own `values` are ten samples here, not all there are.
        if isinstance(hyperparameter, kinds.Float):
            return None
        return range(hyperparameter.min_value, hyperparameter.max_value + 1)
    kind = int if isinstance(hyperparameter, kinds.Int) else _itself
    return list(dict.fromkeys(kind(value) for value in hyperparameter.values))


def _itself(value: Any) -> Any:
    return value
