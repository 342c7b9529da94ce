"""The operations of the networks in `accelerated_networks.py`, fast for many networks at once."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

# By layer, as `robmednas_tf.models.blocks` names them: its kernel and its bias.
Weights = Mapping[str, Mapping[str, np.ndarray]]

_HIGHEST = jax.lax.Precision.HIGHEST
# Rows of a piece; see `product`.
_PIECE = 512


def convolve(
    weights: Weights, name: str, x: jax.Array, stride: int = 1, activation=jax.nn.relu
) -> jax.Array:
    """Convolves with zero padding, as one matrix product over the kernel's patches."""
    kernel, bias = weights[name]["kernel"], weights[name]["bias"]
    size, batch, (rows, columns) = kernel.shape[0], x.shape[0], x.shape[1:3]
    if size > 1:
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [
        x[:, top : top + rows : stride, left : left + columns : stride]
        for top in range(size)
        for left in range(size)
    ]
    patches = jnp.concatenate(shifted, axis=-1) if size > 1 else x
    flat = patches.reshape(-1, patches.shape[-1])
    out = product(flat, kernel.reshape(flat.shape[-1], -1))
    return activation(out.reshape(batch, rows // stride, columns // stride, -1) + bias)


@jax.custom_vjp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiplies matrices in float32, fast backwards too.

    A kernel's gradient is a small matrix from products of very long ones, which few of a GPU's
    processors would work at: it is added up from pieces.
    """
    return jnp.dot(x, kernel, precision=_HIGHEST)


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return product(x, kernel), (x, kernel)


def _backward(
    given: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = given
    length = math.gcd(len(x), _PIECE)
    pieces = (each.reshape(-1, length, each.shape[-1]) for each in (x, gradient))
    of_kernel = jnp.einsum("nmi,nmo->nio", *pieces, precision=_HIGHEST).sum(axis=0)
    return jnp.dot(gradient, kernel.T, precision=_HIGHEST), of_kernel


product.defvjp(_forward, _backward)


def upsampled(x: jax.Array) -> jax.Array:
    """Doubles the grid by repeating every pixel."""
    batch, rows, columns, channels = x.shape
    wide = jnp.broadcast_to(x[:, :, None, :, None], (batch, rows, 2, columns, 2, channels))
    return wide.reshape(batch, 2 * rows, 2 * columns, channels)


_OFFSETS = tuple((top, left) for top in range(3) for left in range(3))


@jax.custom_vjp
def pooled(x: jax.Array) -> jax.Array:
    """Takes the largest of 3 x 3; among equal ones the first gets the gradient, as in Keras."""
    return _largest(x)[0]


def _largest(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows, columns = x.shape[1:3]
    padding = ((0, 0), (1, 1), (1, 1), (0, 0))
    wide = jnp.pad(x, padding, constant_values=-jnp.inf)
    shifted = [wide[:, top : top + rows, left : left + columns] for top, left in _OFFSETS]
    largest = functools.reduce(jnp.maximum, shifted)
    place = jnp.full(x.shape, len(_OFFSETS), jnp.uint8)
    for number, each in reversed(list(enumerate(shifted))):
        place = jnp.where(each == largest, jnp.uint8(number), place)
    return largest, place


def _scattered(place: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    rows, columns = gradient.shape[1:3]
    total = jnp.zeros_like(gradient)
    for number, (top, left) in enumerate(_OFFSETS):
        part = jnp.where(place == number, gradient, 0.0)
        # A window's element at an offset from its corner, seen from that element.
        wide = jnp.pad(part, ((0, 0), (1, 1), (1, 1), (0, 0)))
        total += wide[:, 2 - top : 2 - top + rows, 2 - left : 2 - left + columns]
    return (total,)


pooled.defvjp(_largest, _scattered)
