"""What the checks measure of one model, each attack made once.

A probe holds some slices and how much each perturbation raises their error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import tensorflow as tf

from robmednas_tf.attacks.attack import Slices, attacked
from robmednas_tf.attacks.ball import Ball
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.attacks.victim import Victim, losses

NUM_STEPS = 20
_NUM_SIGNS, _NUM_RUNS = 20, 5


@dataclass(eq=False)
class Probe:
    """A model on some slices, in batches of one size.

    Attributes:
        victim: The model.
        batches: Clean slices.
        epsilon: L-infinity size of the attacks, in z-score units, > 0.
        others: Other models of the same input, by name; attacks on them are tried on this one.
    """

    victim: Victim
    batches: Sequence[Slices]
    epsilon: float
    others: Mapping[str, Victim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._harm: dict[str, np.ndarray] = {}

    def harm(self, text: str) -> np.ndarray:
        """Returns by how much an attack on the model raises each slice's error.

        Args:
            text: The attack in short notation; `{}` stands for epsilon.

        Returns:
            float64, a value a slice.
        """
        text = text.format(f"{self.epsilon:.12g}")
        if text not in self._harm:
            attack = Perturbation.parse(text)
            self._harm[text] = self._raised(
                [
                    attacked(attack, self.victim, batch, known)
                    for batch, known in zip(self.batches, self._explained, strict=True)
                ]
            )
        return self._harm[text]

    @cached_property
    def best_harm(self) -> np.ndarray:
        """By how much the strongest attack that knows the gradient raises each slice's error."""
        texts = ("fgsm:{}", "pgd:{}:steps=40", "apgd:{}:steps=40")
        return np.max([self.harm(text) for text in texts], axis=0)

    @cached_property
    def transferred_harm(self) -> dict[str, np.ndarray]:
        """By how much PGD on each other model raises each slice's error under this one."""
        attack = Perturbation("pgd", self.epsilon)
        return {
            name: self._raised([attacked(attack, other, batch) for batch in self.batches])
            for name, other in self.others.items()
        }

    @cached_property
    def random_harm(self) -> np.ndarray:
        """By how much the worst of some random sign images raises each slice's error."""
        found = []
        for number in range(_NUM_SIGNS):
            moved = [
                batch.mr + self.epsilon * tf.sign(self._random(batch, number))
                for batch in self.batches
            ]
            found.append(self._raised(moved))
        return np.max(found, axis=0)

    @cached_property
    def gradients(self) -> np.ndarray:
        """The gradient of each slice's error at the slice, flat."""
        return self._flat([gradient for _, gradient in self._explained])

    @cached_property
    def gradients_nearby(self) -> np.ndarray:
        """The gradient of each slice's error at a random point of the ball, flat."""
        return self._flat(
            [
                self.victim.explain(batch.mr + self._random(batch, 0), batch.ct)[1]
                for batch in self.batches
            ]
        )

    @cached_property
    def spread_of_runs(self) -> float:
        """The largest difference between predictions of a slice, relative to its largest value."""
        worst = 0.0
        for batch in self.batches:
            runs = np.stack([self.victim.predict(batch.mr) for _ in range(_NUM_RUNS)])
            # A model on several threads may sum in another order.
            scale = np.abs(runs).max(axis=(0, 2, 3, 4))
            spread = np.ptp(runs, axis=0).max(axis=(1, 2, 3))
            worst = max(worst, float(np.max(spread / np.maximum(scale, 1e-12))))
        return worst

    def predictions(self, text: str) -> list[np.ndarray]:
        """Returns the model's predictions under an attack on it, a batch each; see `harm`."""
        attack = Perturbation.parse(text.format(f"{self.epsilon:.12g}"))
        return [
            np.asarray(self.victim.predict(attacked(attack, self.victim, batch, known)))
            for batch, known in zip(self.batches, self._explained, strict=True)
        ]

    @cached_property
    def _explained(self) -> list[tuple[tf.Tensor, tf.Tensor]]:
        return [self.victim.explain(batch.mr, batch.ct) for batch in self.batches]

    @cached_property
    def _clean(self) -> np.ndarray:
        found = [
            losses(batch.ct, synthetic_ct)
            for batch, (synthetic_ct, _) in zip(self.batches, self._explained, strict=True)
        ]
        return np.concatenate(found).astype(np.float64)

    def _raised(self, moved: Sequence[tf.Tensor]) -> np.ndarray:
        found = [
            losses(batch.ct, self.victim.predict(mr))
            for batch, mr in zip(self.batches, moved, strict=True)
        ]
        return np.concatenate(found) - self._clean

    def _random(self, batch: Slices, number: int) -> tf.Tensor:
        return Ball(self.epsilon).random(batch.seeds + number, batch.mr.shape[1:])

    def _flat(self, gradients: Sequence[tf.Tensor]) -> np.ndarray:
        whole = np.concatenate(gradients).astype(np.float64)
        return whole.reshape(len(whole), -1)
