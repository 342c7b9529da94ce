"""What an attack knows of a network: its prediction, and perhaps its gradient.

An attack is written once, over these two functions: they are graphs traced once where slices are
scored, and parts of the training's own graph where a network is trained on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from robmednas_tf.attacks.fgsm import Model, SliceModel, prediction_and_gradient
from robmednas_tf.attacks.precision import computing_in_float32


@dataclass(frozen=True, eq=False)
class Victim:
    """A network under attack, in float32 and in inference mode.

    Attributes:
        predict: From MR slices, float32 `(batch, height, width, 1)` and z-scored, to normalised CT
            slices.
        explain: From MR slices and the CT that they are compared with to the prediction and the
            gradient by the MR of each slice's mean squared error, as `prediction_and_gradient`.
    """

    predict: Callable[[tf.Tensor], tf.Tensor]
    explain: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

    @classmethod
    def of(cls, model: Model) -> Victim:
        """Returns a model to be attacked by plain calls, or inside a graph."""

        def predict(mr: tf.Tensor) -> tf.Tensor:
            with computing_in_float32(model):
                return model(mr, training=False)

        def explain(mr: tf.Tensor, ct: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return prediction_and_gradient(model, mr, ct)

        return cls(predict, explain)

    @classmethod
    def traced(cls, model: SliceModel, with_gradient: bool = True) -> Victim:
        """Returns a model to be attacked through graphs that are traced once, here.

        Args:
            model: Of known height and width. The graphs do not keep its weights alive.
            with_gradient: Whether `explain` will be called.
        """
        plain = cls.of(model)
        specs = [tf.TensorSpec(shape) for shape in (model.input_shape, model.output_shape)]
        predict = tf.function(plain.predict).get_concrete_function(specs[0])
        if not with_gradient:
            return cls(predict, plain.explain)
        return cls(predict, tf.function(plain.explain).get_concrete_function(*specs))


def losses(ct: tf.Tensor, synthetic_ct: tf.Tensor) -> tf.Tensor:
    """Returns each slice's mean squared error, `(batch,)`; both are normalised."""
    return tf.reduce_mean(tf.square(ct - synthetic_ct), axis=(1, 2, 3))
