from __future__ import annotations

import math

import pytest

from robmednas_tf.report import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, wording.UNDEFINED),
        (math.nan, wording.UNDEFINED),
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (599, "9 min 59 s"),
        (630, "10 min"),
        (3590, "1 h"),
        (11_520, "3 h 12 min"),
    ],
)
def test_duration(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, wording.UNDEFINED),
        (0, "0"),
        (999, "999"),
        (1000, "1 k"),
        (123_456, "123 k"),
        (999_400, "999 k"),
        (999_600, "1 M"),
        (1_240_000, "1.24 M"),
        (5.6e9, "5.6 G"),
    ],
)
def test_count(value, text):
    assert wording.count(value) == text


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("adversarial_dice", "Dice under attack, mean of four regions"),
        ("clean_mae_soft_tissue", "MAE (HU) on clean input, soft tissue"),
    ],
)
def test_metric_label(name, label):
    assert wording.metric_label(name) == label


def test_listed():
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
