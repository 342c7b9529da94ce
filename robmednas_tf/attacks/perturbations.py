"""Predictions clean and perturbed: attacks share the clean prediction, its gradient, the graphs.

Source: paper sections 2.1 and 2.7.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import tensorflow as tf

from robmednas_tf.attacks.attack import Slices, attacked
from robmednas_tf.attacks.fgsm import SliceModel
from robmednas_tf.attacks.kinds import ATTACK, WORST
from robmednas_tf.attacks.notation import CLEAN, Perturbation, rivals
from robmednas_tf.attacks.victim import Victim, losses

_NONE: Mapping[str, np.ndarray] = MappingProxyType({})


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

    The gradient at the clean batch comes from the clean prediction's forward pass, and every attack
    on the true CT takes its first step from it: an FGSM, however large, costs one more forward pass
    alone.

    Args:
        model: From MR slices to normalised CT slices, of known height and width.
        perturbations: In the order in which they are wanted.
    """

    def __init__(self, model: SliceModel, perturbations: Sequence[Perturbation] = ()):
        self.perturbations = tuple(perturbations)
        self._needs_gradient = any(map(_asks_for_gradient, self.perturbations))
        # The graphs do not keep the model's weights alive.
        self._model = model
        self._victim = Victim.traced(model, self._needs_gradient)
        self._searches: dict[Perturbation, Callable[[Slices], tf.Tensor]] = {
            each: _as_one_graph(each, self._victim)
            for each in self.perturbations
            if each.kind == "square"
        }

    def __call__(
        self,
        slices: Slices,
        given: Mapping[str, np.ndarray] = _NONE,
        wanted: Collection[str] | None = None,
    ) -> Iterator[Prediction]:
        """Predicts one batch, clean first, then under each perturbation.

        Args:
            slices: The batch.
            given: By condition, what the MR becomes where no attack on this model makes it: by
                chance, or by an attack on another model.
            wanted: Conditions that are wanted; all where it is None. The clean prediction always
                comes.

        Raises:
            ValueError: If a condition that must be given is not.
        """
        known = None
        if self._needs_gradient:
            known = self._victim.explain(slices.mr, slices.ct)
        clean = self._victim.predict(slices.mr) if known is None else known[0]
        yield Prediction(CLEAN, slices.mr, clean)
        worst = {
            each: _Worst(rivals(each, self.perturbations))
            for each in self.perturbations
            if each.table.made_by == WORST and (wanted is None or str(each) in wanted)
        }
        for each in self.perturbations:
            is_wanted = wanted is None or str(each) in wanted
            judges = [one for one in worst.values() if each in one.rivals]
            if each.table.made_by == WORST or not (is_wanted or judges):
                continue
            mr = self._perturbed(each, slices, known, given)
            prediction = Prediction(str(each), mr, self._victim.predict(mr))
            for judge in judges:
                judge.add(prediction, slices.ct)
            if is_wanted:
                yield prediction
        for each, judge in worst.items():
            yield judge.prediction(str(each))

    def attacked(self, attack: Perturbation, slices: Slices) -> tf.Tensor:
        """Returns slices under an attack on this model, for other models to be tried on."""
        return attacked(attack, self._victim, slices)

    def _perturbed(
        self,
        perturbation: Perturbation,
        slices: Slices,
        known: tuple[tf.Tensor, tf.Tensor] | None,
        given: Mapping[str, np.ndarray],
    ) -> tf.Tensor:
        if perturbation in self._searches:
            return self._searches[perturbation](slices)
        if perturbation.table.made_by == ATTACK:
            return attacked(perturbation, self._victim, slices, known)
        if str(perturbation) not in given:
            raise ValueError(
                f"What the MR becomes under {perturbation} must be given: no attack on this model "
                f"makes it. Received: {', '.join(given) or 'nothing'}."
            )
        return tf.convert_to_tensor(given[str(perturbation)])


class _Worst:
    """The worst of several predictions, slice by slice."""

    def __init__(self, among: tuple[Perturbation, ...]):
        self.rivals = among
        self._losses: tf.Tensor | None = None
        self._mr: tf.Tensor | None = None
        self._synthetic_ct: tf.Tensor | None = None

    def add(self, prediction: Prediction, ct: tf.Tensor) -> None:
        found = losses(ct, prediction.synthetic_ct)
        if self._losses is None:
            self._losses, self._mr = found, prediction.mr
            self._synthetic_ct = prediction.synthetic_ct
            return
        is_worse = (found > self._losses)[:, None, None, None]
        self._losses = tf.maximum(found, self._losses)
        self._mr = tf.where(is_worse, prediction.mr, self._mr)
        self._synthetic_ct = tf.where(is_worse, prediction.synthetic_ct, self._synthetic_ct)

    def prediction(self, condition: str) -> Prediction:
        return Prediction(condition, self._mr, self._synthetic_ct)


def _asks_for_gradient(perturbation: Perturbation) -> bool:
    return perturbation.table.made_by == ATTACK and perturbation.kind != "square"


def _as_one_graph(perturbation: Perturbation, victim: Victim) -> Callable[[Slices], tf.Tensor]:
    """Returns an attack of very many short steps as a graph, which calls the network's own."""

    def attack(mr: tf.Tensor, ct: tf.Tensor, seeds: tf.Tensor, body: tf.Tensor | None) -> tf.Tensor:
        return attacked(perturbation, victim, Slices(mr, ct, seeds, body))

    # The last batch of a volume is smaller: no graph of its own.
    graph = tf.function(attack, reduce_retracing=True)
    return lambda slices: graph(slices.mr, slices.ct, slices.seeds, slices.body)
