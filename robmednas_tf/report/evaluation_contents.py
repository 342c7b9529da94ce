"""What an evaluation's tables, figures and report are made from, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.checks.table import Finding
from robmednas_tf.evaluation.metrics import mean_over_regions
from robmednas_tf.evaluation.outcomes import Outcome, PredictedSlice

# What the intensity look-up table, fitted on each test subject itself, is called among models.
LOOKUP_TABLE = "look-up table"


@dataclass(frozen=True)
class EvaluatedModel:
    """A model under evaluation.

    Attributes:
        name: What the user calls it.
        source: Where it was read from.
        training: How it was trained, in a few words such as "regular" or "adversarial, FGSM 0.2";
            "not known" where nothing says so.
        parameters: Number of trainable parameters; None where the file does not tell.
    """

    name: str
    source: str
    training: str
    parameters: int | None


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation of models on subjects.

    Attributes:
        cohort: What the cohort is called.
        split: Part of the cohort that is evaluated: "test", "validation", "train" or "all".
        subjects: Their names.
        models: In the user's order.
        baseline: Name of the model that the others are compared with.
        conditions: `clean` first, then perturbations such as `fgsm:0.06`.
        outcomes: Of every model on every subject in every condition; in the look-up table's name
            in the condition `clean` alone.
        curves: The same at each level of the progressive corruptions, without figures in the
            mask; empty where none were asked for. Their level 0 is `outcomes`' `clean`.
        slices: A few slices, each under every model in every condition.
        image_size: Pixels a side of a slice.
        slices_per_subject: At most so many slices of each subject were evaluated; 0 for all.
        command: The command line that repeats the evaluation.
        settings: Flags and their values.
        notes: Limits of this very evaluation, a sentence or two each.
        remarks: What has to stand below every table besides, a sentence or two each.
        findings: What the checks found of each model; empty where none were asked for.

    Raises:
        ValueError: If the baseline is none of the models, or `clean` is not the first condition.
    """

    cohort: str
    split: str
    subjects: Sequence[str]
    models: Sequence[EvaluatedModel]
    baseline: str
    conditions: Sequence[str]
    outcomes: Sequence[Outcome]
    curves: Sequence[Outcome] = ()
    slices: Sequence[PredictedSlice] = ()
    image_size: int = 0
    slices_per_subject: int = 0
    command: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    remarks: Sequence[str] = ()
    findings: Sequence[Finding] = ()

    def __post_init__(self) -> None:
        names = self.model_names
        if self.baseline not in names:
            raise ValueError(
                f"The baseline must be one of the models {names}. Received: {self.baseline!r}."
            )
        if not self.conditions or self.conditions[0] != CLEAN:
            raise ValueError(
                f"The first condition must be {CLEAN!r}. Received: {list(self.conditions)}."
            )

    @property
    def num_comparisons(self) -> int:
        """Models that are compared with the baseline, for Bonferroni's correction."""
        return len(self.models) - 1

    @property
    def model_names(self) -> list[str]:
        """Names of the models, in the user's order."""
        return [model.name for model in self.models]

    @property
    def attacks(self) -> Sequence[str]:
        """The conditions but `clean`."""
        return self.conditions[1:]

    @property
    def flagged(self) -> list[str]:
        """Names of the models whose figures under attack a check casts doubt on."""
        flagged = {each.model for each in self.findings if each.is_flagged}
        return [name for name in self.model_names if name in flagged]

    @property
    def has_lookup_table(self) -> bool:
        """Whether the look-up table was evaluated, too."""
        return any(outcome.model == LOOKUP_TABLE for outcome in self.outcomes)

    @property
    def has_mask(self) -> bool:
        """Whether there are figures in the body mask."""
        return any(outcome.in_mask is not None for outcome in self.outcomes)

    def values(self, model: str, condition: str, metric: str, region: str) -> list[float]:
        """Returns a metric of a model, one value a subject in `subjects`' order.

        Args:
            model: The model's name, or `LOOKUP_TABLE`.
            condition: One of `conditions`, or a level of a curve.
            metric: "dice" or "mae".
            region: Key of `REGIONS`.

        Raises:
            KeyError: If a subject has no such outcome.
        """
        return [
            getattr(self.outcome(subject, model, condition).regions[region], metric)
            for subject in self.subjects
        ]

    def means(self, model: str, condition: str, metric: str) -> list[float]:
        """Returns a metric's mean over the four regions, one value a subject; else as `values`."""
        place = ("dice", "mae").index(metric)
        return [
            mean_over_regions(self.outcome(subject, model, condition).regions)[place]
            for subject in self.subjects
        ]

    def mask_values(self, model: str, condition: str, metric: str) -> list[float]:
        """Returns a figure in the body mask, one value a subject, NaN where there is none.

        Args:
            model: The model's name, or `LOOKUP_TABLE`.
            condition: One of `conditions`.
            metric: Attribute of `MaskScore`.

        Raises:
            KeyError: If a subject has no such outcome.
        """
        scores = [self.outcome(subject, model, condition).in_mask for subject in self.subjects]
        return [math.nan if score is None else getattr(score, metric) for score in scores]

    def outcome(self, subject: str, model: str, condition: str) -> Outcome:
        """Returns one outcome; of a level that is also a condition, the condition's.

        Raises:
            KeyError: If there is none.
        """
        return self._by_place[subject, model, condition]

    @cached_property
    def _by_place(self) -> Mapping[tuple[str, str, str], Outcome]:
        return {
            (outcome.subject, outcome.model, outcome.condition): outcome
            for outcome in (*self.curves, *self.outcomes)
        }
