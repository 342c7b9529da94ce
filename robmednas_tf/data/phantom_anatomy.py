"""Builds the head phantom's anatomy: what fraction of every voxel is which tissue.

Structures are painted from the front to the back, innermost first: air, eyes, brain, bones,
muscles, and the scalp around them all. Each hides those after it.

Source: the list of tissues follows BrainWeb's (Collins et al. 1998); the shapes are drawn by hand.
"""

from __future__ import annotations

import numpy as np

from robmednas_tf.data import phantom_face as face
from robmednas_tf.data.phantom_brain import paint_brain
from robmednas_tf.data.phantom_canvas import Canvas, Fields
from robmednas_tf.data.phantom_contrast import INDEX
from robmednas_tf.data.phantom_shapes import smooth_minimum
from robmednas_tf.data.phantom_subject import Traits

_CASE_CENTER = (0.0, -6.0, 16.0)
_CASE_RADII = (66.0, 85.0, 74.0)
_CASE_DEPTH_MM = 84.0
_BASE_MM = 4.8


def paint_head(canvas: Canvas, traits: Traits, fields: Fields, folds: np.ndarray) -> np.ndarray:
    """Paints a whole head.

    Args:
        canvas: A bare canvas; its fractions are filled, those of air outside the head included.
        traits: The subject's.
        fields: Smooth fields on the canvas's voxels.
        folds: Spline coefficients of the folding of the cortex, from `draw_folds`.

    Returns:
        Signed distance to the skin in mm, negative inside the head.
    """
    case, base = _braincase(canvas)
    inner = -smooth_minimum(-case, -base, 8.0)
    thickness = _skull_thickness(canvas, traits, fields)
    outer = -smooth_minimum(thickness - case, _BASE_MM - base, 8.0)
    skin = _skin(canvas, outer, traits)

    before_the_brain = (
        *face.airways(traits),
        *face.eyes(),
        *face.temporal_bone(),
        *face.spinal_canal(),
    )
    for tissue, shape in before_the_brain:
        canvas.add(tissue, shape)
    paint_brain(canvas, inner, traits, fields, folds)
    for tissue, shape in face.bones(traits):
        canvas.add(tissue, shape, apart=tissue != "cortical bone")
    between = canvas.share(outer + traits.table_mm) - canvas.share(inner - traits.table_mm)
    canvas.fill("diploe", np.maximum(between, 0.0), apart=True)
    canvas.lay("cortical bone", outer)
    for tissue, shape in face.muscles(traits):
        canvas.add(tissue, shape, within=skin + traits.skin_mm + 0.6 * traits.fat_mm)
    _paint_scalp(canvas, skin, traits, fields)
    canvas.fractions[INDEX["air"]] += 1.0 - canvas.covered
    return skin


def _braincase(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the egg of the braincase and to the floor that cuts it, in mm."""
    x, y, z = canvas.x, canvas.y, canvas.z
    u = x * (1.02 + 0.0009 * y) / _CASE_RADII[0]
    v = (y - _CASE_CENTER[1]) / _CASE_RADII[1]
    height = z - _CASE_CENTER[2]
    radius = np.where(height > 0.0, _CASE_RADII[2], _CASE_DEPTH_MM)
    w = height / radius
    level = np.sqrt(u * u + v * v + w * w)
    slope = np.sqrt((u / _CASE_RADII[0]) ** 2 + (v / _CASE_RADII[1]) ** 2 + (w / radius) ** 2)
    case = level * (level - 1.0) / (slope + 1e-9)

    front = 0.5 + 0.5 * np.tanh((y - 31.0) / 6.0)
    back = 0.5 - 0.5 * np.tanh((y + 16.0) / 8.0)
    middle = -35.0 + 24.0 * np.exp(-((x / 15.0) ** 2))
    floor = front * (-4.0 - 5.0 * np.exp(-((x / 9.0) ** 2)))
    floor += (1.0 - front) * ((1.0 - back) * middle - 56.0 * back)
    return case, 0.8 * (floor - z)


def _skull_thickness(canvas: Canvas, traits: Traits, fields: Fields) -> np.ndarray:
    """Thickness of the vault in mm: thinner at the temples, thicker at the back."""
    temple = ((canvas.y - 20.0) / 28.0) ** 2 + ((canvas.z + 2.0) / 26.0) ** 2
    back = ((canvas.y + 95.0) / 25.0) ** 2 + ((canvas.z - 5.0) / 22.0) ** 2
    local = 1.8 * np.exp(-back) - 2.2 * np.exp(-temple)
    return traits.skull_mm + 0.5 * np.clip(fields.thickness, -2.0, 2.0) + local


def _skin(canvas: Canvas, outer: np.ndarray, traits: Traits) -> np.ndarray:
    """Signed distance to the surface of the head, in mm."""
    scalp = traits.skin_mm + traits.fat_mm + 0.8
    skin = outer - scalp
    for blend, shapes in ((14.0, face.outline()), (6.0, face.appendages())):
        for shape in shapes:
            where = canvas.window(shape.low, shape.high, margin_mm=30.0)
            if where is not None:
                here = shape.distance(canvas.x[where], canvas.y[where], canvas.z[where])
                skin[where] = smooth_minimum(skin[where], here, blend)
    return skin


def _paint_scalp(canvas: Canvas, skin: np.ndarray, traits: Traits, fields: Fields) -> None:
    """Muscle in depth with planes of fat, a layer of fat, and skin."""
    x, y, z = canvas.x, canvas.y, canvas.z
    cheek = ((np.abs(x) - 44.0) / 22.0) ** 2 + ((y - 52.0) / 28.0) ** 2 + ((z + 58.0) / 26.0) ** 2
    nape = ((y + 75.0) / 30.0) ** 2 + ((z + 90.0) / 35.0) ** 2
    fat = traits.fat_mm * (1.0 + 1.2 * np.exp(-cheek) + 0.9 * np.exp(-nape))
    depth = skin + traits.skin_mm
    planes = np.maximum(6.0 * np.abs(fields.planes) - 0.9, depth + fat + 2.0)
    canvas.lay("fat", np.maximum(planes, z + 30.0))
    canvas.lay("muscle", depth + fat)
    canvas.lay("fat", depth)
    canvas.lay("skin", skin)
