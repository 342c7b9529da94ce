"""A command's subjects: opening, splitting and preparing them, and what they must fulfil."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from robmednas_tf.cli.progress import StepLine
from robmednas_tf.config import PHANTOM, DataConfig
from robmednas_tf.data.cohort import Cohort, open_folder, open_phantom
from robmednas_tf.data.split import Split, split_cohort

# For types alone: it starts TensorFlow, which commands do not before their input is checked.
if TYPE_CHECKING:
    from robmednas_tf.data.prepared import PreparedSubject, SliceCache


def open_cohort(data: DataConfig, num_phantoms: int = 0) -> Cohort:
    """Opens the folder, or a phantom cohort.

    Args:
        data: Which.
        num_phantoms: Heads of the phantom where `data` does not say.

    Raises:
        ValueError: If the folder holds no subjects.
    """
    if data.data != PHANTOM:
        return open_folder(data.data, data.ct_bias)
    shape = (data.image_size, data.image_size, data.slices_per_subject)
    return open_phantom(data.num_phantoms or num_phantoms, shape, data.split_seed)


def split_subjects(cohort: Cohort, data: DataConfig) -> Split:
    """Splits a cohort as `data` says.

    Raises:
        ValueError: If there are too few subjects.
    """
    return split_cohort(cohort.names, data.split_seed, data.num_validation, data.num_test)


def prepare_subjects(
    cohort: Cohort, cache: SliceCache, names: Iterable[str]
) -> dict[str, PreparedSubject]:
    """Prepares subjects, with progress, and says where cropping cuts.

    Args:
        cohort: The subjects.
        cache: Where their slices are kept.
        names: Whose slices are wanted.

    Returns:
        The prepared subjects by name.

    Raises:
        ValueError: If a subject's files break a rule, or two subjects are the same.
        OSError: If the slices cannot be written.
    """
    names = list(names)
    line = StepLine("Preparing slices", len(names))
    prepared = {}
    for name in names:
        prepared[name] = cache.prepare(cohort[name])
        line.step(name)
    line.close()
    _require_different(list(prepared.values()))
    _tell_of_cropping(list(prepared.values()))
    return prepared


def identities(subjects: Iterable[PreparedSubject]) -> Mapping[str, str]:
    """Returns what tells each subject apart, by name."""
    return {subject.name: subject.identity for subject in subjects}


def _require_different(subjects: Sequence[PreparedSubject]) -> None:
    # One patient under two names could be trained on and tested.
    seen: dict[str, str] = {}
    for subject in subjects:
        twin = seen.setdefault(subject.identity, subject.name)
        if twin != subject.name:
            raise ValueError(
                f"Subjects must be different patients. Received: {twin!r} and {subject.name!r} "
                "hold the same MR. Take one of them out of the folder."
            )


def _tell_of_cropping(subjects: Sequence[PreparedSubject]) -> None:
    cut = [subject for subject in subjects if subject.cropped > 0]
    if not cut:
        return
    worst = max(cut, key=lambda subject: subject.cropped)
    print(
        f"Note: {len(cut)} of {len(subjects)} subjects are larger than "
        f"--image_size={worst.image_size} and are cropped; {worst.name!r} loses "
        f"{100 * worst.cropped:.0f} % of its body. What is cut is neither learnt nor scored.",
        flush=True,
    )
