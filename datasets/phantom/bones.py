"""Vertebrae: bodies with concave waists and endplates, pedicles, laminae, processes and facet joints."""

from __future__ import annotations

import numpy as np

from .brush import paint_ellipsoid, paint_rod, paint_shape
from .canvas import Canvas, Image
from .patient import Patient
from .spine import FIRST_LEVEL, S1, Body
from .tissue import Sequence

_CORTEX_MM = 0.7
_EDGE_MM = 1.1  # over which cortex fades into what lies around it


def body_distance(body: Body, u: Image, v: Image, w: Image, *, grow: float = 0.0) -> Image:
    """Signed distance from a vertebral body, or from a disc when ``grow`` swells its height and rim."""
    half_width, half_depth = body.width / 2, body.depth / 2
    # The height falls from the front edge to the back edge, or the other way
    half_height = (body.front + body.back) / 4 + grow + (body.back - body.front) / 4 * v * np.float32(1 / half_depth)
    waist = 1 - 0.09 * np.clip(1 - (w / half_height) ** 2, 0, 1)
    hollow = 2.2 * np.exp(-((u / np.float32(0.2 * body.width)) ** 2)) * (v > 0)
    radius = ((np.abs(u) / (half_width * waist)) ** 2.5 + (np.abs(v) / (half_depth * waist - hollow)) ** 2.5) ** 0.4
    around = (radius - 1) * np.float32(half_depth) - np.float32(0.3 * grow)
    endplate = 1.3 * np.clip(1 - radius * radius, 0, 1) if not grow else 0.0
    across = np.abs(w) - half_height + endplate
    # A rounded corner of about 2 mm where endplate and wall meet
    corner = np.sqrt(np.maximum(around + 2, 0) ** 2 + np.maximum(across + 2, 0) ** 2)
    return np.minimum(np.maximum(around, across) + 2, 0) + corner - 2


def paint_bodies(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """The vertebral bodies with their cortex, marrow and basivertebral vein."""
    marrow, cortex = sequence.signal("marrow"), sequence.signal("cortex")
    for body in patient.spine.bodies:
        half = np.array([body.width, body.depth, max(body.front, body.back) + 2]) / 2 + 1
        region = canvas.region(body.frame, -half, half)
        if region is None:
            continue
        distance = body_distance(body, region.u, region.v, region.w)
        x, y, z = _world(body, region.u, region.v, region.w)
        grain = patient.texture.at(patient.texture.fine, x, y, z)
        broad = patient.texture.at(patient.texture.coarse, x, y, z)
        signal = marrow * (1 + 0.09 * grain + 0.10 * broad)
        distance = distance + 0.40 * broad + 0.12 * grain
        rim = _CORTEX_MM * np.clip(1 + 0.45 * broad, 0.3, 1.8)  # thicker here, thinner there
        paint_shape(canvas, region, distance, signal, rim=rim, rim_signal=cortex, soft=_EDGE_MM)
        if body.name not in ("S2", "S3"):
            paint_ellipsoid(
                canvas, body.frame, [0, body.depth / 2 - 3, 0], [6, 7, 1.8], sequence.signal("vein"), soft=1.5
            )


def _world(body: Body, u: Image, v: Image, w: Image) -> tuple[Image, Image, Image]:
    axes, origin = body.frame.axes.astype(np.float32), body.frame.origin.astype(np.float32)
    x, y, z = (origin[i] + u * axes[0, i] + v * axes[1, i] + w * axes[2, i] for i in range(3))
    return x, y, z


def paint_posterior(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """Pedicles, articular pillars, laminae, transverse and spinous processes of every vertebra."""
    bone = {"rim": _CORTEX_MM, "rim_signal": sequence.signal("cortex"), "soft": _EDGE_MM}
    marrow = sequence.signal("marrow")
    person = patient.person
    for index, body in enumerate(patient.spine.bodies[: S1 + 2]):
        wall, size = body.depth / 2, person.size
        height = (body.front + body.back) / 2
        back = wall + person.sac_depth + person.canal_fat + 3
        out = (10.5 + 0.75 * max(index - FIRST_LEVEL, 0)) * size + 4
        thick = (3.6 + 0.45 * max(index - FIRST_LEVEL, 0)) * size
        lift = 0.22 * height
        low = -0.32 * height
        for side in (-1, 1):
            paint_rod(
                canvas, body.frame, [side * out, wall - 4, lift], [side * (out + 1), wall + 13, lift], thick, marrow,
                squash=7.3 * size / thick, **bone,
            )  # fmt: skip
            if index >= S1:
                for centre, semi in (((27, 3, -3), (17, 11, 15)), ((42, 10, -2), (14, 15, 17))):
                    where = [side * centre[0], centre[1], centre[2]]
                    paint_ellipsoid(canvas, body.frame, where, np.array(semi) * size, marrow, **bone)
                continue
            paint_rod(
                canvas, body.frame, [side * (out + 4), wall + 9, lift], [side * (out + 22), wall + 14, lift + 2], 3.6,
                marrow, squash=1.3, **bone,
            )  # fmt: skip
            paint_rod(
                canvas, body.frame, [side * (out + 1), wall + 16, lift + 4], [side * (out - 1), wall + 20, low - 6],
                5.0, marrow, **bone,
            )  # fmt: skip
            paint_rod(
                canvas, body.frame, [side * (out - 1), wall + 20, low + 2], [side * 2, back + 4, low - 3], 3.0, marrow,
                squash=2.6, **bone,
            )  # fmt: skip
        if index <= S1:
            tip = back + (27 if index < S1 else 12) * size
            paint_rod(canvas, body.frame, [0, back + 5, low - 2], [0, tip, low - 8], 2.9, marrow, squash=3.4, **bone)


def paint_joints(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """Facet joints: two processes and the bright joint line between them, larger where the level is degenerated."""
    marrow, cortex = sequence.signal("marrow"), sequence.signal("cortex")
    for level in range(-1, 5):
        disc = patient.spine.level(level)
        wall, size = disc.depth / 2, patient.person.size
        out = (14.0 + 0.9 * max(level, 0)) * size
        for number, side in enumerate((1, -1)):
            worn = 0.0
            if level >= 0:
                steps = patient.narrowing.subarticular_steps[level, number]
                worn = float(np.clip(0.35 * steps, -0.4, 1.4))
            grow = 1 + 0.10 * worn
            paint_ellipsoid(
                canvas, disc.frame, [side * (out + 3.5), wall + 13.5, 1], [5.2 * grow, 5.4 * grow, 10], marrow,
                rim=_CORTEX_MM + 0.3, rim_signal=cortex, soft=_EDGE_MM,
            )  # fmt: skip
            paint_ellipsoid(
                canvas, disc.frame, [side * (out - 1.5), wall + 19, -1], [5.6 * grow, 5.0 * grow, 11], marrow,
                rim=_CORTEX_MM + 0.3, rim_signal=cortex, soft=_EDGE_MM,
            )  # fmt: skip
            paint_rod(
                canvas, disc.frame, [side * (out - 2.8), wall + 13.2, 0], [side * (out + 4.4), wall + 19.2, 0], 0.45,
                sequence.signal("joint_fluid"), squash=10.0, soft=0.8,
            )  # fmt: skip
