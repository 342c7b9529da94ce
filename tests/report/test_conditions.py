from __future__ import annotations

import pytest

from robmednas_tf.report.conditions import condition_label, condition_phrase, file_name, size_label


@pytest.mark.parametrize(
    ("condition", "label", "name"),
    [
        ("clean", "clean", "clean"),
        ("fgsm:0.06", "FGSM 0.06", "fgsm_0.06"),
        ("gaussian:0.025", "Gaussian noise 0.025", "gaussian_0.025"),
        ("fgsm:1e-05", "FGSM 1e-05", "fgsm_1e-05"),
    ],
)
def test_labels_and_file_names(condition, label, name):
    assert condition_label(condition) == label
    assert file_name(condition) == name


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("fgsm:0.06", "up or down by 6 % of the MR's standard deviation, whichever way raises"),
        ("fgsm:0", "switched off"),
        ("gaussian:0.025", "typically 2.5 % of the MR's standard deviation"),
    ],
)
def test_phrases(condition, words):
    assert words in condition_phrase(condition)


def test_axes_name_the_unit():
    assert size_label("fgsm") == "FGSM, epsilon (in SD of the MR)"
    assert size_label("gaussian") == "Gaussian noise (in SD of the MR)"
