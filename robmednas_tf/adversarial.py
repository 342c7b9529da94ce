"""How a network is trained adversarially: the kinds, their settings, and what they cost.

Source: paper section 2.4 for the first kind; the others in `KINDS`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from robmednas_tf.attacks.kinds import ATTACK
from robmednas_tf.attacks.notation import Perturbation

_PAPERS_ATTACK = Perturbation("fgsm", 0.2)

BERNOULLI, NOISE, TRADES, FINETUNE = "bernoulli_fgsm", "nfgsm", "trades", "finetune"


@dataclass(frozen=True)
class Kind:
    """One way to train adversarially.

    Attributes:
        summary: What happens to a slice that is attacked.
        replacement_probability: What is usual for it.
        needs_noise: Whether the attack starts at a random point.
        source: Where it comes from.
    """

    summary: str
    replacement_probability: float
    needs_noise: bool
    source: str


KINDS: Mapping[str, Kind] = {
    BERNOULLI: Kind("its attacked version takes its place", 0.5, False, "paper section 2.4"),
    NOISE: Kind(
        "uniform noise of twice epsilon, then an FGSM step from there, take its place; not clipped",
        1.0,
        True,
        "de Jorge et al. 2022, Make Some Noise (N-FGSM)",
    ),
    TRADES: Kind(
        "the prediction on its attacked version is drawn to the one on the slice itself",
        1.0,
        True,
        "Zhang et al. 2019, Theoretically Principled Trade-off (TRADES), with squared error",
    ),
    FINETUNE: Kind(
        "its attacked version takes its place once the clean share of the epochs is over",
        1.0,
        False,
        "Jeddi et al. 2020, A Simple Fine-tuning Is All You Need",
    ),
}


@dataclass(frozen=True)
class AdversarialConfig:
    """How slices are attacked in adversarial training.

    Attributes:
        replacement_probability: Of each slice to be attacked, in (0, 1]. The paper's p is 0.5, so
            that it does not matter that its formula gives p to the clean slice.
        attack: What slices are attacked with, of size > 0. Kinds that have an attack of their own
            take only its size, and only of FGSM.
        kind: Key of `KINDS`.
        beta: Of `trades`, the weight of the attacked term, > 0.
        clean_share: Of `finetune`, the share of the epochs on clean slices, in (0, 1).

    Raises:
        ValueError: If a value is outside its domain.

    Source: paper section 2.4.
    """

    replacement_probability: float = 0.5
    attack: Perturbation = _PAPERS_ATTACK
    kind: str = BERNOULLI
    beta: float = 1.0
    clean_share: float = 0.7

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"Adversarial training must be one of {', '.join(KINDS)}. Received: {self.kind!r}."
            )
        if not 0 < self.replacement_probability <= 1:
            raise ValueError(
                "replacement_probability must be in (0, 1]. "
                f"Received: {self.replacement_probability}."
            )
        for name, value in (("epsilon", self.epsilon), ("beta", self.beta)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(
                    f"The {name} of adversarial training must be > 0. Received: {value}."
                )
        self._require_attack()
        if not 0 < self.clean_share < 1:
            raise ValueError(f"clean_share must be in (0, 1). Received: {self.clean_share}.")

    @property
    def epsilon(self) -> float:
        """Size of the attack, in z-score units."""
        return self.attack.size

    def _require_attack(self) -> None:
        if self.kind in (NOISE, TRADES) and self.attack != Perturbation("fgsm", self.epsilon):
            raise ValueError(
                f"Adversarial training {self.kind!r} must have a plain FGSM for its attack: it "
                f"makes its own of that size. Received: {self.attack}. "
                f"Take {BERNOULLI} or {FINETUNE} for another attack."
            )
        if self.attack.table.made_by != ATTACK:
            raise ValueError(
                f"Adversarial training must attack the network. Received: {self.attack}, which "
                "knows none."
            )
        if self.attack["mask"] is not None:
            raise ValueError(
                "Adversarial training must attack whole slices: its batches have no body mask. "
                f"Received: {self.attack}. Leave mask out."
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AdversarialConfig:
        """Reads what `to_dict` gave.

        Raises:
            ValueError: If a value is outside its domain.
        """
        return cls(**{**values, "attack": Perturbation.parse(values["attack"])})

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings, ready for JSON."""
        return {**asdict(self), "attack": str(self.attack)}

    def first_epoch(self, epochs: int) -> int:
        """Returns the number of the first epoch with attacks, from 0.

        Args:
            epochs: Of the whole training, at most.
        """
        if self.kind != FINETUNE:
            return 0
        # One at least is attacked.
        return min(math.ceil(self.clean_share * epochs), epochs - 1)

    @property
    def in_words(self) -> str:
        """How slices are attacked, such as "50 % of slices under FGSM 0.2"."""
        share = f"{100 * self.replacement_probability:g} % of slices under"
        words = {
            BERNOULLI: f"{share} {self._attack_label}",
            NOISE: f"{share} N-FGSM {self.epsilon:g}",
            TRADES: f"{share} TRADES {self.epsilon:g}, beta {self.beta:g}",
            FINETUNE: (
                f"{share} {self._attack_label} after {100 * self.clean_share:g} % of the epochs"
            ),
        }
        return words[self.kind]

    @property
    def _attack_label(self) -> str:
        options = [f"{name} {value}" for name, value in self.attack.options]
        return ", ".join([f"{self.attack.table.label} {self.epsilon:g}", *options])

    def passes(self, epochs: int, num_epochs: int) -> float:
        """Returns a training's cost in passes forward and back, a clean one's being 1 a step.

        Args:
            epochs: Of the whole training, at most.
            num_epochs: That were trained.

        Returns:
            The mean over the steps trained. FGSM is one pass, PGD one a step, a term of TRADES
            another; predictions without a gradient count a third.
        """
        attacked = max(0, num_epochs - self.first_epoch(epochs)) / num_epochs
        extra = self.attack.num_gradients + (1 if self.kind == TRADES else 0)
        return 1 + extra * self.replacement_probability * attacked
