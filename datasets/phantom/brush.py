"""Painting one smooth shape: ellipsoids and rods, with a rim where a bone has its cortex."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .canvas import Canvas, Frame, Image, Region


def ellipsoid_distance(u: Image, v: Image, w: Image, semi: ArrayLike) -> Image:
    """Approximate signed distance from an ellipsoid about the origin, exact on its surface to first order."""
    a, b, c = (np.float32(1 / max(length, 1e-3)) for length in np.asarray(semi, dtype=np.float64))
    inner = np.sqrt((u * a) ** 2 + (v * b) ** 2 + (w * c) ** 2)
    slope = np.sqrt((u * a * a) ** 2 + (v * b * b) ** 2 + (w * c * c) ** 2)
    return inner * (inner - 1) / np.maximum(slope, 1e-6)


def rod_distance(u: Image, v: Image, w: Image, start: ArrayLike, end: ArrayLike, squash: float = 1.0) -> Image:
    """Distance from the segment ``start`` to ``end``, counting the third coordinate ``1 / squash`` times."""
    first, last = np.asarray(start, dtype=np.float32), np.asarray(end, dtype=np.float32)
    along = last - first
    du, dv, dw = u - first[0], v - first[1], w - first[2]
    share = np.clip((du * along[0] + dv * along[1] + dw * along[2]) / np.float32(along @ along), 0, 1)
    du, dv, dw = du - share * along[0], dv - share * along[1], dw - share * along[2]
    return np.sqrt(du * du + dv * dv + (dw * np.float32(1 / squash)) ** 2)


def paint_shape(
    canvas: Canvas,
    region: Region,
    distance: Image,
    signal: float | Image,
    *,
    rim: float | Image = 0.0,
    rim_signal: float = 0.0,
    soft: float = 0.0,
) -> None:
    """Paint a shape given by its signed distance, with a rim of that thickness (mm) just inside its surface."""
    if np.any(rim):
        canvas.paint(region, canvas.cover(distance, soft=soft), rim_signal)
    canvas.paint(region, canvas.cover(distance + np.asarray(rim, dtype=np.float32), soft=soft), signal)


def paint_ellipsoid(
    canvas: Canvas,
    frame: Frame,
    centre: ArrayLike,
    semi: ArrayLike,
    signal: float,
    *,
    rim: float = 0.0,
    rim_signal: float = 0.0,
    soft: float = 0.0,
) -> None:
    """Paint an ellipsoid whose axes are the frame's."""
    middle, lengths = np.asarray(centre, dtype=np.float64), np.asarray(semi, dtype=np.float64)
    region = canvas.region(frame, middle - lengths - soft, middle + lengths + soft)
    if region is None:
        return
    u, v, w = (part - np.float32(at) for part, at in zip((region.u, region.v, region.w), middle, strict=True))
    paint_shape(canvas, region, ellipsoid_distance(u, v, w, lengths), signal, rim=rim, rim_signal=rim_signal, soft=soft)


def paint_rod(
    canvas: Canvas,
    frame: Frame,
    start: ArrayLike,
    end: ArrayLike,
    radius: float,
    signal: float,
    *,
    squash: float = 1.0,
    rim: float = 0.0,
    rim_signal: float = 0.0,
    soft: float = 0.0,
) -> None:
    """Paint a rod with round ends, ``squash`` times as high as wide."""
    ends = np.array([start, end], dtype=np.float64)
    reach = radius * np.array([1.0, 1.0, max(squash, 1.0)]) + soft
    region = canvas.region(frame, ends.min(axis=0) - reach, ends.max(axis=0) + reach)
    if region is None:
        return
    distance = rod_distance(region.u, region.v, region.w, ends[0], ends[1], squash) - np.float32(radius)
    paint_shape(canvas, region, distance, signal, rim=rim, rim_signal=rim_signal, soft=soft)
