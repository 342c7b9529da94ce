"""Corruptions against closed forms and against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage, stats

from robmednas_tf.attacks.kinds import CORRUPTIONS
from robmednas_tf.corruptions import transforms
from robmednas_tf.corruptions.transforms import STRONGEST, TRANSFORMS, Where

SHAPE = (4, 20, 24, 1)


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.uniform(size=SHAPE), (0, 1.5, 1.5, 0))
    return ((smooth - smooth.min()) / np.ptp(smooth)).astype("float32")


def where(count=SHAPE[0], first=0):
    seeds = np.random.default_rng(1).integers(0, 2**29, (SHAPE[0], 2)).astype("int32")
    heights = np.linspace(-0.5, 0.5, SHAPE[0]).astype("float32")
    part = slice(first, first + count)
    return Where(tf.constant(seeds[part]), tf.constant(heights[part]), tf.constant([5, 6]))


def run(kind, image, strength, place=None):
    found = TRANSFORMS[kind](tf.constant(image), tf.constant(strength), place or where(len(image)))
    return found.numpy()


def spectra(image):
    return np.fft.fftshift(np.fft.fft2(image[..., 0]), axes=(1, 2))


def test_every_corruption_of_the_table_is_there():
    assert set(TRANSFORMS) == set(STRONGEST) == set(CORRUPTIONS)


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_no_strength_is_the_identity(image, kind):
    np.testing.assert_allclose(run(kind, image, 0.0), image, atol=2e-6)


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_stronger_changes_more(image, kind):
    strengths = np.array([0.05, 0.1, 0.2, 0.3]) * min(STRONGEST[kind], 3.0)
    changes = [np.sqrt(np.mean((run(kind, image, s) - image) ** 2)) for s in strengths.tolist()]
    assert np.all(np.diff(changes) > 0)
    assert changes[0] > 1e-3


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_a_slice_is_corrupted_alike_in_every_batch(image, kind):
    strength = 0.2 * STRONGEST[kind]
    whole, part = run(kind, image, strength), run(kind, image[2:], strength, where(2, 2))
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole[2:], part, atol=1e-6)
    if kind not in ("gibbs",):
        # Slices have chance, or a place, of their own.
        same = run(kind, np.repeat(image[:1], 4, axis=0), strength)
        assert np.abs(same[0] - same[1]).max() > 1e-3


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_the_gradient_is_that_of_finite_differences(image, kind):
    strength = tf.constant(0.1 * STRONGEST[kind])
    towards = tf.constant(np.random.default_rng(2).normal(size=SHAPE).astype("float32"))
    weights = tf.constant(np.random.default_rng(3).normal(size=SHAPE).astype("float32"))

    def value(moved):
        return tf.reduce_sum(weights * TRANSFORMS[kind](moved, strength, where()))

    with tf.GradientTape() as tape:
        point = tf.Variable(image + 0.2)
        gradient = tape.gradient(value(point), point)
    step = 1e-2
    rise = (value(point + step * towards) - value(point - step * towards)) / (2 * step)
    expected = float(tf.reduce_sum(gradient * towards))
    assert float(rise) == pytest.approx(expected, rel=0.05, abs=0.5)


@pytest.mark.parametrize("signal", [0.0, 0.3, 2.0])
def test_rician_noise_has_the_rice_distributions_mean(signal):
    sigma = 0.25
    flat = np.full((6, 128, 128, 1), signal, np.float32)
    seeds = tf.constant(np.arange(12).reshape(6, 2), tf.int32)
    place = Where(seeds, tf.zeros(6), tf.constant([1, 2]))
    found = run("rician", flat, sigma, place)
    rice = stats.rice(signal / sigma, scale=sigma)
    assert found.mean() == pytest.approx(rice.mean(), abs=4 * rice.std() / found.size**0.5)
    assert found.std() == pytest.approx(rice.std(), rel=0.02)


def test_a_bias_field_is_smooth_and_as_large_as_it_says(image):
    flat = np.ones((9, 33, 33, 1), np.float32)
    place = Where(tf.zeros((9, 2), tf.int32), tf.linspace(-1.0, 1.0, 9), tf.constant([5, 6]))
    logarithm = np.log(run("bias_field", flat, 0.4, place))
    assert np.abs(logarithm).max() == pytest.approx(0.4, rel=0.03)
    # A cubic polynomial has no fourth difference, along any axis.
    for axis in range(3):
        assert np.abs(np.diff(logarithm, 4, axis=axis)).max() < 1e-4
    # It multiplies what is there.
    field = run("bias_field", np.ones_like(image), 0.4)
    np.testing.assert_allclose(run("bias_field", image, 0.4), image * field, rtol=1e-5)


def test_gibbs_is_a_crop_of_k_space(image):
    # A share at which whole lines are kept: 7 of 11 from the centre, 8.27 of 13.
    strength = 1 - 7 / 11
    spectrum = spectra(image)
    rows, columns = np.abs(np.arange(20) - 10), np.abs(np.arange(24) - 12)
    kept = (1 - strength) * 13
    weights = np.clip(kept - columns, 0, 1)
    assert set(np.clip(7 - rows, 0, 1)) == {0, 1}
    cropped = spectrum * (rows < 7)[:, None] * weights[None, :]
    expected = np.abs(np.fft.ifft2(np.fft.ifftshift(cropped, axes=(1, 2))))
    np.testing.assert_allclose(run("gibbs", image, strength)[..., 0], expected, atol=1e-5)


def test_a_spike_is_one_place_of_k_space(image):
    # Bright enough for the magnitude to keep the sign of the stripes.
    bright = image + 2
    found, clean = run("spike", bright, 0.05), bright
    for one, was in zip(found[..., 0], clean[..., 0], strict=True):
        added = np.abs(np.fft.fftshift(np.fft.fft2(one - was)))
        # The magnitude of a sum leaves half of the spike here and half at its mirror place.
        order = np.sort(added.ravel())
        largest = np.abs(np.fft.fft2(was)).max()
        assert order[-1] == pytest.approx(0.05 * largest / 2, rel=0.1)
        assert order[-2] == pytest.approx(order[-1], rel=0.1)
        assert order[-3] < 0.2 * order[-1]


def test_ghosts_stand_a_quarter_of_the_field_of_view_apart():
    point = np.zeros((1, 32, 32, 1), np.float32)
    point[0, 10, 16] = 1
    place = Where(tf.constant([[3, 4]]), tf.zeros(1), tf.constant([5, 6]))
    found = run("ghosting", point, 0.5, place)[0, :, 16, 0]
    bright = set(np.flatnonzero(found > 0.05).tolist())
    assert bright == {(10 + 8 * number) % 32 for number in range(4)}
    # A quarter of the lines halved, the centre left: the image keeps nearly 7/8 of the point.
    assert found[10] == pytest.approx(1 - 0.5 / 4, abs=0.05)


def draws_of(place, shape):
    """What chance gives each slice, as NumPy."""
    return [tf.random.stateless_uniform(shape, seed).numpy() for seed in place.seeds]


def magnitude(spectrum):
    return np.abs(np.fft.ifft2(np.fft.ifftshift(spectrum)))


def pose(plane, degrees, down, right):
    """Turns and shifts one slice by SciPy."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    middle = (np.array(plane.shape) - 1) / 2
    offset = middle - turn @ (middle + np.array([down, right]))
    return ndimage.affine_transform(plane, turn, offset, order=1, mode="nearest")


@pytest.mark.parametrize("strength", [0.7, 6.0])
def test_motion_takes_each_line_from_the_pose_it_is_acquired_in(image, strength):
    found, height = run("motion", image, strength)[..., 0], SHAPE[1]
    for plane, was, draws in zip(found, image[..., 0], draws_of(where(), (4, 4)), strict=True):
        jitter = np.float32([0.16, 0.03, 0.03, 0.16]) * (draws[:, 3] - np.float32(0.5))
        ends = (np.float32(height) * (np.float32([0.23, 0.46, 0.54, 0.77]) + jitter)).astype(int)
        groups = [int(np.sum(line >= ends)) for line in range(height)]
        moves = iter(strength * (2 * draws[:, :3] - 1))
        still = groups[height // 2]
        poses = [was if n == still else pose(was, *next(moves)) for n in range(5)]
        lines = [np.fft.fftshift(np.fft.fft2(each)) for each in poses]
        spectrum = np.stack([lines[group][line] for line, group in enumerate(groups)])
        np.testing.assert_allclose(plane, magnitude(spectrum), atol=2e-4)


@pytest.mark.parametrize("strength", [0.4, 1.6])
def test_ghosting_weakens_every_fourth_line_but_the_centre(image, strength):
    found, middle = run("ghosting", image, strength)[..., 0], SHAPE[1] // 2
    firsts = [int(4 * draws[0]) for draws in draws_of(where(), (1,))]
    assert len(set(firsts)) > 1
    for plane, was, first in zip(found, image[..., 0], firsts, strict=True):
        spectrum = np.fft.fftshift(np.fft.fft2(was))
        for line in range(SHAPE[1]):
            if (line - middle + first) % 4 == 0 and abs(line - middle) > 1:
                spectrum[line] *= 1 - strength
        np.testing.assert_allclose(plane, magnitude(spectrum), atol=1e-5)


def test_a_spike_is_added_to_k_space_off_the_centre(image):
    found = run("spike", image, 0.3)[..., 0]
    for plane, was, draws in zip(found, image[..., 0], draws_of(where(), (3,)), strict=True):
        distance, angle, phase = 0.1 + 0.3 * draws[0], *(2 * np.pi * draws[1:])
        row = round(SHAPE[1] * (0.5 + distance * np.sin(angle)))
        column = round(SHAPE[2] * (0.5 + distance * np.cos(angle)))
        spectrum = np.fft.fftshift(np.fft.fft2(was))
        spectrum[row, column] += 0.3 * np.abs(spectrum).max() * np.exp(1j * phase)
        np.testing.assert_allclose(plane, magnitude(spectrum), atol=1e-5)


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_a_slice_of_nothing_has_a_finite_gradient(kind):
    nothing = tf.zeros(SHAPE)
    with tf.GradientTape() as tape:
        tape.watch(nothing)
        found = TRANSFORMS[kind](nothing, tf.constant(0.1 * STRONGEST[kind]), where())
    assert np.isfinite(found).all()
    assert np.isfinite(tape.gradient(found, nothing)).all()


def test_a_pose_is_a_turn_and_a_shift(image):
    smooth = ndimage.gaussian_filter(image, (0, 1.0, 1.0, 0))
    zeros = tf.zeros(4)
    shifted = transforms._moved(tf.constant(smooth), zeros, zeros + 1, zeros - 2).numpy()
    np.testing.assert_allclose(shifted[:, 2:, :-2], smooth[:, 1:-1, 2:], atol=1e-5)
    angle = np.radians(10)
    turned = transforms._moved(tf.constant(smooth), zeros + angle, zeros, zeros).numpy()
    inside = slice(5, -5)
    expected = ndimage.rotate(smooth, 10, axes=(1, 2), reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(turned[:, inside, inside], expected[:, inside, inside], atol=0.02)
