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
        ("pgd:0.06:steps=40:norm=2", "PGD 0.06, 40 steps, L2", "pgd_0.06_steps_40_norm_2"),
        (
            "apgd:0.06:target=no_bone:mask=body",
            "APGD 0.06, towards no bone, in the body",
            "apgd_0.06_target_no_bone_mask_body",
        ),
        ("transfer:0.06:from=a_b", "Transferred PGD 0.06, from a_b", "transfer_0.06_from_a_b"),
    ],
)
def test_labels_and_file_names(condition, label, name):
    assert condition_label(condition) == label
    assert file_name(condition) == name


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("fgsm:0.06", "up or down by 6 % of the MR's standard deviation, whichever way raises"),
        ("fgsm:0.025", "by 2.5 %"),
        ("fgsm:0", "switched off"),
        ("pgd:0.06", "takes 20 steps along the sign of the gradient, to raise the network's error"),
        ("pgd:1.5:norm=2", "by at most 1.5 in all"),
        ("fgsm:0.06:target=no_bone:mask=body", "bone is soft tissue; it changes the MR inside the"),
        ("square:0.06", "tries 600 random squares"),
        ("worst:0.06", "whichever of the attacks of size 0.06"),
        ("transfer:0.06:from=plain", "as PGD spoils it for plain"),
        ("gaussian:0.025", "typically 2.5 % of the MR's standard deviation"),
    ],
)
def test_phrases(condition, words):
    assert words in condition_phrase(condition)


def test_axes_name_the_unit():
    assert size_label("fgsm") == "FGSM, epsilon (in SD of the MR)"
    assert size_label("gaussian") == "Gaussian noise (in SD of the MR)"
