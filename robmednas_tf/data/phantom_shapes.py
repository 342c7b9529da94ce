"""Signed distances of simple solids, the vocabulary in which the head phantom is written.

A `Shape` is a signed distance in mm (negative inside, exact near the surface or nearly so) and
the box that holds it, so that a grid is evaluated only where the solid can be. Coordinates are
canonical head coordinates in mm: x to the right, y to the front, z up.

Source: the ellipsoid's first-order distance and the polynomial smooth union are Quilez's
(https://iquilezles.org/articles/distfunctions, /articles/smin).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

Point = tuple[float, float, float]
Distance = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Shape:
    """A solid: `distance(x, y, z)` in mm, negative inside, and its bounding box in mm."""

    distance: Distance
    low: Point
    high: Point


def _box(low: np.ndarray, high: np.ndarray) -> tuple[Point, Point]:
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def ellipsoid(center: Point, radii: Point) -> Shape:
    """Axis-aligned ellipsoid; `center` and `radii` in mm."""

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        away = [p - c for p, c in zip((x, y, z), center, strict=True)]
        u, v, w = (a / r for a, r in zip(away, radii, strict=True))
        level = np.sqrt(u * u + v * v + w * w)
        slope = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2)
        nearly = level * (level - 1.0) / (slope + 1e-9)
        # Beside a flat ellipsoid the first order falls short; its box never overshoots.
        for a, r in zip(away, radii, strict=True):
            nearly = np.maximum(nearly, np.abs(a) - r)
        return nearly

    c, r = np.array(center), np.array(radii)
    return Shape(distance, *_box(c - r, c + r))


def capsule(
    start: Point, end: Point, start_radius: float, end_radius: float | None = None
) -> Shape:
    """Round bar from `start` to `end`, its radius going linearly from one end to the other."""
    end_radius = start_radius if end_radius is None else end_radius
    axis = np.subtract(end, start)
    length2 = float(axis @ axis)

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        u, v, w = x - start[0], y - start[1], z - start[2]
        t = np.clip((u * axis[0] + v * axis[1] + w * axis[2]) / length2, 0.0, 1.0)
        u, v, w = u - t * axis[0], v - t * axis[1], w - t * axis[2]
        return np.sqrt(u * u + v * v + w * w) - (start_radius + t * (end_radius - start_radius))

    ends, widest = np.array([start, end]), max(start_radius, end_radius)
    return Shape(distance, *_box(ends.min(0) - widest, ends.max(0) + widest))


def wall(
    path: Sequence[tuple[float, float]], half_width: float, z_low: float, z_high: float
) -> Shape:
    """Upright wall that follows a polyline in the (x, y) plane, from `z_low` to `z_high`."""
    points = np.array(path)

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        nearest = np.full(x.shape, np.inf)
        for (x0, y0), (x1, y1) in pairwise(points):
            dx, dy = x1 - x0, y1 - y0
            t = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
            across = (x - x0 - t * dx) ** 2 + (y - y0 - t * dy) ** 2
            nearest = np.minimum(nearest, across)
        height = np.abs(z - 0.5 * (z_low + z_high)) - 0.5 * (z_high - z_low)
        return np.maximum(np.sqrt(nearest) - half_width, height)

    low, high = points.min(0) - half_width, points.max(0) + half_width
    return Shape(distance, (low[0], low[1], z_low), (high[0], high[1], z_high))


def pair(shape: Shape) -> Shape:
    """The solid, given for the right side (x > 0), and its mirror image on the left."""

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return shape.distance(np.abs(x), y, z)

    return Shape(distance, (-shape.high[0], *shape.low[1:]), shape.high)


def grown(shape: Shape, margin: float) -> Shape:
    """The solid grown by `margin` mm on every side, or shrunk where the margin is negative."""

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return shape.distance(x, y, z) - margin

    return Shape(distance, *_box(np.subtract(shape.low, margin), np.add(shape.high, margin)))


def union(*shapes: Shape, blend: float = 0.0) -> Shape:
    """All solids together, the crease between them filled over about `blend` mm."""

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        total = shapes[0].distance(x, y, z)
        for shape in shapes[1:]:
            total = smooth_minimum(total, shape.distance(x, y, z), blend)
        return total

    low = np.min([s.low for s in shapes], axis=0) - blend
    high = np.max([s.high for s in shapes], axis=0) + blend
    return Shape(distance, *_box(low, high))


def difference(shape: Shape, *holes: Shape) -> Shape:
    """The solid without the holes."""

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        total = shape.distance(x, y, z)
        for hole in holes:
            total = np.maximum(total, -hole.distance(x, y, z))
        return total

    return Shape(distance, shape.low, shape.high)


def cells(shape: Shape, size: float, wall_mm: float) -> Shape:
    """Air cells about `size` mm wide inside the solid, parted by walls of about `wall_mm`.

    The walls are the gyroid, the zero level of a sum of three products of sines.
    """
    wave = np.pi / size
    slope = 1.3 * wave

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        u, v, w = wave * x, wave * y, wave * z
        gyroid = np.sin(u) * np.cos(v) + np.sin(v) * np.cos(w) + np.sin(w) * np.cos(u)
        return np.maximum(shape.distance(x, y, z), 0.5 * wall_mm - np.abs(gyroid) / slope)

    return Shape(distance, shape.low, shape.high)


def smooth_minimum(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """The minimum of two distances, rounded off over `blend` mm."""
    if blend == 0.0:
        return np.minimum(a, b)
    overlap = np.maximum(blend - np.abs(a - b), 0.0)
    return np.minimum(a, b) - overlap * overlap * (0.25 / blend)
