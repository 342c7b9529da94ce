"""A command's subjects: opening, splitting and preparing them, and what they must fulfil."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from robmednas_tf.cli.progress import StepLine
from robmednas_tf.config import PHANTOM, DataConfig
from robmednas_tf.data.cohort import Cohort, open_folder, open_phantom
from robmednas_tf.data.identity import same_patient
from robmednas_tf.data.split import Split, split_cohort
from robmednas_tf.data.subjects import Subject
from robmednas_tf.machine import available_memory_gb, num_cores

# What preparing a subject takes, rounded up.
_BYTES_PER_VOXEL = 26

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
        return open_folder(Path(data.data).expanduser(), data.ct_bias, data.preprocessing)
    shape = (data.image_size, data.image_size, data.slices_per_subject)
    heads = data.num_phantoms or num_phantoms
    return open_phantom(heads, shape, data.split_seed, data.preprocessing)


def split_subjects(cohort: Cohort, data: DataConfig) -> Split:
    """Splits a cohort as it says itself, or as `data` does; then into folds where `data` says so.

    Raises:
        ValueError: If there are too few subjects, a part of the cohort's own split is empty, or
            both say how to split.
    """
    if cohort.split:
        _require_own_split_alone(cohort, data)
        split = Split(**{part: _part(cohort, part) for part in ("train", "validation", "test")})
    else:
        split = split_cohort(cohort.names, data.split_seed, data.num_validation, data.num_test)
    return split if data.fold is None else data.fold.of(split, data.split_seed)


def subjects_of(part: str, cohort: Cohort, data: DataConfig) -> tuple[str, ...]:
    """Returns the names of one part of a cohort's split.

    Args:
        part: "train", "validation" or "test".
        cohort: The subjects.
        data: How the cohort is split, where it does not say so itself.

    Raises:
        ValueError: As `split_subjects`, but that the other parts may be empty where the cohort
            itself says who is in which.
    """
    if not cohort.split or data.fold is not None:
        return getattr(split_subjects(cohort, data), part)
    _require_own_split_alone(cohort, data)
    names = _part(cohort, part)
    if not names:
        raise ValueError(f"The split of cohort {cohort.name!r} must have subjects in {part!r}.")
    return names


def _part(cohort: Cohort, part: str) -> tuple[str, ...]:
    return tuple(name for name in cohort.names if cohort.split[name] == part)


def _require_own_split_alone(cohort: Cohort, data: DataConfig) -> None:
    if data.num_validation or data.num_test:
        raise ValueError(
            f"Manifest {data.data!r} says itself how cohort {cohort.name!r} is split. "
            f"Received: --num_validation={data.num_validation}, --num_test={data.num_test}. Leave "
            "them out, or empty its column split."
        )


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
    subjects = [cohort[name] for name in names]
    line = StepLine("Preparing slices", len(subjects))
    prepared: dict[str, PreparedSubject] = {}
    # Threads: unpacking and arithmetic release the interpreter's lock.
    with ThreadPoolExecutor(max_workers=_num_workers(subjects)) as pool:
        try:
            for subject in pool.map(lambda each: _prepare(each, cache), subjects):
                prepared[subject.name] = subject
                line.step(subject.name)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            # What was read is not read again; what stopped this is said, whatever the disk does.
            with contextlib.suppress(OSError):
                cache.save_digests()
            raise
    cache.save_digests()
    line.close()
    _require_different(list(prepared.values()))
    _tell_of_cropping(list(prepared.values()))
    return prepared


def _prepare(subject: Subject, cache: SliceCache) -> PreparedSubject:
    try:
        return cache.prepare(subject)
    except MemoryError as error:
        raise ValueError(
            f"Subject {subject.name!r} does not fit into memory: {subject.num_voxels():,} voxels. "
            "Give a coarser --spacing_mm, leave it out, or use a machine with more memory."
        ) from error


def _num_workers(subjects: Sequence[Subject]) -> int:
    voxels = max(subject.num_voxels() for subject in subjects)
    memory = available_memory_gb() * 1e9 / 2
    return max(1, min(num_cores(), int(memory / (_BYTES_PER_VOXEL * voxels))))


def identities(subjects: Iterable[PreparedSubject]) -> Mapping[str, str]:
    """Returns what tells each subject apart, by name."""
    return {subject.name: subject.identity for subject in subjects}


def _require_different(subjects: Sequence[PreparedSubject]) -> None:
    # One patient under two names could be trained on and tested.
    seen: dict[str, str] = {}
    for subject in subjects:
        twin = same_patient(subject.identity, seen)
        seen[subject.identity] = subject.name
        if twin is not None:
            raise ValueError(
                f"Subjects must be different patients. Received: {twin!r} and {subject.name!r} "
                "hold the same MR or the same CT. Take one of them out of the cohort."
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
