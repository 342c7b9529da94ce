"""Scoring a network on whole subjects, clean and under attack.

Source: paper sections 2.2 and 2.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robmednas_tf.attacks.attack import Slices
from robmednas_tf.attacks.fgsm import SliceModel
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.attacks.perturbations import PerturbedInference, Prediction
from robmednas_tf.data.intensities import denormalize_ct, normalize_ct
from robmednas_tf.data.prepared import PreparedSubject, evenly_spread
from robmednas_tf.data.slices import masked_batches
from robmednas_tf.evaluation.given import GivenPerturbations
from robmednas_tf.evaluation.metrics import CodedCT, RegionScore, VolumeMetrics, mean_over_regions
from robmednas_tf.evaluation.regions import REGIONS

CONDITIONS = ("clean", "adversarial")
# One chance for all candidates, epochs and seeds: a score differs by the network alone.
_SEED = 0

# A subject's scores: condition -> region -> score.
Scores = Mapping[str, Mapping[str, RegionScore]]


@dataclass(frozen=True, eq=False)
class Panel:
    """One slice and what a network makes of it, each array float32 `(height, width)`.

    Attributes:
        subject: The subject's name.
        slice_index: The slice's place among the subject's slices.
        mr: z-scored MR.
        attacked_mr: The same under attack.
        ct: CT in HU.
        synthetic_ct: Prediction from `mr` in HU.
        attacked_synthetic_ct: Prediction from `attacked_mr` in HU.
    """

    subject: str
    slice_index: int
    mr: np.ndarray
    attacked_mr: np.ndarray
    ct: np.ndarray
    synthetic_ct: np.ndarray
    attacked_synthetic_ct: np.ndarray


class AttackedInference:
    """Predicts batches clean and under one attack, which shares the clean pass.

    Args:
        model: From MR slices to normalised CT slices.
        attack: What spoils the MR, its chance following from the slice alone.
        batch_size: Slices a batch.
    """

    def __init__(self, model: SliceModel, attack: Perturbation, batch_size: int = 6):
        self._inference = PerturbedInference(model, [attack])
        self._batch_size = batch_size

    def score(self, subject: PreparedSubject) -> Scores:
        """Scores a subject's whole volume, slice by slice."""
        return self.score_and_error(subject)[0]

    def score_and_error(self, subject: PreparedSubject) -> tuple[Scores, float]:
        """Scores a subject like `score`; gives the mean squared error of the clean slices too.

        Returns:
            The scores, and the error of the normalised CT, as training minimises it.

        Raises:
            FloatingPointError: If a prediction is not finite, as of a training that went wrong.
        """
        metrics = {condition: VolumeMetrics() for condition in CONDITIONS}
        squared_error = 0.0
        for ct_hu, ct, (clean, attacked) in self._predictions(subject, self._batch_size):
            truth = CodedCT.of(ct_hu)
            _require_finite(subject.name, clean, attacked)
            metrics["clean"].update(truth, denormalize_ct(clean.synthetic_ct))
            metrics["adversarial"].update(truth, denormalize_ct(attacked.synthetic_ct))
            squared_error += float(np.square(ct - clean.synthetic_ct).mean(axis=(1, 2, 3)).sum())
        scores = {condition: metrics[condition].result() for condition in CONDITIONS}
        return scores, squared_error / subject.num_slices

    def panel(self, subject: PreparedSubject, slice_index: int) -> Panel:
        """Predicts one slice of a subject, for a figure."""
        ct_hu, _, (clean, attacked) = next(self._predictions(subject, 1, slice_index))
        return Panel(
            subject.name,
            slice_index,
            mr=np.asarray(clean.mr)[0, ..., 0],
            attacked_mr=np.asarray(attacked.mr)[0, ..., 0],
            ct=ct_hu[0, ..., 0],
            synthetic_ct=denormalize_ct(clean.synthetic_ct)[0, ..., 0],
            attacked_synthetic_ct=denormalize_ct(attacked.synthetic_ct)[0, ..., 0],
        )

    def _predictions(
        self, subject: PreparedSubject, batch_size: int, first_batch: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[Prediction, ...]]]:
        """Yields the CT in HU, the CT normalised, and the predictions, batch by batch."""
        given = GivenPerturbations(subject, self._inference.perturbations, {}, _SEED)
        first_slice = first_batch * batch_size
        batches = masked_batches(subject, batch_size).skip(first_batch)
        for mr, ct_hu, body in batches.as_numpy_iterator():
            ct = normalize_ct(ct_hu)
            slices = Slices.of(subject.name, first_slice, _SEED, mr, ct, body)
            made = given(first_slice, slices)
            yield ct_hu, ct, tuple(self._inference(slices, made))
            first_slice += len(mr)


def _require_finite(subject: str, *predictions: Prediction) -> None:
    for each in predictions:
        if not np.isfinite(each.synthetic_ct).all():
            raise FloatingPointError(
                f"The network's prediction of subject {subject!r} is not finite. "
                "Lower the learning rate."
            )


def evenly_spread_panels(
    inference: AttackedInference, subject: PreparedSubject, count: int = 3
) -> list[Panel]:
    """Predicts a few of a subject's slices for a report, from inferior to superior."""
    places = evenly_spread(subject.num_slices, count).tolist()
    return [inference.panel(subject, place) for place in places]


class AttackedValidation:
    """What an epoch logs of its validation subjects, clean and under attack, in one pass.

    Args:
        model: In training; evaluated in float32 with the weights it has when this is called.
        subjects: The validation subjects.
        attack: What spoils the MR.
        batch_size: Slices a batch.
    """

    def __init__(
        self,
        model: SliceModel,
        subjects: Sequence[PreparedSubject],
        attack: Perturbation,
        batch_size: int,
    ):
        self._inference = AttackedInference(model, attack, batch_size)
        self._subjects = subjects

    def __call__(self) -> dict[str, float]:
        """Returns `val_loss`, and `val_dice_clean` and `val_dice_adversarial`.

        The loss is the mean over slices; Dice is the mean over regions, then over subjects.
        """
        scores, errors = zip(*map(self._inference.score_and_error, self._subjects), strict=True)
        counts = [subject.num_slices for subject in self._subjects]
        metrics = summarize(scores)
        return {
            "val_loss": float(np.average(errors, weights=counts)),
            **{f"val_dice_{condition}": metrics[f"{condition}_dice"] for condition in CONDITIONS},
        }


def summarize(scores: Sequence[Scores]) -> dict[str, float]:
    """Averages subjects' scores into named metrics.

    Args:
        scores: One of each subject, at least one, all with the same conditions.

    Returns:
        `{condition}_{metric}` and `{condition}_{metric}_{region}` with condition `clean` or
        `adversarial` and metric `dice` or `mae` (HU): means over subjects, without a region also
        over the regions. What is undefined (NaN) is left out of a mean.
    """
    metrics = {}
    for condition in scores[0]:
        overall = [mean_over_regions(score[condition]) for score in scores]
        for place, metric in enumerate(("dice", "mae")):
            metrics[f"{condition}_{metric}"] = _mean([means[place] for means in overall])
            for region in REGIONS:
                values = [getattr(score[condition][region], metric) for score in scores]
                metrics[f"{condition}_{metric}_{region}"] = _mean(values)
    return metrics


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan
