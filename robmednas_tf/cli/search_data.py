"""Preparing a search's subjects, and what their slices must fulfil before any training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from robmednas_tf.cli.subjects import identities, prepare_subjects
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.prepared import PreparedSubject, SliceCache
from robmednas_tf.data.split import Split
from robmednas_tf.objectives import OBJECTIVES
from robmednas_tf.search.hypermodel import SearchData


@dataclass(frozen=True)
class PreparedCohort:
    """What a search uses of its cohort.

    Attributes:
        search: The sub-dataset.
        final: What the winner is trained on: the cohort's training subjects but those that score
            candidates, and its validation subjects.
        held_out: The cohort's test subjects, which serve for the report alone.
        identities: What tells each subject apart, by name.
    """

    search: SearchData
    final: SearchData
    held_out: tuple[PreparedSubject, ...]
    identities: Mapping[str, str]

    @property
    def names(self) -> dict[str, list[str]]:
        """The subjects' names by what they serve for."""
        return {
            **self.search.names,
            "final training": self.final.names["train"],
            "final validation": self.final.names["validation"],
            "held out": [subject.name for subject in self.held_out],
        }


def prepare(
    cohort: Cohort, cache: SliceCache, whole: Split, sub: Split, objectives: Sequence[str]
) -> PreparedCohort:
    """Prepares the subjects that a search uses.

    Args:
        cohort: The subjects.
        cache: Where their slices are kept.
        whole: The cohort's split.
        sub: The search's sub-dataset.
        objectives: What is optimised.

    Raises:
        ValueError: If a subject's files break a rule, two subjects are the same, or a subject
            that scores lacks a region.
        OSError: If the slices cannot be written.
    """
    prepared = prepare_subjects(cohort, cache, whole.names)

    def part(names: Iterable[str]) -> tuple[PreparedSubject, ...]:
        return tuple(prepared[name] for name in names)

    search = SearchData(part(sub.train), part(sub.validation), part(sub.test))
    for objective in objectives:
        if objective in OBJECTIVES:
            _require_regions(search.test, objective)
    unscored = [name for name in whole.train if name not in sub.test]
    final = SearchData(part(unscored), part(whole.validation), search.test)
    return PreparedCohort(search, final, part(whole.test), identities(prepared.values()))


def _require_regions(subjects: Sequence[PreparedSubject], objective: str) -> None:
    # With a region empty in truth, a candidate scores by whether it puts a voxel there.
    scored = objective.split("_", 2)[2:]
    for subject in subjects:
        empty = [name for name, count in subject.voxels.items() if not count]
        if empty and (not scored or scored[0] in empty):
            raise ValueError(
                f"Subject {subject.name!r} scores the candidates, so its CT must have every "
                f"region of the objective {objective}. Received: no voxel of {', '.join(empty)}. "
                "Give another --split_seed, leave the subject out, or score another region."
            )
