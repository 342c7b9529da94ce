import dataclasses
import json

import numpy as np
import pytest

from robmednas_tf.data.intensities import zscore
from robmednas_tf.data.preprocessing import AS_IN_PAPER, Preprocessing

MR = np.array([[[0, 0, 0, 0], [10, 20, 30, 40]]], np.float32)
BODY = np.array([[[0, 0, 0, 0], [1, 1, 1, 1]]], np.uint8)


def test_the_default_is_the_papers():
    assert Preprocessing() == AS_IN_PAPER
    assert AS_IN_PAPER.resampling((3, 4, 5), np.diag([0.7, 1.1, 3, 1])).is_identity
    np.testing.assert_array_equal(AS_IN_PAPER.zscored(MR, BODY), zscore(MR))
    assert not AS_IN_PAPER.needs_mask


def test_a_mask_chooses_whose_mean_and_deviation_count():
    # Mean 25, deviation sqrt(125), by hand; what lies outside is scaled alike.
    expected = (MR - 25) / np.sqrt(125)
    found = Preprocessing(zscore="mask").zscored(MR, BODY)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32
    inside = found[BODY > 0]
    assert (inside.mean(), inside.std()) == pytest.approx((0, 1), abs=1e-6)
    everywhere = Preprocessing(zscore="volume").zscored(MR, BODY)
    assert (everywhere.mean(), everywhere.std()) == pytest.approx((0, 1), abs=1e-6)


@pytest.mark.parametrize(("mask", "received"), [(None, "none"), (BODY * 0, "an empty one")])
def test_a_mask_that_is_needed_must_be_there(mask, received):
    with pytest.raises(ValueError, match=f"needs a body mask.*Received: {received}"):
        Preprocessing(zscore="mask").zscored(MR, mask)


def test_an_mr_that_is_constant_inside_the_mask_is_refused():
    with pytest.raises(ValueError, match="not constant"):
        Preprocessing(zscore="mask").zscored(MR, 1 - BODY)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"zscore": "brain"}, "zscore must be one of"),
        ({"spacing_mm": (1.0, 1.0)}, "three lengths"),
        ({"spacing_mm": (0.001, 1.0, 1.0)}, "each 0 or between 0.1 and 50"),
        ({"spacing_mm": (1.0, 1.0, 1000.0)}, "each 0 or between 0.1 and 50"),
        ({"spacing_mm": (1.0, -1.0, 1.0)}, "each 0 or between"),
        ({"spacing_mm": (1.0, np.nan, 1.0)}, "each 0 or between"),
        ({"spacing_mm": (1.0, np.inf, 1.0)}, "each 0 or between"),
    ],
)
def test_values_outside_their_domains_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(AS_IN_PAPER, **change)


@pytest.mark.parametrize(
    "preprocessing", [AS_IN_PAPER, Preprocessing("mask", (1.0, 0.1 + 0.2, 2.5))]
)
def test_records_are_read_as_they_were_written(preprocessing):
    record = json.loads(json.dumps(preprocessing.to_dict()))
    assert Preprocessing.from_dict(record) == preprocessing
    assert isinstance(Preprocessing.from_dict(record).spacing_mm, tuple)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"zscore": "mask"},
        {"zscore": "mask", "spacing_mm": None},
        {"zscore": "mask", "spacing_mm": [1, 2]},
        {"zscore": "mask", "spacing_mm": [1, 2, "x"]},
        {"zscore": "mask", "spacing_mm": "123"},
        {"zscore": "brain", "spacing_mm": [0, 0, 0]},
        {"zscore": ["mask"], "spacing_mm": [0, 0, 0]},
        {"zscore": "mask", "spacing_mm": [0, 0, -1]},
        {"zscore": "mask", "spacing_mm": [0, 0, 0], "clip": True},
        [],
        3,
        None,
    ],
)
def test_other_records_are_refused(record):
    with pytest.raises(ValueError, match="Not a record of preprocessing"):
        Preprocessing.from_dict(record)
