"""Scores of whole subjects, streamed, against arrays held whole."""

import math

import numpy as np
import pytest

from robmednas_tf.attacks.fgsm import fgsm
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.data.intensities import denormalize_ct, normalize_ct
from robmednas_tf.data.slices import read_slices
from robmednas_tf.evaluation.inference import AttackedInference, summarize
from robmednas_tf.evaluation.metrics import RegionScore, volume_scores
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet


@pytest.fixture(scope="module")
def model():
    block = Block("0100", 8)
    return build_unet(Architecture((block,), (block,)), (16, 16, 1), seed=1)


@pytest.fixture(scope="module")
def volume(prepared_heads):
    mr, ct = (
        np.stack(part)[..., None] for part in zip(*read_slices(prepared_heads[0]), strict=True)
    )
    return mr, ct


@pytest.mark.parametrize("batch_size", [3, 8])
def test_streamed_scores_are_those_of_the_whole_volume(model, prepared_heads, volume, batch_size):
    mr, ct = volume
    scores = AttackedInference(model, Perturbation("fgsm", 0.2), batch_size).score(
        prepared_heads[0]
    )
    attacked = fgsm(model, mr, normalize_ct(ct), 0.2)
    expected = {
        "clean": volume_scores(ct, denormalize_ct(model(mr))),
        "adversarial": volume_scores(ct, denormalize_ct(model(attacked))),
    }
    for condition, regions in expected.items():
        for region, score in regions.items():
            assert scores[condition][region].dice == pytest.approx(
                score.dice, abs=1e-3, nan_ok=True
            )
            assert scores[condition][region].mae == pytest.approx(score.mae, rel=1e-3, nan_ok=True)
    assert scores["adversarial"]["brain"].mae > scores["clean"]["brain"].mae


def test_a_panel_is_that_slice(model, prepared_heads, volume):
    mr, ct = volume
    panel = AttackedInference(model, Perturbation("fgsm", 0.2)).panel(prepared_heads[0], 5)
    np.testing.assert_array_equal(panel.mr, mr[5, ..., 0])
    np.testing.assert_array_equal(panel.ct, ct[5, ..., 0])
    np.testing.assert_allclose(
        panel.synthetic_ct, denormalize_ct(model(mr[5:6]))[0, ..., 0], atol=0.1
    )
    assert np.abs(panel.attacked_mr - panel.mr).max() == pytest.approx(0.2, abs=1e-5)


def subject(dice, mae):
    scores = {region: RegionScore(dice, mae) for region in REGIONS}
    return {"clean": scores, "adversarial": scores}


def test_summaries_average_over_regions_then_subjects():
    first, second = subject(0.8, 10.0), subject(0.6, 30.0)
    metrics = summarize([first, second])
    assert metrics["clean_dice"] == pytest.approx(0.7)
    assert metrics["adversarial_mae_bone"] == pytest.approx(20.0)
    assert len(metrics) == 2 * 2 * (1 + len(REGIONS))


def test_an_empty_region_is_left_out_of_the_means():
    whole, boneless = subject(0.8, 10.0), subject(0.6, 30.0)
    boneless["clean"] = {**boneless["clean"], "bone": RegionScore(math.nan, math.nan)}
    metrics = summarize([whole, boneless])
    assert metrics["clean_dice_bone"] == pytest.approx(0.8)
    assert metrics["clean_dice"] == pytest.approx(0.7)
    assert math.isnan(summarize([boneless])["clean_dice_bone"])
