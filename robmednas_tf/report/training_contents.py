"""What a single training's report is made from, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.evaluation.inference import Panel
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.report.contents import ScoreGroup


@dataclass(frozen=True)
class TrainingReport:
    """One network's training.

    Attributes:
        cohort: What the cohort is called.
        subjects: Names of the subjects by part: "train", "validation" and "test (not looked at)".
        architecture: The network's.
        architecture_name: What the user calls it.
        training: In a few words, such as "adversarial: half of the slices of each batch replaced
            by FGSM 0.2".
        history: A value an epoch: "loss" and "val_loss", and where they were measured
            "val_dice_clean", "val_dice_adversarial" and "perturbation" (the mean magnitude of
            training's perturbation by epsilon).
        best_epoch: Whose weights were kept, from 0.
        attack: What spoiled the MR where the scores were taken.
        image_size: Pixels a side of a slice.
        seconds: How long it took.
        command: The command line that repeats it.
        scores: Groups of subjects, the one to be believed most last.
        panels: Slices to show.
        settings: Flags and their values.
        notes: Limits of this very training, a sentence or two each.

    Raises:
        ValueError: If there is no loss, or the best epoch is none of the history's.
    """

    cohort: str
    subjects: Mapping[str, Sequence[str]]
    architecture: Architecture
    architecture_name: str
    training: str
    history: Mapping[str, Sequence[float]]
    best_epoch: int
    attack: Perturbation
    image_size: int
    seconds: float
    command: str
    scores: Sequence[ScoreGroup] = ()
    panels: Sequence[Panel] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.best_epoch < self.num_epochs:
            raise ValueError(
                "A training's best epoch must be one of those that its history has a loss of. "
                f"Received: epoch {self.best_epoch} (from 0) of {self.num_epochs}."
            )

    @property
    def num_epochs(self) -> int:
        """Epochs that ended."""
        return len(self.history.get("loss", ()))

    @property
    def has_dice(self) -> bool:
        """Whether Dice was measured after each epoch, clean or attacked."""
        return any(len(self.history.get(name, ())) for name in DICE)


# Key of the history -> what figures call it.
# What an adversarial training logs of its gradients; see `robmednas_tf.checks.overfitting`.
PGD_OVER_FGSM, ALIGNMENT = "val_pgd_over_fgsm", "val_gradient_alignment"
DICE = {"val_dice_clean": "clean", "val_dice_adversarial": "attacked"}
LOSSES = {"loss": "training", "val_loss": "validation"}
