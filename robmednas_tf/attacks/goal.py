"""What an attack wants to see: anything but the true CT, or a certain false one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from robmednas_tf.attacks.ascent import Slope
from robmednas_tf.attacks.kinds import BONE, NO_BONE
from robmednas_tf.attacks.victim import Victim, losses
from robmednas_tf.data.intensities import CT_MEAN_HU, CT_SCALE_HU
from robmednas_tf.evaluation.regions import REGIONS

_SOFT_TISSUE_HU, _BONE_HU = 40.0, 1000.0


@dataclass(frozen=True, eq=False)
class Goal:
    """A loss that an attack makes rise.

    Attributes:
        ct: Normalised, float32 `(batch, height, width, 1)`: the true CT, or the false one wanted.
        sign: 1 to depart from `ct`, -1 to come near it.
    """

    ct: tf.Tensor
    sign: float = 1.0

    def losses(self, synthetic_ct: tf.Tensor) -> tf.Tensor:
        """Returns how far each slice has come, `(batch,)`."""
        return self.sign * losses(self.ct, synthetic_ct)

    def slope_at(self, victim: Victim, mr: tf.Tensor) -> Slope:
        """Returns each slice's loss and its gradient by the MR."""
        return self.slope(*victim.explain(mr, self.ct))

    def slope(self, synthetic_ct: tf.Tensor, gradient: tf.Tensor) -> Slope:
        """Returns what `slope_at` does where prediction and gradient are known."""
        return self.losses(synthetic_ct), self.sign * gradient


def goal_of(target: str | None, ct: tf.Tensor) -> Goal:
    """Returns the goal of an attack.

    Args:
        target: Key of `TARGETS`; None for an attack on the true CT.
        ct: The true CT, normalised.
    """
    return Goal(ct) if target is None else Goal(TARGETS[target](ct), -1.0)


def _filled(region: str, hu: float) -> Callable[[tf.Tensor], tf.Tensor]:
    def fill(ct: tf.Tensor) -> tf.Tensor:
        inside = REGIONS[region].contains(ct * CT_SCALE_HU + CT_MEAN_HU)
        return tf.where(inside, (hu - CT_MEAN_HU) / CT_SCALE_HU, ct)

    return fill


# Name of a false CT -> what makes it of the true one.
TARGETS: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    # Bone hidden as soft tissue: a dose that is computed on it is attenuated too little.
    NO_BONE: _filled("bone", _SOFT_TISSUE_HU),
    # Soft tissue shown as bone.
    BONE: _filled("soft_tissue", _BONE_HU),
}
