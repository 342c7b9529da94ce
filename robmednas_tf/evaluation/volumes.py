"""Evaluating models on whole subjects in many conditions, in one pass over each one's slices.

Source: paper sections 2.5 and 2.7.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from robmednas_tf.attacks.attack import Slices
from robmednas_tf.attacks.notation import CLEAN, Perturbation
from robmednas_tf.attacks.perturbations import PerturbedInference, Prediction
from robmednas_tf.data.grid import pad_or_crop
from robmednas_tf.data.intensities import AIR_HU, denormalize_ct, normalize_ct
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.data.slices import masked_batches, read_slices
from robmednas_tf.evaluation.given import GivenPerturbations
from robmednas_tf.evaluation.lookup import LookupTable
from robmednas_tf.evaluation.metrics import CodedCT, VolumeMetrics
from robmednas_tf.evaluation.outcomes import Outcome, PredictedSlice
from robmednas_tf.evaluation.synthrad import MaskMetrics


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a subject besides the regions' scores.

    Attributes:
        masked: Conditions in which the figures inside the body mask are wanted too.
        slices: Places of the slices that are kept, in those same conditions.
        seed: Of chance: noise, random starts, random searches; >= 0.
        conditions: By model, the conditions that are wanted besides the clean one; all for models
            that are not named.
    """

    masked: Collection[str] = ()
    slices: Collection[int] = ()
    seed: int = 0
    conditions: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Batch:
    first_slice: int
    mr: np.ndarray
    truth: CodedCT
    mask: np.ndarray


def evaluate_subject(
    models: Mapping[str, PerturbedInference],
    subject: PreparedSubject,
    wanted: Wanted,
    batch_size: int = 6,
    on_batch: Callable[[int], None] = lambda num_slices: None,
    sources: Mapping[str, PerturbedInference] | None = None,
) -> tuple[list[Outcome], list[PredictedSlice]]:
    """Scores models on one subject in every condition.

    The subject is read once; its regions and what chance makes of it are worked out once a batch
    for all models and conditions, and each attack once for all that needs it. No volume is held.

    Args:
        models: By name, each with its own perturbations.
        subject: Whose slices.
        wanted: What is wanted besides the regions' scores.
        batch_size: Slices a batch.
        on_batch: Told how many slices are new, after each batch.
        sources: The models that transferred attacks are made on, by name; `models` if None.

    Returns:
        An outcome for each model and condition, and the slices that are kept.

    Raises:
        ValueError: If a prediction is not finite; names model, condition and subject.
    """
    scores: dict[tuple[str, str], _Score] = {}
    kept: list[PredictedSlice] = []
    given = GivenPerturbations(
        subject, _perturbations(models, wanted), sources or models, wanted.seed
    )
    for batch in _batches(subject, batch_size):
        slices = Slices.of(
            subject.name,
            batch.first_slice,
            wanted.seed,
            batch.mr,
            normalize_ct(batch.truth.hu),
            batch.mask,
        )
        made = given(batch.first_slice, slices)
        for name, model in models.items():
            for prediction in model(slices, made, wanted.conditions.get(name)):
                predicted_hu = denormalize_ct(prediction.synthetic_ct)
                has_mask = prediction.condition in wanted.masked
                key = (name, prediction.condition)
                if key not in scores:
                    scores[key] = _Score(subject, *key, has_mask)
                scores[key].add(batch, predicted_hu)
                if has_mask:
                    kept += _kept(subject.name, name, batch, prediction, predicted_hu, wanted)
        on_batch(len(batch.mr))
    return [score.outcome() for score in scores.values()], kept


def _perturbations(
    models: Mapping[str, PerturbedInference], wanted: Wanted
) -> Iterator[Perturbation]:
    for name, model in models.items():
        conditions = wanted.conditions.get(name)
        for each in model.perturbations:
            if conditions is None or str(each) in conditions:
                yield each


def evaluate_lookup_table(subject: PreparedSubject, name: str, batch_size: int = 6) -> Outcome:
    """Scores the intensity look-up table that fits the subject itself best, on clean input.

    Args:
        subject: The table is fitted and scored on it: no table does better.
        name: What the outcome calls it among models.
        batch_size: Slices a batch.
    """
    table = LookupTable.fit(read_slices(subject))
    score = _Score(subject, name, CLEAN, has_mask=True)
    for batch in _batches(subject, batch_size):
        score.add(batch, table.predict(batch.mr))
    return score.outcome()


class _Score:
    """One model's scores on one subject in one condition, batch by batch."""

    def __init__(self, subject: PreparedSubject, model: str, condition: str, has_mask: bool):
        self._names = (subject.name, model, condition)
        # The challenge knows the volume itself: what pads it to the network's grid is left out.
        rows, columns = subject.plane
        self._plane = min(rows, subject.image_size), min(columns, subject.image_size)
        self._regions = VolumeMetrics()
        self._in_mask = MaskMetrics((subject.num_slices, *self._plane)) if has_mask else None

    def add(self, batch: _Batch, predicted_hu: np.ndarray) -> None:
        try:
            self._regions.update(batch.truth, predicted_hu)
        except ValueError as error:
            subject, model, condition = self._names
            raise ValueError(
                f"Model {model!r} on subject {subject!r} ({condition}): {error}"
            ) from error
        if self._in_mask is not None:
            volumes = (batch.truth.hu, predicted_hu, batch.mask)
            planes = (
                pad_or_crop(volume[..., 0], *self._plane, fill)
                for volume, fill in zip(volumes, (AIR_HU, AIR_HU, 0), strict=True)
            )
            self._in_mask.update(*planes)

    def outcome(self) -> Outcome:
        in_mask = None if self._in_mask is None else self._in_mask.result()
        return Outcome(*self._names, self._regions.result(), in_mask)


def _batches(subject: PreparedSubject, batch_size: int) -> Iterator[_Batch]:
    first_slice = 0
    for mr, ct_hu, mask in masked_batches(subject, batch_size).as_numpy_iterator():
        yield _Batch(first_slice, mr, CodedCT.of(ct_hu), mask)
        first_slice += len(mr)


def _kept(
    subject: str,
    model: str,
    batch: _Batch,
    prediction: Prediction,
    predicted_hu: np.ndarray,
    wanted: Wanted,
) -> Iterator[PredictedSlice]:
    for place in range(len(batch.mr)):
        if batch.first_slice + place in wanted.slices:
            yield PredictedSlice(
                subject,
                batch.first_slice + place,
                model,
                prediction.condition,
                mr=batch.mr[place, ..., 0],
                perturbed_mr=np.asarray(prediction.mr)[place, ..., 0],
                ct=batch.truth.hu[place, ..., 0],
                synthetic_ct=predicted_hu[place, ..., 0],
            )
