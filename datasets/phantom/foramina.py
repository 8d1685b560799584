"""Foramina with the exiting root in its fat, and lateral recesses with the traversing root."""

from __future__ import annotations

import numpy as np

from .brush import paint_ellipsoid, paint_rod, paint_shape
from .canvas import Canvas, FloatArray, Image
from .patient import Patient
from .spine import Body
from .tissue import Sequence

SIDES = (1, -1)  # left, right: patient left is where x grows
# Where the foramina lie from the disc's middle, L1/L2 to L5/S1: behind the body's back wall, and above
_BEHIND_MM = (4.8, 4.2, 3.4, 2.2, 1.4)
_ABOVE_MM = (6.3, 7.6, 8.6, 9.4, 9.4)


def foramen_centre(patient: Patient, level: int, side: int) -> FloatArray:
    """(3,) the foramen's middle in the frame of the level's disc; ``side`` is an index into `SIDES`."""
    disc = patient.spine.level(level)
    out = (15.5 + 1.0 * level) * patient.person.size
    return np.array([SIDES[side] * out, disc.depth / 2 + _BEHIND_MM[level], _ABOVE_MM[level]])


def recess_centre(patient: Patient, level: int, side: int) -> FloatArray:
    """(3,) the recess's middle in the frame of the level's disc."""
    disc = patient.spine.level(level)
    depth = float(patient.narrowing.recess_mm[level, side])
    return np.array([SIDES[side] * (patient.person.sac_width / 2 + 1.8), disc.depth / 2 + 0.9 + depth / 2, 0.0])


def paint_foramina(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """The foramina: bounded by disc and facet joint, open where fat remains."""
    for level in range(-1, 5):
        disc = patient.spine.level(level)
        for side in range(2):
            share = float(patient.narrowing.foramen[level, side]) if level >= 0 else 1.0
            _paint_foramen(canvas, patient, sequence, disc, foramen_centre(patient, max(level, 0), side), share)


def _paint_foramen(
    canvas: Canvas, patient: Patient, sequence: Sequence, disc: Body, centre: FloatArray, share: float
) -> None:
    scale = patient.person.foramen * patient.person.size
    half = np.array([12.0, 11.0, 17.0])
    region = canvas.region(disc.frame, centre - half, centre + half)
    if region is None:
        return
    way = float(np.sign(centre[0]))
    out = (region.u - np.float32(centre[0])) * way  # mm towards the outside
    v, w = region.v - np.float32(centre[1]), region.w - np.float32(centre[2])
    reach = (out / np.float32(11.0)) ** 4  # the tunnel's ends are rounded
    # Disc from the front, joint from behind: what is left of the tunnel between them holds fat
    wall = _tube(v + 0.5, w + 0.5, 7.4 * scale, 11.2 * scale, reach)
    paint_shape(canvas, region, wall, 0.75 * sequence.signal("dry_disc"), soft=2.5)
    root_v, root_w = 2.0 * (0.72 + 0.28 * min(share, 1)), 2.7
    high = 3.3 * share * scale
    # Wider above, where the root runs, than below, where only veins are
    taper = 1 + 0.025 * np.clip(w, -8, 6) * share
    fat = _tube(v / taper, w - 0.35 * high, root_v + 3.4 * share * scale, root_w + 6.9 * share * scale, reach)
    paint_shape(canvas, region, fat, sequence.signal("fat"))
    root = _tube(v + 0.3, w - high + 0.22 * out, root_v, root_w, 0.4 * reach)
    paint_shape(canvas, region, root, sequence.signal("nerve"))


def _tube(v: Image, w: Image, a: float, b: float, reach: Image) -> Image:
    radius = np.sqrt((v / np.float32(a)) ** 2 + (w / np.float32(b)) ** 2 + reach)
    return np.asarray((radius - 1) * np.float32(min(a, b)))


def paint_recesses(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """The recesses at disc height: a gap between disc and facet, which contains fat and the traversing root."""
    filling = 0.8 * sequence.signal("flavum")
    for level in range(5):
        disc = patient.spine.level(level)
        for side in range(2):
            depth = float(patient.narrowing.recess_mm[level, side])
            centre = recess_centre(patient, level, side)
            x, front = centre[0], disc.depth / 2
            paint_ellipsoid(
                canvas, disc.frame, [x + SIDES[side] * 0.5, front + 3.6, -1], [5.6, 5.8, 9.5], filling, soft=2.0
            )
            paint_ellipsoid(canvas, disc.frame, centre, [4.3, depth / 2 + 0.1, 9.5], sequence.signal("fat"))
            thin = min(1.6, 0.3 * depth + 0.25)
            paint_rod(
                canvas, disc.frame, centre + np.array([0, 0, 10]), centre + np.array([SIDES[side] * 2, 0, -14]), thin,
                sequence.signal("nerve"),
            )  # fmt: skip
