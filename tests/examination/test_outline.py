"""Outlines of the body: drawn bodies whose outline is known, and ten patients' masks."""

import numpy as np
import pytest

from robmednas_tf.data.cohort import open_folder, open_phantom
from robmednas_tf.examination.outline import cropped_share, ct_outline, dice, mr_outline

SHAPE = (56, 64, 10)


def body(centre=(28, 30), radius=20):
    """A cylinder along the last axis."""
    x, y, _ = np.indices(SHAPE)
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


def volumes(inside, bone, seed=0):
    """MR and CT of a body with a bone, in noise; air is dark on MR, and so is bone."""
    rng = np.random.default_rng(seed)
    mr = np.select([bone, inside], [15.0, 300.0], 0.0)
    mr[..., :5] *= 2
    ct = np.select([bone, inside], [1200.0, 40.0], -1000.0) + rng.normal(0, 15, SHAPE)
    noisy = np.hypot(mr + rng.normal(0, 12, SHAPE), rng.normal(0, 12, SHAPE))
    return noisy.astype(np.float32), ct.astype(np.float32)


BODY, BONE = body(), body((24, 26), 6)
MR, CT = volumes(BODY, BONE)


def test_both_find_the_body_with_its_dark_bone():
    assert dice(ct_outline(CT), BODY) > 0.99
    assert dice(mr_outline(MR), BODY) > 0.98
    assert mr_outline(MR)[BONE].all()


@pytest.mark.parametrize(
    "change",
    [lambda mr: mr * 1e4, lambda mr: mr / 1e4, lambda mr: (mr - mr.mean()) / mr.std()],
    ids=["large", "small", "z-scored"],
)
def test_the_outline_on_mr_does_not_depend_on_its_units(change):
    np.testing.assert_array_equal(mr_outline(change(MR)), mr_outline(MR))


def test_shading_by_the_coil_leaves_the_outline():
    shading = np.exp(np.linspace(-0.7, 0.7, SHAPE[0]))[:, None, None]
    assert dice(mr_outline((MR * shading).astype(np.float32)), BODY) > 0.97


@pytest.mark.parametrize("axis", [0, 1])
def test_slices_may_lie_along_any_axis(axis):
    for outline, volume in ((ct_outline, CT), (mr_outline, MR)):
        turned = outline(np.moveaxis(volume, 2, axis), axial_axis=axis)
        np.testing.assert_array_equal(np.moveaxis(turned, axis, 2), outline(volume))


def test_a_couch_is_no_body_even_where_the_body_lies_on_it():
    ct = CT.copy()
    ct[:, 51:54] = -100
    ct[:, 60:62] = -100
    ct[[0, 1, -2, -1], 51:62] = -100
    found = ct_outline(ct)
    assert not found[:, 57:].any()
    assert dice(found, BODY) > 0.97


def test_two_legs_are_body_and_specks_are_not():
    legs = body((16, 30), 12) | body((42, 30), 11)
    mr, ct = volumes(legs, np.zeros(SHAPE, bool))
    speck = (slice(0, 3), slice(58, 62), slice(3, 5))
    mr[speck], ct[speck] = 300, 40
    for found in (mr_outline(mr), ct_outline(ct)):
        assert dice(found, legs) > 0.97
        assert not found[speck].any()


def test_a_volume_may_end_inside_the_body():
    cut = (slice(14, 40), slice(16, None))
    assert dice(ct_outline(CT[cut]), BODY[cut]) > 0.99
    assert dice(mr_outline(MR[cut]), BODY[cut]) > 0.98


def test_a_cavity_is_filled_only_where_its_slice_encloses_it():
    ct = CT.copy()
    ct[26:31, 28:33, 2:8] = -1000
    assert ct_outline(ct)[26:31, 28:33].all()
    ct[:28, 28:33, 4] = -1000
    assert not ct_outline(ct)[24:28, 30, 4].any()


@pytest.mark.parametrize("value", [0.0, 7.0, -1000.0])
def test_nothing_is_found_where_there_is_nothing(value):
    empty = np.full(SHAPE, value, np.float32)
    assert not mr_outline(empty).any()
    assert not ct_outline(np.full(SHAPE, -1000, np.float32)).any()


def test_a_volume_without_air_is_all_body():
    everywhere = np.full(SHAPE, 500, np.float32) + np.indices(SHAPE)[0]
    assert mr_outline(everywhere).all()


def test_dice_by_hand():
    first, second = np.array([1, 1, 1, 0], bool), np.array([0, 1, 1, 0], bool)
    assert dice(first, second) == pytest.approx(4 / 5)
    assert np.isnan(dice(first & False, second & False))


def test_cropped_share_by_hand():
    outline = np.zeros((2, 7, 4), bool)
    outline[:, 0, 0] = outline[:, 3, 1] = outline[0, 6, 2] = True
    # Of seven rows, four in the middle are rows 1 to 4; of four columns all.
    assert cropped_share(outline, 4) == pytest.approx(3 / 5)
    assert cropped_share(outline, 7) == 0
    assert cropped_share(outline & False, 4) == 0


def test_phantoms():
    for head in open_phantom(2, (64, 64, 24), seed=1):
        pair = head.read()
        assert dice(ct_outline(pair.ct), pair.mask > 0) > 0.98
        assert dice(mr_outline(pair.mr), pair.mask > 0) > 0.95


def test_ten_patients(sts):
    for subject in open_folder(sts):
        pair = subject.read()
        assert dice(ct_outline(pair.ct), pair.mask > 0) > 0.99, subject.name
        assert dice(mr_outline(pair.mr), pair.mask > 0) > 0.94, subject.name
