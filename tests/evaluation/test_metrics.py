import math

import numpy as np
import pytest

from robmednas_tf.data.subjects import FolderSubject
from robmednas_tf.evaluation.metrics import RegionScore, VolumeMetrics, mean_over_regions
from robmednas_tf.evaluation.regions import REGIONS


def _score(*updates):
    metrics = VolumeMetrics()
    for y_true, y_pred in updates:
        metrics.update(np.asarray(y_true), np.asarray(y_pred))
    return metrics.result()


def _volumes(seed=0, shape=(5, 8, 9)):
    rng = np.random.default_rng(seed)
    y_true = rng.choice([-1000, -600, -400, 40, 250, 400, 900], shape).astype(np.float32)
    return y_true, (y_true + rng.normal(0, 200, shape)).astype(np.float32)


def _naive(y_true, y_pred, region):
    """Dice and MAE of one region, voxel by voxel."""
    num_true = num_pred = num_both = error = 0
    for z in range(y_true.shape[0]):
        for y in range(y_true.shape[1]):
            for x in range(y_true.shape[2]):
                true, pred = float(y_true[z, y, x]), float(y_pred[z, y, x])
                num_true += region.contains(true)
                num_pred += region.contains(pred)
                num_both += region.contains(true) and region.contains(pred)
                error += abs(true - pred) if region.contains(true) else 0
    return 2 * num_both / (num_true + num_pred), error / num_true


def test_scores_worked_out_by_hand():
    scores = _score(([-1000, -1000, 40, 100, 700], [-1000, 0, 40, 700, 600]))
    # Brain: truth 3, prediction 4, both 3; errors 0, 600, 100.
    assert scores["brain"] == RegionScore(dice=6 / 7, mae=700 / 3)
    # Air: truth 2, prediction 1, both 1; errors 0, 1000.
    assert scores["air"] == RegionScore(dice=2 / 3, mae=500)
    # Bone: truth 1, prediction 2, both 1; error 100.
    assert scores["bone"] == RegionScore(dice=2 / 3, mae=100)
    # Soft tissue: truth 2, prediction 2, both 1; errors 0, 600.
    assert scores["soft_tissue"] == RegionScore(dice=1 / 2, mae=300)


@pytest.mark.parametrize("name", REGIONS)
def test_scores_equal_a_naive_loop(name):
    y_true, y_pred = _volumes()
    dice, mae = _naive(y_true, y_pred, REGIONS[name])
    score = _score((y_true, y_pred))[name]
    assert score.dice == pytest.approx(dice, rel=1e-12)
    assert score.mae == pytest.approx(mae, rel=1e-12)


def test_slice_by_slice_equals_all_at_once():
    y_true, y_pred = _volumes()
    at_once = _score((y_true, y_pred))
    batched = _score((y_true[:2], y_pred[:2]), (y_true[2:], y_pred[2:]))
    sliced = _score(*zip(y_true, y_pred, strict=True))
    for name in REGIONS:
        for other in (batched[name], sliced[name]):
            assert other.dice == at_once[name].dice
            assert other.mae == pytest.approx(at_once[name].mae, rel=1e-12)


def test_the_whole_volume_is_scored_not_the_mean_of_slices():
    full, empty = np.full((2, 2), 900), np.full((2, 2), 0)
    one = np.array([[900, 0], [0, 0]])
    # By slices Dice would be (1 + 0) / 2; over the volume it is 2 * 4 / (5 + 4).
    assert _score((full, full), (one, empty))["bone"].dice == 8 / 9


def test_truth_itself_scores_one_and_zero():
    y_true, _ = _volumes()
    assert set(_score((y_true, y_true)).values()) == {RegionScore(dice=1, mae=0)}


def test_region_empty_in_both_is_undefined():
    scores = _score(([0, -1000], [10, -1000]))
    assert math.isnan(scores["bone"].dice)
    assert math.isnan(scores["bone"].mae)


def test_region_empty_in_truth_alone_scores_zero_without_mae():
    scores = _score(([0, -1000], [900, -1000]))
    assert scores["bone"].dice == 0
    assert math.isnan(scores["bone"].mae)


def test_region_empty_in_prediction_alone_scores_zero_with_mae():
    assert _score(([900, -1000], [0, -1000]))["bone"] == RegionScore(dice=0, mae=900)


def test_nothing_added_is_undefined_everywhere():
    assert all(math.isnan(score.dice) for score in _score().values())


def test_integers_do_not_wrap_around():
    y_true, y_pred = np.array([30_000], np.int16), np.array([-10_000], np.int16)
    assert _score((y_true, y_pred))["bone"].mae == 40_000


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"one shape.*\(4, 4\).*\(4, 1\)"):
        VolumeMetrics().update(np.zeros((4, 4)), np.zeros((4, 1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_predictions_not_finite_are_refused_and_not_counted(bad):
    metrics = VolumeMetrics()
    metrics.update(np.array([900.0, 0]), np.array([900.0, 0]))
    with pytest.raises(ValueError, match=r"finite.*1 of 2"):
        metrics.update(np.array([900.0, 0]), np.array([bad, 0]))
    assert metrics.result()["bone"] == RegionScore(dice=1, mae=0)


def test_mean_leaves_the_undefined_out():
    scores = {
        "a": RegionScore(0.5, 100),
        "b": RegionScore(0.0, math.nan),
        "c": RegionScore(math.nan, math.nan),
    }
    assert mean_over_regions(scores) == (0.25, 100)


def test_mean_of_the_undefined_is_undefined():
    dice, mae = mean_over_regions({"a": RegionScore(math.nan, math.nan)})
    assert math.isnan(dice)
    assert math.isnan(mae)


def test_real_patient_without_bone(sts):
    ct = FolderSubject("STS_041", sts / "STS_041").read().ct
    scores = _score((ct, ct))
    assert math.isnan(scores["bone"].dice)
    assert mean_over_regions(scores) == (1, 0)
