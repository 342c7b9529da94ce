import numpy as np
import pytest

from robmednas_tf.data.cohort import open_folder
from robmednas_tf.data.intensities import zscore
from robmednas_tf.evaluation.lookup import HIGHEST_MR, LOWEST_MR, LookupTable


def _pairs(num_pairs=3, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(num_pairs):
        mr = rng.normal(0, 2, (6, 7, 5)).astype(np.float32)
        yield mr, (100 * mr + rng.normal(0, 50, mr.shape)).astype(np.float32)


def _naive_bin(value, num_bins):
    width = (HIGHEST_MR - LOWEST_MR) / num_bins
    for number in range(num_bins - 1):
        if value < LOWEST_MR + (number + 1) * width:
            return number
    return num_bins - 1


def test_table_equals_a_naive_loop():
    num_bins = 8
    fallen = [[] for _ in range(num_bins)]
    for mr, ct_hu in _pairs():
        for value, hu in zip(mr.ravel(), ct_hu.ravel(), strict=True):
            fallen[_naive_bin(value, num_bins)].append(float(hu))
    table = LookupTable.fit(_pairs(), num_bins)
    np.testing.assert_allclose(table.ct_hu, [np.mean(values) for values in fallen])
    mr, _ = next(_pairs(1, seed=9))
    expected = [table.ct_hu[_naive_bin(value, num_bins)] for value in mr.ravel()]
    predicted = table.predict(mr)
    np.testing.assert_allclose(predicted.ravel(), expected, rtol=1e-6)
    assert (predicted.shape, predicted.dtype) == (mr.shape, np.float32)


def test_means_are_over_voxels_not_subjects():
    pairs = [(np.zeros(3), np.full(3, 100.0)), (np.zeros(1), np.full(1, 500.0))]
    assert LookupTable.fit(pairs).predict(np.zeros(1)) == 200


def test_outliers_share_the_outermost_bins():
    mr, ct_hu = np.array([-1e6, LOWEST_MR, HIGHEST_MR, 1e6]), np.array([-1000.0, -900, 100, 300])
    table = LookupTable.fit([(mr, ct_hu)])
    np.testing.assert_array_equal(table.predict(mr), [-950, -950, 200, 200])


def test_empty_bins_are_interpolated_and_the_ends_carried_on():
    # Bins of width 1: of eight, the second and the fourth are filled.
    width = (HIGHEST_MR - LOWEST_MR) / 8
    mr = LOWEST_MR + width * np.array([1.5, 3.5])
    table = LookupTable.fit([(mr, np.array([10.0, 30.0]))], num_bins=8)
    np.testing.assert_array_equal(table.ct_hu, [10, 10, 20, 30, 30, 30, 30, 30])


def test_no_table_of_its_size_fits_its_own_subjects_better():
    mr, ct_hu = next(_pairs(1))
    table = LookupTable.fit([(mr, ct_hu)], num_bins=16)
    error = np.mean((table.predict(mr) - ct_hu) ** 2)
    for number in range(16):
        for step in (-1, 1):
            other = table.ct_hu.copy()
            other[number] += step
            assert np.mean((LookupTable(other).predict(mr) - ct_hu) ** 2) >= error


def test_no_subject_and_no_bin_are_refused():
    with pytest.raises(ValueError, match="at least one MR and CT"):
        LookupTable.fit([])
    with pytest.raises(ValueError, match="num_bins must be > 0"):
        LookupTable.fit(_pairs(), 0)


def test_pairs_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"one shape.*\(2, 3\).*\(3, 2\)"):
        LookupTable.fit([(np.zeros((2, 3)), np.zeros((3, 2)))])


def test_real_patients_fit_better_than_a_constant(sts):
    cohort = open_folder(sts)
    pairs = [
        subject.read() for subject in (cohort["STS_012"], cohort["STS_015"], cohort["STS_024"])
    ]
    (held_out, *training) = [(zscore(pair.mr), pair.ct) for pair in pairs]
    table = LookupTable.fit(training)
    mr, ct_hu = held_out
    constant = np.median(np.concatenate([ct.ravel() for _, ct in training]))
    assert np.abs(table.predict(mr) - ct_hu).mean() < np.abs(constant - ct_hu).mean()
