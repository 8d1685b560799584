"""Discs: annulus and nucleus, losing signal and height with degeneration, and bulging into the canal."""

from __future__ import annotations

import numpy as np

from .bones import body_distance
from .brush import ellipsoid_distance, paint_ellipsoid, paint_shape
from .canal import level_measures
from .canvas import Canvas
from .patient import Patient
from .spine import FIRST_LEVEL
from .tissue import Sequence


def paint_discs(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """All discs; the bodies are painted over their upper and lower ends."""
    for index, disc in enumerate(patient.spine.discs):
        level = index - FIRST_LEVEL
        worn = float(patient.person.degeneration[level]) if 0 <= level < 5 else 0.3
        half = np.array([disc.width, disc.depth, disc.front + 8]) / 2 + 2
        region = canvas.region(disc.frame, -half, half)
        if region is None:
            continue
        u, v, w = region.u, region.v, region.w
        annulus = sequence.signal("annulus")
        paint_shape(canvas, region, body_distance(disc, u, v, w, grow=2.5), annulus * 0.8)
        fluid = (1 - worn) * sequence.signal("nucleus") + worn * sequence.signal("dry_disc")
        semi = [0.38 * disc.width, 0.38 * disc.depth, disc.front * 0.6 + 1.5]
        core = ellipsoid_distance(u, v + 1.0, w, semi)
        cleft = 1 - 0.25 * (1 - worn) * np.exp(-((w / np.float32(1.3)) ** 2))
        paint_shape(canvas, region, core, fluid * cleft, soft=4.5)


def paint_bulges(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """The narrowing of the canal: the disc from the front and the ligamentum flavum from behind."""
    disc_signal, ligament = sequence.signal("annulus"), sequence.signal("flavum")
    for level in range(5):
        disc = patient.spine.level(level)
        wall = disc.depth / 2
        measures = level_measures(patient, level)
        reach = measures.front
        semi = [9 + 0.5 * reach, 3.5 + reach, min(4.6, 0.5 * disc.front) + 0.25 * reach]
        paint_ellipsoid(canvas, disc.frame, [0, wall - 3.5, 0], semi, disc_signal, soft=1.6)
        for side in (-1, 1):
            # Its back stays where the laminae hold it; what it gains in front is painted with the sac
            paint_ellipsoid(
                canvas,
                disc.frame,
                [side * 5.2, wall + measures.back + measures.behind + 1.2, -1],
                [6.6, 1.6, 9.0],
                ligament,
                soft=1.5,
            )
