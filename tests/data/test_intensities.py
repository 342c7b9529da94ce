import numpy as np
import pytest

from robmednas_tf.data.intensities import denormalize_ct, normalize_ct, to_hu, zscore


def test_zscore_worked_out_by_hand():
    # Mean 4, variance ((-3)^2 + (-1)^2 + 1^2 + 3^2) / 4 = 5.
    mr = np.array([1, 3, 5, 7], np.int16)
    np.testing.assert_allclose(zscore(mr), np.array([-3, -1, 1, 3]) / np.sqrt(5), rtol=1e-6)
    assert zscore(mr).dtype == np.float32


def test_zscore_keeps_its_precision_far_from_zero():
    # Where float32 sums would be off by whole units.
    mr = np.random.default_rng(0).normal(30_000, 2, (100, 100, 40)).astype(np.float32)
    scaled = zscore(mr).astype(np.float64)
    assert abs(scaled.mean()) < 1e-6
    assert abs(scaled.std() - 1) < 1e-6


@pytest.mark.parametrize("values", [[2, 2, 2], [1, np.nan, 2], [1, np.inf, 2]])
def test_zscore_refuses(values):
    with pytest.raises(ValueError, match="finite and not constant"):
        zscore(np.array(values, np.float32))


def test_ct_normalisation_worked_out_by_hand():
    np.testing.assert_allclose(normalize_ct(np.array([-1000, 1250, 3750])), [-0.9, 0, 1])
    assert normalize_ct(np.array([40])).dtype == np.float32


def test_ct_there_and_back():
    ct_hu = np.arange(-1024, 3072, dtype=np.float32)
    np.testing.assert_allclose(denormalize_ct(normalize_ct(ct_hu)), ct_hu, atol=1e-3)


def test_to_hu_raises_padding_and_keeps_the_rest():
    values = np.array([-3024, -1025, -1024, -1000, 0, 1500], np.float32)
    np.testing.assert_array_equal(to_hu(values, 0, "CT"), [-1024, -1024, -1024, -1000, 0, 1500])


def test_to_hu_adds_the_bias():
    np.testing.assert_array_equal(
        to_hu(np.array([0, 1040, 2500], np.int16), -1000, "CT"), [-1000, 40, 1500]
    )


@pytest.mark.parametrize(
    ("low", "high", "ct_bias", "says"),
    [
        (0, 2500, 0, "--ct_bias=-1000"),
        (-24, 2500, 0, "--ct_bias=-1000"),
        (-400, 2500, 0, "Convert the file"),
        (0, 1, 0, "Convert the file"),
        (-20_000, 2500, 0, "Convert the file"),
        (-1000, -1, 0, "Convert the file"),
        (-1000, 60_000, 0, "Convert the file"),
        (-1000, 1500, 1000, "--ct_bias=0"),
        (-1000, 1500, -1000, "--ct_bias=0"),
        (-1024, 1500, -1024, "--ct_bias=0"),
    ],
)
def test_to_hu_refuses_what_is_not_hu_and_says_what_to_do(low, high, ct_bias, says):
    with pytest.raises(ValueError, match=says) as refusal:
        to_hu(np.array([low, high], np.float32), ct_bias, "CT of subject 'a'")
    assert f"{low:g} to {high:g}" in str(refusal.value)
    assert "CT of subject 'a'" in str(refusal.value)


@pytest.mark.parametrize("low, high", [(-500, 0), (-10_000, 40_000), (-1000, 181)])
def test_to_hu_accepts_the_limits(low, high):
    assert to_hu(np.array([low, high], np.float32), 0, "CT").max() == high
