"""A three-dimensional head, MR and CT, that poses the problem of MR to CT synthesis.

Air and compact bone are both black on MR, so that no intensity look-up table can tell them apart:
a network has to know the anatomy. The head is a function of (seed, subject) in millimetres; a grid
only samples it, so another shape is the same head at another resolution. Slices are thin: partial
volume spreads over the width of a pixel, not over the gap between slices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robmednas_tf.data.phantom_anatomy import paint_head
from robmednas_tf.data.phantom_canvas import Canvas, Fields
from robmednas_tf.data.phantom_contrast import TISSUES, Tissue, subject_contrast
from robmednas_tf.data.phantom_subject import (
    FIELD_OF_VIEW_MM,
    SmoothField,
    Traits,
    draw_folds,
    draw_pose,
)

__all__ = ["FIELD_OF_VIEW_MM", "TISSUES", "Phantom", "Tissue", "make_head"]

BEND_MM = 2.0
MR_SCALE = 6000.0
# White matter comes out near 590: noise of 4.4 per cent, within BrainWeb's 3 to 5.
MR_NOISE = 26.0
CT_NOISE_HU = 14.0
# Blocks of a few megabytes an array stay in the processor's cache.
_BLOCK_VOXELS = 300_000


@dataclass(frozen=True)
class Phantom:
    """One subject.

    Attributes:
        mr: int16 `(x, y, z)`, arbitrary units, background near 0.
        ct: int16 `(x, y, z)`, HU in [-1024, 3071].
        mask: uint8 `(x, y, z)`, 1 inside the head, its inner air included.
        labels: uint8 `(x, y, z)`, the tissue that fills most of the voxel, index into `TISSUES`.
        affine: float64 `(4, 4)`, voxel to mm, RAS+, the origin at the centre of the grid.
    """

    mr: np.ndarray
    ct: np.ndarray
    mask: np.ndarray
    labels: np.ndarray
    affine: np.ndarray


def make_head(
    shape: tuple[int, int, int] = (64, 64, 24), *, seed: int = 0, subject: int = 0
) -> Phantom:
    """Makes the head of one subject.

    Args:
        shape: Voxels along x (right), y (front) and z (up), each at least 8.
        seed: Of the whole cohort, >= 0.
        subject: Number of the subject in it, >= 0.

    Returns:
        The subject's volumes, the same on every machine.

    Raises:
        ValueError: If the shape does not have three axes of 8 or more, or a seed is negative.
    """
    _check(shape, seed, subject)
    head = _Head(np.random.SeedSequence(seed, spawn_key=(subject,)), shape)
    volumes = {name: np.empty(shape, dtype) for name, dtype in _VOLUMES}
    step = max(1, _BLOCK_VOXELS // (shape[1] * shape[2]))
    for start in range(0, shape[0], step):
        block = slice(start, min(start + step, shape[0]))
        for name, values in head.render(block).items():
            volumes[name][block] = values
    spacing = np.divide(FIELD_OF_VIEW_MM, shape)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -0.5 * spacing * (np.array(shape) - 1)
    return Phantom(**volumes, affine=affine)


_VOLUMES = (("mr", np.int16), ("ct", np.int16), ("mask", np.uint8), ("labels", np.uint8))


def _check(shape: tuple[int, ...], seed: int, subject: int) -> None:
    if len(shape) != 3 or any(size != int(size) or size < 8 for size in shape):
        raise ValueError(
            "A phantom's shape must be three whole numbers of 8 or more (x, y, z). "
            f"Received: {tuple(shape)}. Give for instance (64, 64, 24)."
        )
    for name, value in (("seed", seed), ("subject", subject)):
        if value < 0:
            raise ValueError(f"A phantom's {name} must be 0 or more. Received: {value}.")


class _Head:
    """Everything random about one subject, ready to be sampled block by block."""

    def __init__(self, seeds: np.random.SeedSequence, shape: tuple[int, int, int]) -> None:
        streams = (np.random.Generator(np.random.PCG64(child)) for child in seeds.spawn(6))
        body, tissues, shapes, texture, self._mr_noise, self._ct_noise = streams
        self._axes_mm = [
            ((np.arange(n) + 0.5) / n - 0.5) * fov
            for n, fov in zip(shape, FIELD_OF_VIEW_MM, strict=True)
        ]
        self._voxel_mm = FIELD_OF_VIEW_MM[0] / shape[0]
        self._traits = Traits.draw(body)
        self._pose = draw_pose(body)
        self._folding = draw_folds(body)
        self._signal, self._hu, self._hu_sd = subject_contrast(tissues)
        self._bend = SmoothField(shapes, 55.0, shape, fields=3)
        self._thickness = SmoothField(shapes, 40.0, shape)
        self._planes = SmoothField(shapes, 12.0, shape)
        self._folds = SmoothField(shapes, 16.0, shape)
        self._bias = SmoothField(shapes, 90.0, shape)
        self._texture = SmoothField(texture, 4.0, shape, fields=2)

    def render(self, block: slice) -> dict[str, np.ndarray]:
        """MR, CT, mask and labels of a block of x planes; blocks must come in order."""
        canvas = Canvas(self._canonical(block), self._voxel_mm)
        fields = Fields(*(f.on(block)[0] for f in (self._thickness, self._planes, self._folds)))
        skin = paint_head(canvas, self._traits, fields, self._folding)
        mr_texture, ct_texture = self._texture.on(block)
        return {
            "mr": self._mr(canvas.fractions, mr_texture, self._bias.on(block)[0]),
            "ct": self._ct(canvas.fractions, ct_texture),
            "mask": skin < 0.0,
            "labels": canvas.fractions.argmax(axis=0),
        }

    def _canonical(self, block: slice) -> np.ndarray:
        """Canonical coordinates in mm of a block's voxels, `(3, block, y, z)`."""
        matrix, shift = self._pose
        x_mm, y_mm, z_mm = self._axes_mm
        x, y, z = np.meshgrid(x_mm[block], y_mm, z_mm, indexing="ij", sparse=True)
        points = BEND_MM * self._bend.on(block)
        for row in range(3):
            points[row] += matrix[row, 0] * x + matrix[row, 1] * y + matrix[row, 2] * z
            points[row] += shift[row]
        return points

    def _mr(self, fractions: np.ndarray, texture: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Magnitude of the mixed tissues' signal under bias and complex noise: Rician."""
        signal = MR_SCALE * np.tensordot(self._signal, fractions, 1)
        signal *= (1.0 + 0.03 * texture) * np.exp(0.10 * bias)
        noise = MR_NOISE * self._mr_noise.standard_normal((*signal.shape, 2))
        mr = np.hypot(signal + noise[..., 0], noise[..., 1])
        return np.clip(np.rint(mr), 0, np.iinfo(np.int16).max)

    def _ct(self, fractions: np.ndarray, texture: np.ndarray) -> np.ndarray:
        """HU of the mixed tissues with their texture and the scanner's noise."""
        ct = np.tensordot(self._hu, fractions, 1)
        ct += np.tensordot(self._hu_sd, fractions, 1) * texture
        ct += CT_NOISE_HU * self._ct_noise.standard_normal(ct.shape)
        return np.clip(np.rint(ct), -1024, 3071)
