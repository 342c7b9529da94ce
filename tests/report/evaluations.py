"""Evaluations made up for the report: what a real one leaves, without a network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from robmednas_tf.attacks.notation import CLEAN, CURVES, Perturbation
from robmednas_tf.data.intensities import zscore
from robmednas_tf.data.phantom import make_head
from robmednas_tf.evaluation.metrics import RegionScore
from robmednas_tf.evaluation.outcomes import MaskScore, Outcome, PredictedSlice
from robmednas_tf.report.evaluation_contents import (
    LOOKUP_TABLE,
    EvaluatedModel,
    EvaluationReport,
)

NAMES = ("Baseline", "Baseline w/AT", "RobMedNAS-R", "RobMedNAS-T", "Random", "A", "B", "C")
ATTACKS = ("fgsm:0.06", "gaussian:0.1")
# How much of a perturbation of 1 a model loses; the trained and the searched ones lose less.
_FRAGILITY = (4.5, 0.6, 1.5, 1.0, 2.5, 2.0, 2.2, 3.0)
_HARDNESS = {"brain": 0.05, "air": 0.025, "bone": 0.26, "soft_tissue": 0.12}
_ERROR_HU = {"brain": 110.0, "air": 18.0, "bone": 330.0, "soft_tissue": 55.0}


def score(loss: float, subject: int, region: str, boneless: bool) -> RegionScore:
    """A region's score after so much loss: 1 is a usable network, 2 is twice as wrong."""
    if region == "bone" and boneless:
        return RegionScore(math.nan, math.nan)
    varies = 1 + 0.06 * math.sin(3.1 * subject + len(region))
    dice = max(0.02, 1 - _HARDNESS[region] * loss * varies)
    return RegionScore(dice, _ERROR_HU[region] * loss * varies)


def loss_of(model: int, condition: str, subject: int) -> float:
    """How wrong a made-up model is."""
    loss = 1 + 0.04 * (model == 1) - 0.02 * model + 0.01 * math.sin(5.0 * model + 1.7 * subject)
    if condition == CLEAN:
        return loss
    perturbation = Perturbation.parse(condition)
    strength = perturbation.size * (0.4 if perturbation.kind == "gaussian" else 1.0)
    return loss + 3 * _FRAGILITY[model % len(_FRAGILITY)] * strength


def outcome(
    subject: int, name: str, model: int, condition: str, boneless: bool, has_mask: bool
) -> Outcome:
    loss = 1.9 if name == LOOKUP_TABLE else loss_of(model, condition, subject)
    regions = {region: score(loss, subject, region, boneless) for region in _HARDNESS}
    in_mask = MaskScore(62 * loss, 29 - 2.1 * loss, 0.93 - 0.07 * loss, 0.97 - 0.05 * loss)
    return Outcome(f"STS_{subject:03d}", name, condition, regions, in_mask if has_mask else None)


def predicted_slices(
    names: Sequence[str], conditions: Sequence[str], num_slices: int, size: int
) -> list[PredictedSlice]:
    """Blurred and noisy CT of phantom heads in place of predictions."""
    found = []
    for number in range(num_slices):
        index = 9 + 3 * number
        head = make_head((size, size, 24), seed=5, subject=number)
        mr, ct = (
            np.rot90(volume[:, :, index]).astype(np.float32)
            for volume in (zscore(head.mr), head.ct)
        )
        for model, name in enumerate(names):
            for condition in conditions:
                rng = np.random.default_rng([number, model, len(condition)])
                delta, loss = np.zeros_like(mr), loss_of(model, condition, number)
                if condition != CLEAN:
                    perturbation = Perturbation.parse(condition)
                    delta = rng.standard_normal(mr.shape).astype(np.float32)
                    if perturbation.kind == "fgsm":
                        delta = np.sign(gaussian_filter(delta, 1.0))
                    delta *= perturbation.size
                wrong = 150 * (loss - 0.9) * rng.standard_normal(mr.shape) * (ct > -500)
                predicted = gaussian_filter(ct, 0.7 * loss) + wrong
                found.append(
                    PredictedSlice(
                        f"STS_{number:03d}",
                        index,
                        name,
                        condition,
                        mr,
                        mr + delta,
                        ct,
                        predicted.astype(np.float32),
                    )
                )
    return found


def make_evaluation(
    num_models: int = 4,
    num_subjects: int = 7,
    attacks: Sequence[str] = ATTACKS,
    *,
    names: Sequence[str] | None = None,
    curves: Sequence[str] = ("fgsm", "gaussian"),
    num_slices: int = 2,
    size: int = 32,
    boneless: Sequence[int] = (3,),
    has_mask: bool = True,
    has_lookup_table: bool = True,
    **changes: Any,
) -> EvaluationReport:
    """Makes up an evaluation; keywords replace what it would hold."""
    names = NAMES[:num_models] if names is None else names
    conditions, subjects = [CLEAN, *attacks], range(num_subjects)
    outcomes = [
        outcome(subject, name, model, condition, subject in boneless, has_mask)
        for subject in subjects
        for model, name in enumerate(names)
        for condition in conditions
    ]
    if has_lookup_table:
        outcomes += [
            outcome(subject, LOOKUP_TABLE, 0, CLEAN, subject in boneless, has_mask)
            for subject in subjects
        ]
    values: dict[str, Any] = {
        "cohort": "STS",
        "split": "test",
        "subjects": [f"STS_{subject:03d}" for subject in subjects],
        "models": [
            EvaluatedModel(
                name,
                f"runs/{place}/model.keras",
                "adversarial, FGSM 0.2" if "AT" in name else "regular",
                None if place == 2 else 1_240_000 * (place + 1),
            )
            for place, name in enumerate(names)
        ],
        "baseline": names[0],
        "conditions": conditions,
        "outcomes": outcomes,
        "curves": [
            outcome(subject, name, model, str(level), subject in boneless, False)
            for kind in curves
            for level in CURVES[kind]
            for subject in subjects
            for model, name in enumerate(names)
        ],
        "slices": predicted_slices(names, conditions, num_slices, size) if num_slices else [],
        "image_size": size,
        "command": "python run_eval.py --flagfile=runs/eval/flags.cfg",
        "settings": {"epsilon": 0.06, "split": "test", "models": list(names)},
        "notes": ["The subjects come from one hospital."],
    }
    return EvaluationReport(**{**values, **changes})


def with_scores(
    report: EvaluationReport,
    model: str,
    region: str,
    condition: str = CLEAN,
    **scores: Sequence[float],
) -> EvaluationReport:
    """Returns the report with a model's Dice or MAE in a region replaced, a value a subject."""

    def changed(one: Outcome) -> Outcome:
        if (one.model, one.condition) != (model, condition):
            return one
        place = list(report.subjects).index(one.subject)
        values = {metric: each[place] for metric, each in scores.items()}
        new = dataclasses.replace(one.regions[region], **values)
        return dataclasses.replace(one, regions={**one.regions, region: new})

    return dataclasses.replace(report, outcomes=[changed(one) for one in report.outcomes])
