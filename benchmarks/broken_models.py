"""Models that look robust and are not, each made of a sound one.

Source: the three ways to hide a gradient of Athalye et al. 2018, Obfuscated Gradients Give a False
Sense of Security: shattered, stochastic, and (quantised) none at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from robmednas_tf.attacks.fgsm import SliceModel


@dataclass(frozen=True, eq=False)
class Broken:
    """A model that spoils its input first.

    Attributes:
        model: The sound one.
        spoil: What it does to the MR.
    """

    model: SliceModel
    spoil: Callable[[tf.Tensor], tf.Tensor]

    def __call__(self, mr: tf.Tensor, *, training: bool) -> tf.Tensor:
        """Predicts from the spoilt MR."""
        return self.model(self.spoil(mr), training=training)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The sound model's."""
        return self.model.input_shape

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """The sound model's."""
        return self.model.output_shape


def quantised(model: SliceModel) -> Broken:
    """Rounds the MR to steps of a quarter of its standard deviation: no gradient passes."""
    return Broken(model, lambda mr: tf.round(4 * mr) / 4)


def shattered(model: SliceModel) -> Broken:
    """Adds a ripple too small to see and so steep that the gradient follows it."""
    return Broken(model, lambda mr: mr + 0.01 * tf.sin(1000 * mr))


def stochastic(model: SliceModel) -> Broken:
    """Adds noise that is drawn anew in each prediction."""
    return Broken(model, lambda mr: mr + 0.1 * tf.random.normal(tf.shape(mr)))


BROKEN: Mapping[str, Callable[[SliceModel], Broken]] = {
    "quantised": quantised,
    "shattered": shattered,
    "stochastic": stochastic,
}
