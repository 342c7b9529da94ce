"""Trainings of many networks at once in JAX, as `scores_training.py` does one: see there why.

Every function here is of one network; `Programs` makes them those of a batch of networks in the
shapes of one envelope, compiled once. The optimizer is `FlatAdam`'s, the choice of the epoch
`BestEpoch`'s, the attack that of `robmednas_tf.attacks`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from typing import Any

import accelerated_networks as networks
import jax
import jax.numpy as jnp
import numpy as np
from accelerated_scoring import BATCH_SIZE, Slices, attack, score

from robmednas_tf.models.architecture import Architecture

# Running averages of the weights, each with a best epoch of its own; 0 is the weights themselves.
DECAYS = (0.96, 0.9, 0.0, 0.98)
PATIENCE = 5
_BETA_1, _BETA_2, _SMALL = 0.9, 0.999, 1e-7

State = dict[str, Any]


def begin(weights: networks.Weights) -> State:
    """Returns the state of a training that has not begun."""
    zeros = jax.tree.map(jnp.zeros_like, weights)
    copies = jax.tree.map(lambda each: jnp.stack([each] * len(DECAYS)), weights)
    losses = jnp.full(len(DECAYS), jnp.inf)
    best = {"weights": copies, "loss": losses, "epoch": jnp.zeros(len(DECAYS), jnp.int32)}
    return {
        "weights": weights,
        "moments": (zeros, zeros, zeros),
        "averages": copies,
        "step": jnp.int32(0),
        "epoch": jnp.int32(0),
        # Of all epochs so far, and of those until patience is at its end.
        "best": best,
        "end": best,
        "is_over": jnp.zeros(len(DECAYS), bool),
    }


def slice_errors(
    envelope: Architecture, weights: networks.Weights, gates: networks.Gates, slices: Slices
) -> jax.Array:
    """Returns each slice's mean squared error, `(batch,)`."""
    mr, ct = slices
    return jnp.square(ct - networks.predict(envelope, weights, gates, mr)).mean(axis=(1, 2, 3))


def step(
    envelope: Architecture, state: State, gates: networks.Gates, slices: Slices, rate: jax.Array
) -> tuple[State, jax.Array]:
    """Trains on one batch; returns the new state and the loss."""

    def loss_of(weights: networks.Weights) -> jax.Array:
        return slice_errors(envelope, weights, gates, slices).mean()

    loss, gradient = jax.value_and_grad(loss_of)(state["weights"])
    mean, square, largest = state["moments"]
    number = (state["step"] + 1).astype(jnp.float32)
    mean = jax.tree.map(lambda old, g: old + (g - old) * (1 - _BETA_1), mean, gradient)
    square = jax.tree.map(lambda old, g: old + (g**2 - old) * (1 - _BETA_2), square, gradient)
    largest = jax.tree.map(jnp.maximum, largest, square)
    scale = rate * jnp.sqrt(1 - _BETA_2**number) / (1 - _BETA_1**number)
    weights = jax.tree.map(
        lambda old, m, v: old - scale * m / (jnp.sqrt(v) + _SMALL),
        state["weights"],
        mean,
        largest,
    )
    # As in Keras, an average begins as the weights after the first step.
    shares = jnp.where(number > 1, 1 - jnp.array(DECAYS, jnp.float32), 1.0)
    averages = jax.tree.map(
        lambda old, new: old + (new - old) * shares.reshape(-1, *[1] * new.ndim),
        state["averages"],
        weights,
    )
    new = {"weights": weights, "moments": (mean, square, largest), "averages": averages}
    return {**state, **new, "step": state["step"] + 1}, loss


def epoch(
    envelope: Architecture,
    state: State,
    gates: networks.Gates,
    orders: jax.Array,
    rates: jax.Array,
    data: tuple[Slices, Slices],
) -> tuple[State, jax.Array, jax.Array]:
    """Trains for one epoch and validates each average.

    Args:
        envelope: In whose shapes the network is.
        state: As from `begin`.
        gates: The network's.
        orders: int `(steps, batch)`: places of the training slices.
        rates: float32 `(steps,)`: Adam's step size.
        data: Slices of training and of validation.

    Returns:
        The state, each step's loss, and each average's validation loss.
    """
    train, validation = data

    def one(state: State, each: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array]:
        order, rate = each
        return step(envelope, state, gates, (train[0][order], train[1][order]), rate)

    state, losses = jax.lax.scan(one, state, (orders, rates))
    parts = jax.tree.map(lambda each: each.reshape(-1, BATCH_SIZE, *each.shape[1:]), validation)
    found = jax.vmap(
        lambda weights: jax.lax.map(
            functools.partial(slice_errors, envelope, weights, gates), parts
        ).mean()
    )(state["averages"])
    return chosen(state, found), losses, found


def chosen(state: State, found: jax.Array) -> State:
    """Keeps each average's weights where an epoch's validation losses are the lowest so far."""
    best = _better(state, state["best"], found, jnp.ones(len(DECAYS), bool))
    end = _better(state, state["end"], found, ~state["is_over"])
    is_over = state["is_over"] | (state["epoch"] - end["epoch"] >= PATIENCE)
    return {**state, "best": best, "end": end, "is_over": is_over, "epoch": state["epoch"] + 1}


def _better(state: State, best: State, found: jax.Array, open_: jax.Array) -> State:
    takes = (found < best["loss"]) & open_

    def taken(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(takes.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return {
        "weights": jax.tree.map(taken, state["averages"], best["weights"]),
        "loss": taken(found, best["loss"]),
        "epoch": taken(jnp.full(len(DECAYS), state["epoch"]), best["epoch"]),
    }


class Programs:
    """The functions of one envelope for batches of networks, compiled in a pool of threads.

    Args:
        pool: Of the threads.
        envelope: In whose shapes the networks are.
        num_networks: Of a batch.
        data: Slices of training and of validation.
        subject: One that scores; all have as many slices.
    """

    def __init__(
        self,
        pool: Executor,
        envelope: Architecture,
        num_networks: int,
        data: tuple[Slices, Slices],
        subject: Slices,
    ):
        self.envelope = envelope
        weights = _many(num_networks, networks.initial_weights(envelope, "he_normal", 0, 0.0))
        gates = _many(num_networks, networks.gates_in(envelope, envelope))
        state = jax.eval_shape(jax.vmap(begin), weights)
        num_steps = len(data[0][0]) // BATCH_SIZE
        orders = jax.ShapeDtypeStruct((num_networks, num_steps, BATCH_SIZE), jnp.int32)
        rates = jax.ShapeDtypeStruct((num_networks, num_steps), jnp.float32)
        data, subject = jax.tree.map(_shape, (data, subject))
        scored = (state["averages"], jax.ShapeDtypeStruct((), jnp.int32), gates, subject)

        def submitted(function: Any, axes: Any, arguments: tuple, **options: Any) -> Future:
            program = jax.jit(jax.vmap(function, in_axes=axes), **options)
            return pool.submit(lambda: program.lower(*arguments).compile())

        def of(function: Any) -> Any:
            return functools.partial(function, envelope)

        # A state's memory is used again for the next one.
        trains = (state, gates, orders, rates, data)
        self._begin = submitted(begin, 0, (weights,))
        self._epoch = submitted(of(epoch), (0, 0, 0, 0, None), trains, donate_argnums=0)
        self._score = submitted(of(score), (0, None, 0, None), scored)
        self._attack = submitted(of(attack), (0, None, 0, None), scored)

    def wait(self) -> None:
        """Waits until all are compiled."""
        for each in (self._begin, self._epoch, self._score, self._attack):
            each.result()

    def begin(self, weights: networks.Weights) -> State:
        """Calls `begin`, as all that follow call the function of their name."""
        return self._begin.result()(weights)

    def epoch(self, *arguments: Any) -> tuple[State, jax.Array, jax.Array]:
        """Takes a state, gates, orders, rates and data; the state cannot be used again."""
        return self._epoch.result()(*arguments)

    def score(self, *arguments: Any) -> jax.Array:
        """Takes copies of the weights, the place of one, gates and a subject."""
        return self._score.result()(*arguments)

    def attack(self, *arguments: Any) -> tuple[jax.Array, jax.Array]:
        """Takes what `score` takes."""
        return self._attack.result()(*arguments)


def _many(num_networks: int, tree: Mapping[str, Any]) -> Any:
    return jax.tree.map(
        lambda each: jax.ShapeDtypeStruct((num_networks, *np.shape(each)), jnp.float32), tree
    )


def _shape(each: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(np.shape(each), jnp.float32)
