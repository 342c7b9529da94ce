"""Resampling against other programs, against a naive loop, and by what it must leave alone."""

import itertools

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import map_coordinates

from robmednas_tf.data.resample import Resampling

SPACING = (0.8, 1.5, 3.0)
ALL_AXES = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in ((1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, 1, -1))
]


def _affine(order=(0, 1, 2), signs=(1, 1, 1), spacing=SPACING, degrees=0.0):
    """File axis i runs along world axis order[i], in the direction signs[i], `spacing[i]` mm."""
    affine = np.zeros((4, 4))
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[world, axis] = sign * spacing[axis]
    affine[:, 3] = (-30, 12, 7, 1)
    turn = nib.eulerangles.euler2mat(np.deg2rad(degrees), np.deg2rad(degrees / 2), 0)
    return nib.affines.from_matvec(turn) @ affine


def _noise(shape, seed=0):
    return np.random.default_rng(seed).normal(0, 100, shape).astype(np.float32)


def _places(way):
    """Returns where each new voxel lies in the own grid, by way of the world: `(3, *new_shape)`."""

    def of(own_affine):
        to_own = np.linalg.inv(own_affine) @ way.new_affine
        new = np.indices(way.new_shape).reshape(3, -1).T
        return nib.affines.apply_affine(to_own, new).T.reshape(3, *way.new_shape)

    return of


def _inside(places, shape, margin=0.0):
    limits = np.array(shape).reshape(3, 1, 1, 1) - 1
    return ((places >= margin - 1e-6) & (places <= limits - margin + 1e-6)).all(axis=0)


@pytest.mark.parametrize("degrees", [0, 17])
@pytest.mark.parametrize("wanted", [(0.5, 0.7, 1.1), (0.8, 1.0, 1.0), (0.4, 0, 0)])
def test_finer_grids_are_interpolated_linearly(wanted, degrees):
    affine = _affine(degrees=degrees)
    volume = _noise((9, 8, 7))
    way = Resampling.of(volume.shape, affine, wanted)
    places = _places(way)(affine)
    expected = map_coordinates(volume.astype(np.float64), places, order=1, mode="nearest")
    np.testing.assert_allclose(way.apply(volume), expected, atol=1e-3)
    assert way.apply(volume).dtype == np.float32
    spacing = np.linalg.norm(way.new_affine[:3, :3], axis=0)
    np.testing.assert_allclose(spacing, np.where(wanted, wanted, SPACING))


def _triangle(line, new_size, step):
    """A line that becomes coarser, voxel by voxel: straight lines fitted under a triangle."""
    result = []
    for number in range(new_size):
        centre = (len(line) - 1) / 2 + step * (number - (new_size - 1) / 2)
        # A new voxel beyond the last old one is like it.
        centre = min(max(centre, 0), len(line) - 1)
        places = np.arange(len(line))
        weights = np.maximum(0.0, 1 - np.abs(places - centre) / step)
        # At the line's ends there is nothing to fit a slope to.
        cut_short = centre - step < -1 or centre + step > len(line)
        root = np.sqrt(weights)
        columns = [np.ones(len(line)), *([] if cut_short else [places - centre])]
        design = np.stack(columns, axis=1) * root[:, None]
        result.append(np.linalg.lstsq(design, line * root, rcond=None)[0][0])
    return np.array(result)


@pytest.mark.parametrize("wanted", [(2.0, 1.5, 3.0), (1.7, 3.2, 4.0), (0, 0, 7.5)])
def test_coarser_grids_are_lines_fitted_under_a_triangle(wanted):
    volume = _noise((14, 11, 9))
    way = Resampling.of(volume.shape, _affine(), wanted)
    expected = volume.astype(np.float64)
    for axis in range(3):
        if wanted[axis] not in (0, SPACING[axis]):
            step = wanted[axis] / SPACING[axis]
            new_size = way.new_shape[axis]
            expected = np.apply_along_axis(_triangle, axis, expected, new_size, step)
    np.testing.assert_allclose(way.apply(volume), expected, atol=1e-3)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_whole_factors_are_tensorflows_antialiased_resizing(factor):
    image = _noise((24, 36, 3))
    spacing = (factor, factor, 0)
    way = Resampling.of(image.shape, np.eye(4), spacing)
    size = (24 // factor, 36 // factor)
    expected = tf.image.resize(image, size, method="bilinear", antialias=True).numpy()
    np.testing.assert_allclose(way.apply(image), expected, atol=1e-3)


@pytest.mark.parametrize("degrees", [0, 25])
@pytest.mark.parametrize("wanted", [(1, 1, 1), (2.0, 2.5, 2.0), (0.5, 3.0, 0)])
@pytest.mark.parametrize(("order", "signs"), ALL_AXES)
def test_what_lies_in_the_world_stays_where_it_lies(order, signs, wanted, degrees):
    shape = (13, 12, 11)
    affine = _affine(order, signs, degrees=degrees)

    def brightness(of_affine, of_shape):
        world = nib.affines.apply_affine(of_affine, np.indices(of_shape).reshape(3, -1).T)
        return (world @ (3.0, -2.0, 0.7) + 5).reshape(of_shape)

    way = Resampling.of(shape, affine, wanted)
    steps = np.array(way.steps).reshape(3, 1, 1, 1)
    inside = _inside(_places(way)(affine), shape, np.maximum(1, steps))
    assert inside.any()
    result = way.apply(brightness(affine, shape))
    expected = brightness(way.new_affine, way.new_shape)
    np.testing.assert_allclose(result[inside], expected[inside], atol=1e-3)
    # Spacings are given by the world's axes, not the file's.
    spacing = np.linalg.norm(way.new_affine[:3, :3], axis=0)
    of_world = np.array(wanted)[list(order)]
    np.testing.assert_allclose(spacing, np.where(of_world, of_world, SPACING))
    assert nib.aff2axcodes(way.new_affine) == nib.aff2axcodes(affine)
    back = way.undo(result)
    assert back.shape == shape
    # Two ways that each blur a margin of their own.
    margin = tuple(slice(int(2 * step) + 2, -int(2 * step) - 2) for step in way.steps)
    wanted_back = brightness(affine, shape)[margin]
    if wanted_back.size:
        np.testing.assert_allclose(back[margin], wanted_back, atol=1e-3)


@pytest.mark.parametrize("wanted", [(1, 1, 1), (0.3, 0.4, 0.5), (5, 6, 7), (100, 100, 100)])
def test_both_grids_have_one_centre_and_cover_one_block(wanted):
    shape, affine = (9, 8, 7), _affine((2, 0, 1), (-1, 1, 1), degrees=12)
    way = Resampling.of(shape, affine, wanted)
    centres = [
        nib.affines.apply_affine(of, (np.array(lengths) - 1) / 2)
        for of, lengths in ((affine, shape), (way.new_affine, way.new_shape))
    ]
    np.testing.assert_allclose(*centres, atol=1e-9)
    # No less than the volume, and less than one new voxel more.
    extent = np.array(way.new_shape) * way.steps
    assert (extent >= np.array(shape) - 1e-5).all()
    assert (extent < np.array(shape) + way.steps).all()


@pytest.mark.parametrize("wanted", [(1, 1, 1), (0.3, 2.0, 0.5), (5, 6, 7), (0.77, 1.51, 2.9)])
@pytest.mark.parametrize("value", [-1024.0, -1000.0, 0.1, 3071.0])
def test_constant_volumes_stay_constant_to_the_last_bit(wanted, value):
    way = Resampling.of((11, 12, 13), _affine(), wanted)
    there = way.apply(np.full((11, 12, 13), value))
    assert (there == np.float32(value)).all()
    assert (way.undo(there) == np.float32(value)).all()


def test_values_stay_between_the_volumes_own():
    volume = np.random.default_rng(0).choice([-1024.0, 3071.0], (16, 16, 16))
    for wanted in ((0.7, 0.9, 1.3), (1.9, 2.2, 5.0)):
        result = Resampling.of(volume.shape, _affine(), wanted).apply(volume)
        assert result.min() >= -1024
        assert result.max() <= 3071


def test_masks_take_the_nearest_voxel():
    shape, affine = (9, 8, 7), _affine(degrees=9)
    mask = np.random.default_rng(0).integers(0, 2, shape).astype(np.uint8)
    for wanted in ((0.5, 0.7, 1.1), (1.1, 2.3, 4.1)):
        way = Resampling.of(shape, affine, wanted)
        places = np.clip(_places(way)(affine), 0, np.array(shape).reshape(3, 1, 1, 1) - 1)
        # Halfway between two voxels either is the nearest.
        sure = (np.abs(places % 1 - 0.5) > 1e-6).all(axis=0)
        expected = mask[tuple(np.floor(places + 0.5).astype(int))]
        result = way.apply_to_mask(mask)
        assert result.dtype == np.uint8
        assert sure.mean() > 0.5
        np.testing.assert_array_equal(result[sure], expected[sure])


@pytest.mark.parametrize("wanted", [(0, 0, 0), SPACING, (0.8, 0, 3.0), (0.80001, 1.5, 3.0)])
def test_a_volume_of_the_wanted_spacing_stays_as_it_is(wanted):
    volume, affine = _noise((5, 6, 7)), _affine()
    way = Resampling.of(volume.shape, affine, wanted)
    assert way.is_identity
    np.testing.assert_array_equal(way.apply(volume), volume)
    np.testing.assert_array_equal(way.undo(volume), volume)
    np.testing.assert_array_equal(way.apply_to_mask(volume > 0), volume > 0)
    np.testing.assert_allclose(way.new_affine, affine, atol=1e-12)


def test_axes_left_alone_are_the_same_bit_for_bit():
    volume = _noise((6, 6, 8))
    way = Resampling.of(volume.shape, _affine(), (0, 0, 6.0))
    assert (way.new_shape, way.steps) == ((6, 6, 4), (1.0, 1.0, 2.0))
    plane = way.apply(volume)[:, :, 1]
    alone = way.apply(np.broadcast_to(volume[:1, :1], volume.shape))[0, 0, 1]
    assert plane[0, 0] == alone


@pytest.mark.parametrize("axis", range(3))
def test_the_finest_pattern_vanishes_when_halved(axis):
    shape = (20, 20, 20)
    wave = np.where(np.indices(shape)[axis] % 2, 500.0, -500.0)
    wanted = [0.0, 0.0, 0.0]
    wanted[axis] = 2.0
    result = Resampling.of(shape, np.eye(4), tuple(wanted)).apply(wave)
    inside = np.moveaxis(result, axis, 0)[1:-1]
    assert np.abs(inside).max() < 1e-3


def test_a_single_slice_is_resampled_too():
    volume = _noise((6, 7, 1))
    way = Resampling.of(volume.shape, _affine(), (1.6, 1.5, 1.0))
    assert way.new_shape == (3, 7, 3)
    result = way.apply(volume)
    # There is nothing else above and below.
    np.testing.assert_array_equal(result[..., 0], result[..., 2])
    assert way.undo(result).shape == (6, 7, 1)


def test_other_shapes_and_spacings_are_refused():
    way = Resampling.of((5, 6, 7), _affine(), (1, 1, 1))
    for call, shape in ((way.apply, (5, 6, 8)), (way.undo, (5, 6, 7))):
        with pytest.raises(ValueError, match="must have the shape"):
            call(np.zeros(shape))
    for wanted in ((-1, 1, 1), (np.nan, 1, 1), (np.inf, 1, 1)):
        with pytest.raises(ValueError, match=">= 0 mm"):
            Resampling.of((5, 6, 7), _affine(), wanted)
    with pytest.raises(ValueError, match="spans space"):
        Resampling.of((5, 6, 7), np.zeros((4, 4)), (1, 1, 1))


def test_a_mask_of_another_shape_is_refused():
    way = Resampling.of((5, 6, 7), _affine(), (1, 1, 1))
    with pytest.raises(ValueError, match="must have the shape"):
        way.apply_to_mask(np.zeros((5, 6, 8), np.uint8))
