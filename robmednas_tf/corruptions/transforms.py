"""Corruptions of magnitude images, one function each, differentiable by the image.

Each takes float32 images `(batch, height, width, 1)`, 0 in the background and 1 at the 99.5th
percentile of the volume; a strength, a scalar >= 0 that is the identity at 0; and where the slices
lie. Chance comes from each slice's own seed, so that a slice is corrupted alike in every batch and
the same pattern grows with the strength. Rows are the phase-encoding direction.

Source: `KINDS` of `robmednas_tf.attacks.kinds`; Perez-Garcia et al. 2021 (TorchIO).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

NUM_GHOSTS, NUM_MOVES = 4, 4
# After which share of the lines the patient moves, and how far this differs between slices. Between
# the second and the third lies the centre, where nearly all of an image's contrast is.
_MOVES, _JITTER = (0.23, 0.46, 0.54, 0.77), (0.16, 0.03, 0.03, 0.16)
# Share of k-space's lines, around its centre, that ghosting leaves: the patient's own image.
_KEPT_LINES = 0.02


@dataclass(frozen=True, eq=False)
class Where:
    """Which slices of a volume are corrupted.

    Attributes:
        seeds: int32 `(batch, 2)`, a slice's own.
        heights: float32 `(batch,)`: the slices' heights in their volume, from -1 to 1.
        volume_seed: int32 `(2,)`, the volume's own.
    """

    seeds: tf.Tensor
    heights: tf.Tensor
    volume_seed: tf.Tensor


Transform = Callable[[tf.Tensor, tf.Tensor, Where], tf.Tensor]


def rician(image: tf.Tensor, strength: tf.Tensor, where: Where) -> tf.Tensor:
    """Adds Gaussian noise of standard deviation `strength` to both channels of the receiver.

    Source: Gudbjartsson and Patz 1995, The Rician distribution of noisy MRI data.
    """
    noise = _of_slices(where.seeds, lambda seed: _normal((*image.shape[1:3], 2), seed))
    real, imaginary = (strength * noise[..., n : n + 1] for n in range(2))
    # The root has no slope at 0, where nothing is.
    return tf.sqrt(tf.square(image + real) + tf.square(imaginary) + 1e-20)


def bias_field(image: tf.Tensor, strength: tf.Tensor, where: Where) -> tf.Tensor:
    """Multiplies by a field that varies smoothly through the volume, at most by e^strength.

    The field is e to the power of a cubic polynomial of the volume's three axes.

    Source: Van Leemput et al. 1999, Automated model-based bias field correction of MR images.
    """
    powers = [(i, j, k) for i in range(4) for j in range(4 - i) for k in range(4 - i - j)][1:]
    weights = tf.random.stateless_uniform([len(powers)], where.volume_seed, -1.0, 1.0)
    unstacked = tf.unstack(weights)

    def field(z: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
        terms = [w * z**i * y**j * x**k for w, (i, j, k) in zip(unstacked, powers, strict=True)]
        return tf.add_n([tf.broadcast_to(term, tf.shape(z + y + x)) for term in terms])

    coarse = tf.linspace(-1.0, 1.0, 9)
    largest = tf.reduce_max(tf.abs(field(coarse, coarse, coarse)))
    rows, columns = (tf.linspace(-1.0, 1.0, size) for size in image.shape[1:3])
    scaled = field(where.heights, rows, columns)[..., None] / largest
    return image * tf.exp(strength * scaled)


def motion(image: tf.Tensor, strength: tf.Tensor, where: Where) -> tf.Tensor:
    """Moves the patient between lines of k-space: `strength` degrees and pixels at most.

    The lines fall into groups, each acquired in a pose of its own; the group around the centre of
    k-space is acquired in the pose of the CT, so that what is left of the image fits it.

    Source: Shaw et al. 2019, MRI k-space motion artefact augmentation.
    """
    height = image.shape[1]
    draws = _of_slices(where.seeds, lambda seed: _uniform((NUM_MOVES, 4), seed))
    # Lines in the order of acquisition, the centre in the middle.
    shares = tf.constant(_MOVES) + tf.constant(_JITTER) * (draws[..., 3] - 0.5)
    ends = tf.cast(shares * height, tf.int32)
    group = tf.reduce_sum(tf.cast(tf.range(height) >= ends[..., None], tf.int32), axis=1)
    spectra = [_spectrum(image)]
    for number in range(NUM_MOVES):
        angle, down, right = (strength * (2 * draws[:, number, n] - 1) for n in range(3))
        spectra.append(_spectrum(_moved(image, angle * math.pi / 180, down, right)))
    centre = group[:, height // 2]
    spectrum = spectra[0]
    for number in range(NUM_MOVES):
        # The groups but the centre's, one after the other, take the poses.
        acquired = number + tf.cast(number >= centre, tf.int32)
        is_its = (group == acquired[:, None])[:, :, None]
        spectrum = tf.where(is_its, spectra[number + 1], spectrum)
    return _magnitude(spectrum)


def ghosting(image: tf.Tensor, strength: tf.Tensor, where: Where) -> tf.Tensor:
    """Weakens every fourth line of k-space by the factor 1 - strength: four ghosts.

    Source: Perez-Garcia et al. 2021 (TorchIO's random ghosting).
    """
    height = image.shape[1]
    lines = tf.range(height) - height // 2
    first = _of_slices(where.seeds, lambda seed: _uniform((1,), seed))
    shift = tf.cast(first * NUM_GHOSTS, tf.int32)
    is_weak = (lines + shift) % NUM_GHOSTS == 0
    is_weak &= tf.abs(lines) > max(1, round(_KEPT_LINES * height / 2))
    factor = tf.where(is_weak, 1 - strength, 1.0)
    return _magnitude(_spectrum(image) * tf.cast(factor[:, :, None], tf.complex64))


def spike(image: tf.Tensor, strength: tf.Tensor, where: Where) -> tf.Tensor:
    """Adds to one place of k-space `strength` times its largest value: stripes over the image.

    Source: Perez-Garcia et al. 2021 (TorchIO's random spike).
    """
    height, width = image.shape[1:3]
    draws = _of_slices(where.seeds, lambda seed: _uniform((3,), seed))
    # Away from the centre, where a spike would be a shift of all values.
    distance = 0.1 + 0.3 * draws[:, 0]
    angle = 2 * math.pi * draws[:, 1]
    row = tf.cast(tf.round(height * (0.5 + distance * tf.sin(angle))), tf.int32)
    column = tf.cast(tf.round(width * (0.5 + distance * tf.cos(angle))), tf.int32)
    spectrum = _spectrum(image)
    largest = tf.reduce_max(tf.abs(spectrum), axis=(1, 2))
    phase = 2 * math.pi * draws[:, 2]
    added = tf.complex(strength * largest * tf.cos(phase), strength * largest * tf.sin(phase))
    at_row = tf.one_hot(row, height, dtype=tf.complex64)
    at_column = tf.one_hot(column, width, dtype=tf.complex64)
    place = at_row[:, :, None] * at_column[:, None, :]
    return _magnitude(spectrum + added[:, None, None] * place)


def gibbs(image: tf.Tensor, strength: tf.Tensor, where: Where) -> tf.Tensor:
    """Leaves out the outer `strength` of k-space along both axes: blur, and ringing at edges.

    Source: Czervionke et al. 1988, Characteristic features of MR truncation artifacts.
    """
    height, width = image.shape[1:3]
    weights = [_kept(size, 1 - strength) for size in (height, width)]
    window = weights[0][:, None] * weights[1][None, :]
    return _magnitude(_spectrum(image) * tf.cast(window, tf.complex64))


TRANSFORMS: Mapping[str, Transform] = {
    "rician": rician,
    "bias_field": bias_field,
    "motion": motion,
    "ghosting": ghosting,
    "spike": spike,
    "gibbs": gibbs,
}

# The strength at which a transform leaves too little of an image to be an MR.
STRONGEST: Mapping[str, float] = {
    "rician": 1.0,
    "bias_field": 3.0,
    "motion": 20.0,
    "ghosting": 2.0,
    "spike": 2.0,
    "gibbs": 0.95,
}


def _of_slices(seeds: tf.Tensor, draw: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    return tf.map_fn(draw, seeds, fn_output_signature=tf.float32)


def _normal(shape: tuple[int, ...], seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_normal(shape, seed)


def _uniform(shape: tuple[int, ...], seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, seed)


def _kept(size: int, share: tf.Tensor) -> tf.Tensor:
    """Returns the weight of each line where the middle `share` is kept, its edge in proportion."""
    distance = tf.abs(tf.cast(tf.range(size) - size // 2, tf.float32))
    return tf.clip_by_value(share * (size / 2 + 1) - distance, 0.0, 1.0)


def _spectrum(image: tf.Tensor) -> tf.Tensor:
    """Returns k-space `(batch, height, width)`, its centre in the middle."""
    spectrum = tf.signal.fft2d(tf.cast(image[..., 0], tf.complex64))
    return tf.signal.fftshift(spectrum, axes=(1, 2))


def _magnitude(spectrum: tf.Tensor) -> tf.Tensor:
    image = tf.signal.ifft2d(tf.signal.ifftshift(spectrum, axes=(1, 2)))
    return tf.abs(image)[..., None]


def _moved(image: tf.Tensor, angle: tf.Tensor, down: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Turns images about their centre and shifts them, linearly interpolated.

    TensorFlow's own ImageProjectiveTransform has a gradient that is not its own (it turns back).
    """
    height, width = image.shape[1:3]
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    angle, down, right = (each[:, None, None] for each in (angle, down, right))
    to_y = tf.range(float(height))[None, :, None] - middle_y - down
    to_x = tf.range(float(width))[None, None, :] - middle_x - right
    # Where each pixel of the result comes from; beyond the border from the border.
    from_y = middle_y + tf.cos(angle) * to_y + tf.sin(angle) * to_x
    from_x = middle_x + tf.cos(angle) * to_x - tf.sin(angle) * to_y
    from_y = tf.clip_by_value(from_y, 0.0, height - 1.0)
    from_x = tf.clip_by_value(from_x, 0.0, width - 1.0)
    first_y, first_x = tf.floor(from_y), tf.floor(from_x)
    pixels = tf.reshape(image, [-1, height * width])
    moved = tf.zeros_like(from_y)
    for y, weight_y in ((first_y, 1 - (from_y - first_y)), (first_y + 1, from_y - first_y)):
        for x, weight_x in ((first_x, 1 - (from_x - first_x)), (first_x + 1, from_x - first_x)):
            place = tf.minimum(y, height - 1.0) * width + tf.minimum(x, width - 1.0)
            found = tf.gather(pixels, tf.cast(place, tf.int32), batch_dims=1)
            moved += weight_y * weight_x * found
    return moved[..., None]
