"""Subjects of one cohort side by side: twins, outlying spacings, and what slices would cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.subjects import FolderSubject
from robmednas_tf.examination.subject import ERROR, IMAGE_SIZES, WARNING, Examination, Finding

# Times the cohort's median, or less by as much: then the same anatomy has another size in pixels.
_FAR_SPACING = 1.5
# Of the largest to the smallest: the size in pixels varies more than bodies do.
_WIDE_SPACINGS = 1.25
_MOST_NAMED = 5
_AXES = ("left to right", "back to front", "foot to head")


@dataclass(frozen=True)
class Crop:
    """What slices of one size would cut off.

    Attributes:
        image_size: Pixels a side.
        names: Subjects that lose some of their body.
        worst: Whose loss is largest; empty where there is none.
        share: How much of its body that subject loses, 0 to 1.
    """

    image_size: int
    names: tuple[str, ...]
    worst: str
    share: float


def compare_subjects(examinations: Sequence[Examination]) -> list[Examination]:
    """Returns the examinations with what only the others tell of each subject.

    Args:
        examinations: Of a whole cohort.
    """
    medians = _median_spacing(examinations)
    twins = {"MR": _twins(examinations, "mr_digest"), "CT": _twins(examinations, "ct_digest")}
    return [
        _with_findings(
            each, {volume: found.get(each.name, []) for volume, found in twins.items()}, medians
        )
        for each in examinations
    ]


def cohort_warnings(examinations: Sequence[Examination]) -> list[str]:
    """Returns what is strange about a cohort as a whole, one line each."""
    spacings = [each.spacing_mm for each in examinations if each.spacing_mm]
    if not spacings:
        return []
    low, high = np.min(spacings, axis=0), np.max(spacings, axis=0)
    wide = [place for place in range(3) if high[place] > _WIDE_SPACINGS * low[place]]
    if not wide:
        return []
    spread = ", ".join(f"{low[place]:.3g} to {high[place]:.3g} mm {_AXES[place]}" for place in wide)
    # An axis along which all agree is left alone, as 0 says.
    median = _median_spacing(examinations)
    to_pass = ",".join(f"{median[place]:.3g}" if place in wide else "0" for place in range(3))
    return [
        f"Spacings differ widely: {spread}. A network then sees one anatomy in several sizes; "
        f"--spacing_mm={to_pass} resamples all volumes to the median."
    ]


def crops(examinations: Sequence[Examination]) -> list[Crop]:
    """Returns what slices of each usual size would cut, up to the first that cuts nothing."""
    measured = [each for each in examinations if each.cropped]
    found: list[Crop] = []
    for size in IMAGE_SIZES if measured else ():
        cut = [each for each in measured if each.cropped[size] > 0]
        worst = max(measured, key=lambda each: each.cropped[size])
        found.append(
            Crop(
                size,
                tuple(each.name for each in cut),
                worst.name if cut else "",
                worst.cropped[size],
            )
        )
        if not cut:
            break
    return found


def folders_left_out(folder: Path, cohort: Cohort) -> list[str]:
    """Returns a line on folders in which no subject was found; none where there are no such.

    Args:
        folder: What `cohort` was opened from.
        cohort: Its subjects.
    """
    if not folder.is_dir():
        return []
    own = {subject.folder for subject in cohort if isinstance(subject, FolderSubject)}
    above = {parent for each in own for parent in each.parents}
    others = [str(path.relative_to(folder)) for path in _without_subjects(folder, own, above)]
    if not others:
        return []
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    return [
        f"Left out, for they hold neither mr nor ct (.nii.gz, .nii or .mha): "
        f"{', '.join(others[:_MOST_NAMED])}{more}. Rename their files if they are subjects."
    ]


def _without_subjects(folder: Path, own: set[Path], above: set[Path]) -> Iterator[Path]:
    """Yields the topmost folders in and below which there is no subject."""
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith((".", "overview")) or path in own:
            continue
        if path in above:
            yield from _without_subjects(path, own, above)
        else:
            yield path


def _twins(examinations: Sequence[Examination], digest: str) -> dict[str, list[str]]:
    """Returns the names of those that share a volume with each subject."""
    names: dict[str | None, list[str]] = {None: []}
    for each in examinations:
        if getattr(each, digest):
            names.setdefault(getattr(each, digest), []).append(each.name)
    return {
        each.name: [name for name in names[getattr(each, digest)] if name != each.name]
        for each in examinations
    }


def _with_findings(
    each: Examination, twins: Mapping[str, Sequence[str]], medians: np.ndarray
) -> Examination:
    errors = [
        Finding(
            ERROR,
            f"Subjects must be different patients. {each.name!r} holds the same {volume} as "
            f"{twin!r}. Take one of them out of the cohort.",
        )
        for volume, names in twins.items()
        for twin in names
    ]
    warnings = []
    if each.spacing_mm:
        ratios = np.divide(each.spacing_mm, medians)
        warnings = [
            Finding(
                WARNING,
                f"Spacing from {_AXES[place]} is {each.spacing_mm[place]:.3g} mm, where the "
                f"cohort's median is {medians[place]:.3g} mm.",
            )
            for place in range(3)
            if not 1 / _FAR_SPACING <= ratios[place] <= _FAR_SPACING
        ]
    findings = sorted((*each.findings, *errors, *warnings), key=lambda one: one.severity != ERROR)
    return replace(each, findings=tuple(findings))


def _median_spacing(examinations: Sequence[Examination]) -> np.ndarray:
    spacings = [each.spacing_mm for each in examinations if each.spacing_mm]
    return np.median(spacings, axis=0) if spacings else np.ones(3)
