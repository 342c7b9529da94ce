"""What a model's card is made from besides a report, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robmednas_tf.adversarial import AdversarialConfig
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class Part:
    """Subjects that served for the same.

    Attributes:
        name: Such as "Training".
        use: What for, such as "the weights".
        num_subjects: How many they are.
        num_slices: Slices of all of them.
    """

    name: str
    use: str
    num_subjects: int
    num_slices: int

    @classmethod
    def of(cls, name: str, use: str, subjects: Sequence[PreparedSubject]) -> Part:
        """Counts subjects and their slices."""
        return cls(name, use, len(subjects), sum(each.num_slices for each in subjects))


@dataclass(frozen=True)
class Making:
    """How a model came by its weights: what a report does not hold.

    Attributes:
        training: How it was trained.
        adversarial: How its training slices were attacked; None where they were not.
        preprocessing: How volumes became slices.
        seed: Of weights and batches.
        num_epochs: Epochs that ended.
        best_epoch: Whose weights were kept, from 0.
        parts: Who served for what.
        versions: Of the software, by name; None where it is not installed.
        mixed_precision: Whether it was trained in bfloat16.
        is_anew: Whether a search's winner was trained anew; False where it has its trial's weights.
        remarks: What a reader must know of this very model, a sentence or two each.
    """

    training: TrainingConfig
    adversarial: AdversarialConfig | None
    preprocessing: Preprocessing
    seed: int
    num_epochs: int
    best_epoch: int
    parts: Sequence[Part]
    versions: Mapping[str, str | None]
    mixed_precision: bool = False
    is_anew: bool = True
    remarks: Sequence[str] = ()
