import itertools

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.data.grid import SliceGrid, pad_or_crop, spans_space

ORIENTATIONS = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
SIZES = range(3, 11)


def _affine(order, signs, spacing_mm=(0.7, 1.0, 3.0)):
    """An affine whose file axis i runs along world axis order[i], in the direction signs[i]."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[world, axis] = sign * spacing_mm[axis]
    affine[:3, 3] = (-30, 12, 7)
    return affine


def _oblique(affine, degrees=20):
    turn = np.eye(4)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn[1:3, 1:3] = [[cos, -sin], [sin, cos]]
    return turn @ affine


def _volume(shape=(5, 6, 7)):
    return np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
@pytest.mark.parametrize("turned", [False, True])
def test_slices_run_superior_posterior_left(order, signs, turned):
    volume, affine = _volume(), _affine(order, signs)
    affine = _oblique(affine) if turned else affine
    ras = nib.as_closest_canonical(nib.Nifti1Image(volume, affine)).get_fdata()
    expected = ras[::-1, ::-1].transpose(2, 1, 0)
    slices = SliceGrid.of(volume.shape, affine, 7).to_slices(volume, fill=0)
    np.testing.assert_array_equal(pad_or_crop(slices, *expected.shape[1:], 0), expected)


def test_slices_of_an_lps_volume_are_its_transpose():
    volume = _volume((4, 4, 3))
    grid = SliceGrid.of(volume.shape, np.diag([-1.0, -1.0, 2.5, 1.0]), 4)
    np.testing.assert_array_equal(grid.to_slices(volume, 0), volume.transpose(2, 1, 0))
    assert (grid.num_slices, grid.crops) == (3, False)


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_there_and_back_is_the_identity_but_for_what_is_cut(order, signs):
    volume = _volume()
    for image_size in SIZES:
        grid = SliceGrid.of(volume.shape, _affine(order, signs), image_size)
        slices = grid.to_slices(volume, fill=-1)
        assert slices.shape == (grid.num_slices, image_size, image_size)
        back = grid.from_slices(slices, fill=-2)
        kept = back != -2
        np.testing.assert_array_equal(back[kept], volume[kept])
        plane = [size for axis, size in enumerate(volume.shape) if order[axis] != 2]
        num_kept = grid.num_slices * min(image_size, plane[0]) * min(image_size, plane[1])
        assert np.count_nonzero(kept) == num_kept
        assert grid.crops == (not kept.all())
        np.testing.assert_array_equal(grid.to_slices(back, fill=-1), slices)


def test_results_are_new_arrays():
    volume = _volume((5, 5, 3))
    grid = SliceGrid.of(volume.shape, np.eye(4), 5)
    slices = grid.to_slices(volume, 0)
    slices[:] = 0
    assert volume.min() == 1
    grid.from_slices(slices, 0)[:] = 9
    assert slices.max() == 0


@pytest.mark.parametrize(
    ("size", "target", "expected"),
    [
        (3, 5, [0, 1, 2, 3, 0]),
        (3, 6, [0, 1, 2, 3, 0, 0]),
        (4, 5, [1, 2, 3, 4, 0]),
        (5, 3, [2, 3, 4]),
        (5, 4, [1, 2, 3, 4]),
        (6, 3, [2, 3, 4]),
        (3, 3, [1, 2, 3]),
    ],
)
def test_pad_or_crop_is_central(size, target, expected):
    row = np.arange(1, size + 1)
    np.testing.assert_array_equal(pad_or_crop(row[None], 1, target, 0), [expected])
    np.testing.assert_array_equal(pad_or_crop(row[:, None], target, 1, 0)[:, 0], expected)


def test_pad_or_crop_pads_one_axis_and_crops_the_other():
    slices = np.arange(2 * 2 * 4).reshape(2, 2, 4)
    result = pad_or_crop(slices, 4, 2, -1)
    np.testing.assert_array_equal(result[1], [[-1, -1], [9, 10], [13, 14], [-1, -1]])
    assert result.dtype == slices.dtype


def _with(affine, place, value):
    affine = affine.copy()
    affine[place] = value
    return affine


@pytest.mark.parametrize(
    "affine",
    [
        _with(np.eye(4), np.s_[:, 1], 0),
        _with(np.eye(4), (0, 0), np.nan),
        _with(np.eye(4), (2, 3), np.inf),
        _with(np.eye(4), np.s_[:3, 1], [1, 0, 0]),
        np.eye(3),
    ],
)
def test_degenerate_affine_is_refused(affine):
    assert not spans_space(affine)
    with pytest.raises(ValueError, match="must span space"):
        SliceGrid.of((4, 4, 4), affine, 4)


def test_tiny_and_uneven_voxels_are_not_degenerate():
    assert spans_space(np.diag([1e-4, 2e-4, 5.0, 1.0]))


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4, 4), (4, 0, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="three axes"):
        SliceGrid.of(shape, np.eye(4), 4)


def test_mismatched_arrays_are_refused():
    grid = SliceGrid.of((4, 5, 6), np.eye(4), 8)
    with pytest.raises(ValueError, match=r"\(4, 5, 6\).*\(5, 4, 6\)"):
        grid.to_slices(np.zeros((5, 4, 6)), 0)
    with pytest.raises(ValueError, match=r"\(6, 8, 8\).*\(6, 8, 7\)"):
        grid.from_slices(np.zeros((6, 8, 7)), 0)
    with pytest.raises(ValueError, match="image_size must be > 0"):
        SliceGrid.of((4, 5, 6), np.eye(4), 0)
