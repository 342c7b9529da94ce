"""The slices that models are checked on: a few of every subject, at different heights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from robmednas_tf.attacks.attack import Slices
from robmednas_tf.data.intensities import normalize_ct
from robmednas_tf.data.prepared import PreparedSubject, evenly_spread
from robmednas_tf.data.slices import masked_batches

# A slice of a subject, by its place.
Place = tuple[PreparedSubject, int]


def places_to_check(subjects: Sequence[PreparedSubject], count: int) -> list[Place]:
    """Spreads slices over the subjects, and over their heights.

    Args:
        subjects: At least one.
        count: Slices that are wanted, >= 1.

    Returns:
        At most so many, each once, subject by subject.
    """
    shares = np.diff(np.round(np.linspace(0, count, len(subjects) + 1)).astype(int)).tolist()
    return [
        (subject, place)
        for subject, share in zip(subjects, shares, strict=True)
        for place in evenly_spread(subject.num_slices, share).tolist()
        if share
    ]


def read_sample(places: Sequence[Place], batch_size: int, seed: int) -> list[Slices]:
    """Reads slices in batches.

    Args:
        places: Subject by subject, as `places_to_check` gives them.
        batch_size: Slices a batch; the last one may hold fewer.
        seed: Of chance.
    """
    slices = [_read(subject, place, seed) for subject, place in places]
    return [_joined(slices[n : n + batch_size]) for n in range(0, len(slices), batch_size)]


def _read(subject: PreparedSubject, place: int, seed: int) -> Slices:
    mr, ct_hu, body = next(masked_batches(subject, 1).skip(place).as_numpy_iterator())
    return Slices.of(subject.name, place, seed, mr, normalize_ct(ct_hu), body)


def _joined(slices: Sequence[Slices]) -> Slices:
    names = [field.name for field in dataclasses.fields(Slices)]
    return Slices(*(tf.concat([getattr(each, name) for each in slices], axis=0) for name in names))
