"""Whether adversarial training still learns what it is meant to, epoch by epoch.

A network that is trained on FGSM may learn to hide from FGSM alone: its gradients turn useless, PGD
does many times the harm of FGSM, and the gradients at a slice and near it have nothing in common.

Source: Wong, Rice and Kolter 2020, Fast is better than free (catastrophic overfitting);
Andriushchenko and Flammarion 2020, Understanding and Improving Fast Adversarial Training
(gradient alignment).
"""

from __future__ import annotations

from collections.abc import Sequence

from robmednas_tf.attacks.fgsm import SliceModel
from robmednas_tf.attacks.victim import Victim
from robmednas_tf.checks.examine import alignment, ratio
from robmednas_tf.checks.probe import Probe
from robmednas_tf.checks.sample import places_to_check, read_sample
from robmednas_tf.data.prepared import PreparedSubject

# Names in an epoch's logs.
PGD_OVER_FGSM, ALIGNMENT = "val_pgd_over_fgsm", "val_gradient_alignment"
# Few: an epoch of few steps is not to take much longer for it.
_NUM_SLICES = 4


class OverfittingWatch:
    """What an epoch of adversarial training logs of its network's gradients.

    Args:
        model: In training; looked at with the weights it has when this is called.
        subjects: The validation subjects; a few of their slices are used.
        epsilon: L-infinity size of the attacks, in z-score units, > 0.
    """

    def __init__(self, model: SliceModel, subjects: Sequence[PreparedSubject], epsilon: float):
        self._victim, self._epsilon = Victim.traced(model), epsilon
        self._batches = read_sample(places_to_check(subjects, _NUM_SLICES), _NUM_SLICES, 0)

    def __call__(self) -> dict[str, float]:
        """Returns the harm of PGD with 10 steps by that of FGSM, and the gradients' alignment.

        Either is NaN where it is not defined, as where nothing does harm.
        """
        probe = Probe(self._victim, self._batches, self._epsilon)
        return {
            PGD_OVER_FGSM: ratio(probe.harm("pgd:{}:steps=10"), probe.harm("fgsm:{}")),
            ALIGNMENT: alignment(probe),
        }
