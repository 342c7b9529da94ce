import dataclasses
import math
import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from robmednas_tf.data.phantom import make_head
from robmednas_tf.data.subjects import FolderSubject
from robmednas_tf.evaluation.outcomes import MaskScore
from robmednas_tf.evaluation.synthrad import MaskMetrics, mask_scores

RANGE = 4024
INTERIOR = (slice(3, -3),) * 3


def _case(shape, seed=0):
    """A CT with structure and values beyond the range, a worse one, and an ellipsoid's mask."""
    rng = np.random.default_rng(seed)
    coarse, wrong = (ndimage.gaussian_filter(rng.normal(0, 1, shape), 4) for _ in range(2))
    y_true = 700 * coarse / coarse.std() + rng.normal(0, 150, shape)
    y_pred = 0.6 * y_true + 300 * wrong / wrong.std() + rng.normal(0, 250, shape)
    y_true.flat[:: y_true.size // 40] = 3500
    y_pred.flat[:: y_true.size // 50] = -4000
    axes = np.meshgrid(*((np.arange(n) + 0.5) / n for n in shape), indexing="ij", sparse=True)
    return y_true, y_pred, sum((axis - 0.55) ** 2 for axis in axes) < 0.3


def _prepared(hu, mask):
    return np.where(mask, np.clip(np.asarray(hu, np.float64), -1024, 3000), -1024) + 1024


def _skimage_ssim(y_true, y_pred, mask):
    _, similarity = structural_similarity(
        _prepared(y_true, mask), _prepared(y_pred, mask), data_range=RANGE, full=True
    )
    return similarity[INTERIOR][mask[INTERIOR] > 0].mean()


def _naive_level(x, y, mask, weight):
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = (
        ndimage.uniform_filter(values, 7) for values in (x, y, x * x, y * y, x * y)
    )
    c1, c2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
    c3 = c2 / 2
    var_x = np.maximum(343 / 342 * (mean_xx - mean_x**2), 0)
    var_y = np.maximum(343 / 342 * (mean_yy - mean_y**2), 0)
    covariance = 343 / 342 * (mean_xy - mean_x * mean_y)
    both = np.sqrt(var_x) * np.sqrt(var_y)
    terms = (
        (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1),
        (2 * both + c2) / (var_x + var_y + c2),
        (covariance + c3) / (both + c3),
    )
    product = math.prod(np.maximum(term, 0) ** weight for term in terms)
    return product[INTERIOR][mask[INTERIOR]].mean()


def _naive_ms_ssim(y_true, y_pred, mask):
    """The definition of 2025 on volumes held as a whole."""
    x, y = _prepared(y_true, mask), _prepared(y_pred, mask)
    missing = [max(0, 97 - size) for size in mask.shape]
    padding = [(count // 2, count - count // 2) for count in missing]
    x, y, mask = (np.pad(values, padding, mode="edge") for values in (x, y, mask))
    result = 1.0
    for weight in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):
        result *= _naive_level(x, y, mask, weight)
        x, y = (
            ndimage.uniform_filter(values, 2, mode="reflect")[::2, ::2, ::2] for values in (x, y)
        )
        mask = mask[::2, ::2, ::2]
    return result


def _streamed(y_true, y_pred, mask, step):
    metrics = MaskMetrics(mask.shape)
    for start in range(0, len(mask), step):
        part = slice(start, start + step)
        metrics.update(y_true[part], y_pred[part], mask[part])
    return metrics.result()


@pytest.fixture(scope="module")
def case():
    return _case((24, 40, 37))


@pytest.fixture(scope="module")
def case_score(case):
    return mask_scores(*case)


def test_errors_worked_out_by_hand():
    y_true = np.array([[[0.0, 100, 4000, -2000, 7]]])
    y_pred = np.array([[[10.0, 70, 3500, -1000, 9999]]])
    score = mask_scores(y_true, y_pred, np.array([[[1, 1, 1, 1, 0]]], np.uint8))
    assert score.mae == (10 + 30 + 500 + 1000) / 4
    # Clipped: 3000 in both, -1024 against -1000.
    assert score.psnr == pytest.approx(10 * math.log10(RANGE**2 / ((100 + 900 + 0 + 576) / 4)))


def test_truth_itself_is_perfect_without_a_warning(case):
    y_true, _, mask = case
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = mask_scores(y_true, y_true, mask)
    assert score == MaskScore(mae=0, psnr=math.inf, ssim=1, ms_ssim=1)


@pytest.mark.parametrize(
    "shape", [(7, 7, 7), (8, 30, 21), (24, 40, 37), (101, 20, 19), (9, 99, 104)]
)
@pytest.mark.parametrize("where", ["ellipsoid", "everywhere", "corners", "scattered"])
def test_ssim_is_that_of_scikit_image(shape, where):
    y_true, y_pred, mask = _case(shape)
    if where == "everywhere":
        mask = np.ones(shape, bool)
    elif where == "corners":
        mask = np.zeros(shape, bool)
        mask[:4, :4, :4] = mask[-4:, -4:, -4:] = True
    elif where == "scattered":
        mask = np.random.default_rng(1).random(shape) < 0.5
        mask[3, 3, 3] = True
    expected = _skimage_ssim(y_true, y_pred, mask)
    assert mask_scores(y_true, y_pred, mask).ssim == pytest.approx(expected, abs=1e-10)


def test_psnr_is_that_of_scikit_image(case, case_score):
    y_true, y_pred, mask = case
    clipped = [np.clip(hu, -1024, 3000)[mask] for hu in (y_true, y_pred)]
    expected = peak_signal_noise_ratio(*clipped, data_range=RANGE)
    assert case_score.psnr == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(24, 40, 37), (101, 30, 98), (1, 97, 20), (98, 97, 99)])
def test_ms_ssim_equals_the_definition_on_the_whole_volume(shape):
    y_true, y_pred, mask = _case(shape)
    expected = _naive_ms_ssim(y_true, y_pred, mask)
    assert 0.3 < expected < 0.9
    assert mask_scores(y_true, y_pred, mask).ms_ssim == pytest.approx(expected, rel=1e-9)


def test_structure_turned_over_counts_as_none():
    y_true, _, _ = _case((24, 30, 28))
    mask, turned = np.ones(y_true.shape, bool), -y_true
    score = mask_scores(y_true, turned, mask)
    assert score.ssim == pytest.approx(_skimage_ssim(y_true, turned, mask), abs=1e-10)
    assert score.ssim < 0
    assert score.ms_ssim == pytest.approx(_naive_ms_ssim(y_true, turned, mask), rel=1e-9)
    assert 0 <= score.ms_ssim < 0.1


@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("shape", [(24, 40, 37), (103, 17, 22)])
def test_slice_by_slice_equals_all_at_once(shape, step):
    case = _case(shape)
    assert _streamed(*case, step) == mask_scores(*case)


@pytest.mark.parametrize("axes", [(1, 2, 0), (2, 1, 0)])
def test_slices_may_run_along_any_axis(case, case_score, axes):
    score = mask_scores(*(volume.transpose(axes) for volume in case))
    assert dataclasses.astuple(score) == pytest.approx(dataclasses.astuple(case_score), rel=1e-10)


def test_slices_in_another_order_are_another_volume(case):
    y_true, y_pred, mask = case
    order = np.random.default_rng(0).permutation(len(mask))
    # Not the mask's, lest it lose the centre, all that the coarsest scale sees of this volume.
    inside = np.broadcast_to(mask.any(axis=0), mask.shape)
    case_score = mask_scores(y_true, y_pred, inside)
    score = mask_scores(y_true[order], y_pred[order], inside)
    assert score.mae == pytest.approx(case_score.mae)
    assert score.psnr == pytest.approx(case_score.psnr)
    assert abs(score.ssim - case_score.ssim) > 0.01
    assert abs(score.ms_ssim - case_score.ms_ssim) > 0.01


def test_values_outside_the_mask_do_not_matter(case, case_score):
    y_true, y_pred, mask = case
    other = [np.where(mask, hu, value) for hu, value in ((y_true, 500), (y_pred, -77))]
    assert mask_scores(*other, mask) == case_score


def test_values_beyond_the_range_matter_to_mae_alone(case, case_score):
    y_true, y_pred, mask = case
    score = mask_scores(y_true, np.where(y_pred < -1024, -9000, y_pred), mask)
    assert score.mae > case_score.mae
    assert dataclasses.replace(score, mae=case_score.mae) == case_score


def test_types_do_not_matter(case):
    y_true, y_pred, mask = case
    y_true, y_pred = np.rint(y_true).astype(np.int16), np.rint(y_pred).astype(np.int16)
    score = mask_scores(y_true, y_pred, mask)
    assert mask_scores(y_true, y_pred, mask.astype(np.uint8) * 255) == score
    assert mask_scores(y_true.astype(np.float32), y_pred.astype(float), mask) == score


def test_integers_do_not_wrap_around():
    y_true, y_pred = np.full((1, 1, 1), 30_000, np.int16), np.full((1, 1, 1), -10_000, np.int16)
    score = mask_scores(y_true, y_pred, np.ones((1, 1, 1), bool))
    assert (score.mae, score.psnr) == (40_000, 0)


def test_a_constant_keeps_a_high_ssim_whatever_its_mae():
    head = make_head((40, 40, 24))
    y_true, inside = (np.moveaxis(volume, 2, 0) for volume in (head.ct, head.mask > 0))
    constant = np.full(y_true.shape, y_true[inside].mean())
    score = mask_scores(y_true, constant, inside)
    assert score.mae > 200
    assert score.ssim > 0.3
    assert score.ssim == pytest.approx(_skimage_ssim(y_true, constant, inside), abs=1e-10)
    assert score.ms_ssim == pytest.approx(_naive_ms_ssim(y_true, constant, inside), rel=1e-9)


@pytest.mark.parametrize("shape", [(6, 20, 20), (20, 1, 20), (20, 20, 6)])
def test_ssim_of_volumes_thinner_than_its_window_is_undefined(shape):
    y_true, y_pred, mask = _case(shape)
    score = mask_scores(y_true, y_pred, mask)
    assert math.isnan(score.ssim)
    assert score.mae == pytest.approx(np.abs(y_true - y_pred)[mask].mean())
    assert score.psnr > 0
    assert 0 < score.ms_ssim < 1


def test_a_mask_at_the_faces_alone_has_no_ssim():
    y_true, y_pred, _ = _case((99, 99, 99))
    mask = np.zeros(y_true.shape, bool)
    mask[:3] = True
    score = mask_scores(y_true, y_pred, mask)
    assert math.isnan(score.ssim)
    assert math.isnan(score.ms_ssim)
    assert score.mae > 0


def test_a_mask_lost_on_a_coarse_scale_has_no_ms_ssim(case):
    y_true, y_pred, mask = case
    mask = np.zeros_like(mask)
    # After 36, 28 and 30 voxels of padding an odd place, which no halving keeps.
    mask[11, 11, 11] = True
    score = mask_scores(y_true, y_pred, mask)
    assert math.isnan(score.ms_ssim)
    assert score.ssim == pytest.approx(_skimage_ssim(y_true, y_pred, mask), abs=1e-10)


@pytest.mark.parametrize("shape", [(8, 9, 10), (2, 2, 2)])
def test_an_empty_mask_leaves_everything_undefined(shape):
    volume = np.zeros(shape)
    score = mask_scores(volume, volume + 1, volume > 0)
    assert all(map(math.isnan, dataclasses.astuple(score)))


def test_a_result_may_be_asked_for_twice(case, case_score):
    metrics = MaskMetrics(case[0].shape)
    metrics.update(*case)
    assert metrics.result() == metrics.result() == case_score


def test_memory_does_not_grow_with_the_number_of_slices():
    mask = np.zeros((1, 32, 32), bool)
    mask[0, 14:18, 14:18] = True
    y_true = np.random.default_rng(0).normal(0, 500, mask.shape)
    peaks = []
    tracemalloc.start()
    for num_slices in (20, 500):
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        metrics = MaskMetrics((num_slices, 32, 32))
        for _ in range(num_slices):
            metrics.update(y_true, y_true + 1, mask)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
        del metrics
    tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6, 1), (0, 5, 6), (4, -5, 6)])
def test_shapes_that_are_no_volumes_are_refused(shape):
    with pytest.raises(ValueError, match="three numbers of 1 or more"):
        MaskMetrics(shape)


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("shape", [(2, 5, 7), (1, 6, 5), (5, 6), (3, 5, 6), (2, 5, 6, 1), (5,), ()])
def test_one_array_of_another_shape_is_refused(part, shape):
    volumes = [np.zeros((2, 5, 6)) for _ in range(3)]
    volumes[part] = np.zeros(shape)
    with pytest.raises(ValueError, match=r"one shape.*\(4, 5, 6\).*Received"):
        MaskMetrics((4, 5, 6)).update(*volumes)


@pytest.mark.parametrize("shape", [(2, 6, 5), (5, 6), (0, 5, 6), ()])
def test_slices_of_another_volume_are_refused(shape):
    with pytest.raises(ValueError, match=r"one shape.*\(4, 5, 6\).*Received"):
        MaskMetrics((4, 5, 6)).update(*[np.zeros(shape)] * 3)


def test_more_slices_than_announced_are_refused_and_not_counted(case, case_score):
    metrics = MaskMetrics(case[0].shape)
    metrics.update(*(volume[:20] for volume in case))
    with pytest.raises(ValueError, match=r"announced with 24 slices.*5 where 4 are missing"):
        metrics.update(*(volume[:5] for volume in case))
    metrics.update(*(volume[20:] for volume in case))
    assert metrics.result() == case_score


def test_fewer_slices_than_announced_have_no_result(case):
    metrics = MaskMetrics(case[0].shape)
    metrics.update(*(volume[:20] for volume in case))
    with pytest.raises(ValueError, match=r"All slices.*20 of 24"):
        metrics.result()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", [0, 1])
def test_values_not_finite_are_refused_even_outside_the_mask(bad, part):
    volumes = [np.zeros((2, 2, 2)), np.zeros((2, 2, 2))]
    volumes[part][1, 1, 1] = bad
    with pytest.raises(ValueError, match=r"finite.*1 of 8"):
        mask_scores(*volumes, np.zeros((2, 2, 2), bool))


def test_real_patient_against_a_constant(sts):
    pair = FolderSubject("STS_024", sts / "STS_024").read()
    ct, mask = np.moveaxis(pair.ct, 2, 0), np.moveaxis(pair.mask, 2, 0)
    air, mean = np.full_like(ct, -1000), np.full_like(ct, ct[mask > 0].mean())
    of_air, of_mean = (_streamed(ct, constant, mask, 1) for constant in (air, mean))
    assert of_air.ssim == pytest.approx(_skimage_ssim(ct, air, mask), abs=1e-10)
    assert of_mean.ssim == pytest.approx(_skimage_ssim(ct, mean, mask), abs=1e-10)
    # The mean's SSIM would pass for a good model's.
    assert of_mean.ssim > 0.76
    assert of_air.mae > 900
    assert 50 < of_mean.mae < 110
