"""The head phantom's brain: folded cortex, cerebellum, stem, ventricles and deep nuclei.

The sulci are the zeros of a noise that hardly changes along the radius, so that they run as sheets
from the surface inwards; grey matter lines them as it lines the surface.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from robmednas_tf.data.phantom_canvas import Canvas, Fields
from robmednas_tf.data.phantom_shapes import Shape, capsule, ellipsoid, pair, union
from robmednas_tf.data.phantom_subject import Traits

_LOW, _HIGH = (-80.0, -105.0, -80.0), (80.0, 95.0, 105.0)
_FOLD_CENTER, _FOLD_RADII = (0.0, -6.0, 16.0), (66.0, 85.0, 74.0)
_FOLD_LATTICE_MM = 4.9
# The noise's root-mean-square slope across the radius, two axes of a cubic B-spline: 1.67 a point.
_FOLD_SLOPE_MM = _FOLD_LATTICE_MM / 1.67
_DEEPEST_FOLD_MM = 32.0


def paint_brain(
    canvas: Canvas, inner: np.ndarray, traits: Traits, fields: Fields, folds: np.ndarray
) -> None:
    """Paints everything inside the braincase.

    Args:
        canvas: What the brain is painted on.
        inner: Signed distance to the inside of the skull in mm, on the canvas's voxels.
        traits: The subject's.
        fields: Smooth fields on the canvas's voxels.
        folds: Spline coefficients of the subject's folding.
    """
    where = canvas.window(_LOW, _HIGH)
    if where is None:
        return
    for tissue, shape in _deep_structures(traits):
        canvas.add(tissue, shape)
    x, y, z, inner = canvas.x[where], canvas.y[where], canvas.z[where], inner[where]
    bend = fields.folds[where]
    hull = inner + traits.csf_mm
    tent = _tentorium(x, y, z)

    cerebrum = np.maximum(hull, tent + 1.2)
    midline = np.maximum(np.abs(x) - 0.6, -_CALLOSUM.distance(x, y, z))
    fissures = np.minimum(midline, _sylvian_fissure(x, y, z - bend))
    fissures = np.minimum(fissures, _sulci(x, y, z, hull, 18.0 + 4.0 * bend, folds))
    pial = np.maximum(cerebrum, -fissures)
    stem = np.maximum(_STEM.distance(x, y, z), inner)
    canvas.lay("white matter", np.minimum(pial + traits.cortex_mm, stem), where)

    cerebellum = np.maximum(np.maximum(hull, 1.2 - tent), _CEREBELLUM.distance(x, y, z))
    leaf = np.abs((np.hypot(y + 26.0, z + 22.0) + 1.5 * bend) % 6.0 - 3.0)
    branches = np.maximum(cerebellum + 3.5, leaf - 0.7)
    canvas.lay("white matter", np.minimum(cerebellum + 13.0, branches), where)
    folia = np.maximum(cerebellum, np.minimum(leaf - 2.7, cerebellum + 9.0))
    canvas.lay("grey matter", np.minimum(pial, folia), where)
    canvas.lay("csf", inner, where)


def _tentorium(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Distance below the tent that parts cerebrum and cerebellum, in mm; negative above it."""
    front = 0.5 + 0.5 * np.tanh((y + 14.0) / 5.0)
    tent = -20.0 + 16.0 * np.exp(-((x / 28.0) ** 2)) - 60.0 * front
    return 0.85 * (tent - z)


def _sylvian_fissure(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Distance to the fluid between temporal and frontal lobes, in mm."""
    depth = np.maximum(37.0 - np.abs(x), 0.0)
    along = np.maximum(np.abs(y - 6.0) - 26.0, 0.0)
    return np.sqrt(depth**2 + along**2 + (z - 2.0 - 0.30 * (6.0 - y)) ** 2) - 1.0


def _sulci(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    hull: np.ndarray,
    reach: np.ndarray,
    folds: np.ndarray,
) -> np.ndarray:
    """Distance to the fluid in the sulci in mm, each sheet ending `reach` mm under the hull."""
    distance = np.full(x.shape, np.inf)
    near = (hull > -_DEEPEST_FOLD_MM) & (hull < 3.0)
    offsets = [p[near] - c for p, c in zip((x, y, z), _FOLD_CENTER, strict=True)]
    u, v, w = (o / r for o, r in zip(offsets, _FOLD_RADII, strict=True))
    level = np.sqrt(u * u + v * v + w * w)
    # Near the centre the sheets would crowd; from two thirds of the radius inwards they do not.
    stretch = np.maximum(level, 0.65) ** -0.5 / _FOLD_LATTICE_MM
    points = np.stack([o * stretch + 24.0 for o in offsets])
    noise = ndimage.map_coordinates(folds, points, order=3, mode="grid-wrap", prefilter=False)
    depth = -hull[near]
    beyond = np.maximum(depth - reach[near], 0.0)
    distance[near] = np.hypot(beyond, _FOLD_SLOPE_MM * noise) - (0.75 - 0.02 * depth)
    return distance


_CALLOSUM = ellipsoid((0, -4, 14), (60, 40, 19))
_CEREBELLUM = union(
    pair(ellipsoid((26, -56, -33), (38, 40, 36))), ellipsoid((0, -60, -31), (22, 33, 34)), blend=3.0
)
_STEM = union(
    capsule((0, -14, 4), (0, -10, -14), 13, 11),
    ellipsoid((0, -10, -26), (15, 12, 14)),
    capsule((0, -14, -26), (0, -31, -58), 11, 6.5),
    blend=5.0,
)


def _deep_structures(traits: Traits) -> list[tuple[str, Shape]]:
    """Ventricles, the nuclei around them, and the corpus callosum."""
    s = traits.ventricle
    lateral = union(
        capsule((8, 30, 20), (9, -2, 30), 4.6 * s, 4.8 * s),
        capsule((9, -2, 30), (22, -40, 18), 4.8 * s, 6.5 * s),
        capsule((22, -40, 18), (20, -66, 12), 5.5 * s, 2.0 * s),
        capsule((22, -40, 18), (32, -8, -14), 4.0 * s, 2.4 * s),
        blend=4.0,
    )
    return [
        ("csf", pair(lateral)),
        ("csf", ellipsoid((0, -8, 8), (2.2 * s, 14, 10))),
        ("csf", ellipsoid((0, -29, -30), (6 * s, 4.5 * s, 10))),
        ("grey matter", pair(ellipsoid((10, -12, 13), (7.5, 14, 9.5)))),
        ("grey matter", pair(ellipsoid((13.5, 22, 16), (5, 10, 9)))),
        ("grey matter", pair(ellipsoid((25, 8, 9), (5.5, 18, 10)))),
        ("white matter", pair(ellipsoid((9, 2, 26), (20, 30, 4)))),
    ]
