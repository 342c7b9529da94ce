"""Perturbed MRs that no attack on the network under evaluation makes.

They are made once a batch for all networks: by chance, or by an attack on one of the networks for
the others to be tried on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from robmednas_tf.attacks.attack import Slices
from robmednas_tf.attacks.kinds import CHANCE, CORRUPTIONS, TRANSFER
from robmednas_tf.attacks.noise import noise_of_slices
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.attacks.perturbations import PerturbedInference
from robmednas_tf.corruptions.volume import CorruptedVolume
from robmednas_tf.data.prepared import PreparedSubject


class GivenPerturbations:
    """What a subject's slices become under perturbations that know no network, or another one.

    Args:
        subject: Whose slices.
        perturbations: All that are wanted; those that attack a network itself are passed over.
        sources: The networks that transferred attacks are made on, by name.
        seed: Of chance, >= 0.
    """

    def __init__(
        self,
        subject: PreparedSubject,
        perturbations: Iterable[Perturbation],
        sources: Mapping[str, PerturbedInference],
        seed: int,
    ):
        wanted = tuple(dict.fromkeys(perturbations))
        self._subject, self._sources, self._seed = subject, sources, seed
        by_chance = [each for each in wanted if each.table.made_by == CHANCE]
        self._noise = [each for each in by_chance if each.kind not in CORRUPTIONS]
        self._corruptions = [each for each in by_chance if each.kind in CORRUPTIONS]
        self._transferred = [each for each in wanted if each.table.made_by == TRANSFER]

    @cached_property
    def _volume(self) -> CorruptedVolume:
        return CorruptedVolume(self._subject, self._seed)

    def __call__(self, first_slice: int, slices: Slices) -> dict[str, np.ndarray]:
        """Returns a batch under each of them, by condition, float32 like its MR.

        Args:
            first_slice: Place of the batch's first slice among the subject's.
            slices: The batch.
        """
        mr = np.asarray(slices.mr)
        made = {}
        if self._noise:
            noise = noise_of_slices(self._subject.name, first_slice, mr.shape, self._seed)
            made = {str(each): mr + np.float32(each.size) * noise for each in self._noise}
        for each in self._corruptions:
            made[str(each)] = self._volume.corrupted(each, first_slice, mr)
        for each in self._transferred:
            source = self._sources[str(each["from"])]
            attack = Perturbation("pgd", each.size, (("steps", int(str(each["steps"]))),))
            made[str(each)] = np.asarray(source.attacked(attack, slices))
        return made
