"""Predictions clean and perturbed: all FGSM from one gradient, which comes with the clean ones.

Source: paper sections 2.1 and 2.7.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from robmednas_tf.attacks.fgsm import SliceModel, prediction_and_gradient
from robmednas_tf.attacks.notation import CLEAN, Perturbation
from robmednas_tf.attacks.precision import computing_in_float32


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network makes of one batch in one condition.

    Attributes:
        condition: `clean`, or the perturbation.
        mr: What the network saw, float32 `(batch, height, width, 1)`.
        synthetic_ct: Its prediction, like `mr`, normalised.
    """

    condition: str
    mr: tf.Tensor
    synthetic_ct: tf.Tensor


class PerturbedInference:
    """Predicts batches clean and under perturbations, in float32, in graphs traced once, here.

    The gradient is that of the clean batch, and comes from the clean prediction's forward pass:
    every FGSM, however large, costs one more forward pass alone.

    Args:
        model: From MR slices to normalised CT slices, of known height and width.
        perturbations: In the order in which they are wanted.
    """

    def __init__(self, model: SliceModel, perturbations: Sequence[Perturbation] = ()):
        self.perturbations = tuple(perturbations)
        self._needs_gradient = any(each.kind == "fgsm" for each in self.perturbations)
        # The graphs do not keep the model's weights alive.
        self._model = model
        specs = [tf.TensorSpec(shape) for shape in (model.input_shape, model.output_shape)]

        def predict(mr: tf.Tensor) -> tf.Tensor:
            with computing_in_float32(model):
                return model(mr, training=False)

        def explain(mr: tf.Tensor, ct: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            synthetic_ct, gradient = prediction_and_gradient(model, mr, ct)
            return synthetic_ct, tf.sign(gradient)

        self._predict = tf.function(predict).get_concrete_function(specs[0])
        if self._needs_gradient:
            self._explain = tf.function(explain).get_concrete_function(*specs)

    def __call__(
        self, mr: np.ndarray, ct: np.ndarray, noise: np.ndarray | None = None
    ) -> Iterator[Prediction]:
        """Predicts one batch, clean first, then under each perturbation.

        Args:
            mr: float32 `(batch, height, width, 1)`, z-scored.
            ct: Like `mr`, normalised as the model's output is.
            noise: Like `mr`, of standard deviation 1; what Gaussian noise is made from.

        Raises:
            ValueError: If Gaussian noise is wanted and `noise` is None.
        """
        mr, sign = tf.convert_to_tensor(mr), None
        if self._needs_gradient:
            clean, sign = self._explain(mr, tf.convert_to_tensor(ct))
        else:
            clean = self._predict(mr)
        yield Prediction(CLEAN, mr, clean)
        directions = {"fgsm": sign, "gaussian": noise}
        for each in self.perturbations:
            direction = directions[each.kind]
            if direction is None:
                raise ValueError("Gaussian noise must be given where it is to be added.")
            perturbed = mr + each.size * direction
            yield Prediction(str(each), perturbed, self._predict(perturbed))


def noise_of_slices(
    subject: str, first_slice: int, shape: tuple[int, int, int, int], seed: int
) -> np.ndarray:
    """Draws noise that belongs to a subject's slices, whatever the batch and the model.

    Args:
        subject: The subject's name.
        first_slice: Place of the batch's first slice among the subject's.
        shape: `(batch, height, width, 1)`.
        seed: One seed, one noise.

    Returns:
        float32 of that shape, of mean 0 and standard deviation 1.
    """
    key = zlib.crc32(subject.encode())
    generators = (
        np.random.default_rng((seed, key, first_slice + place)) for place in range(shape[0])
    )
    return np.stack([each.standard_normal(shape[1:], np.float32) for each in generators])
