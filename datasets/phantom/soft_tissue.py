"""The trunk around the spine: skin, fat, abdomen, vessels and muscles."""

from __future__ import annotations

import numpy as np

from .canvas import WORLD, Canvas, Image
from .patient import Patient
from .spine import S1
from .tissue import Sequence


def paint_body(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """Skin, subcutaneous fat, and the abdomen as lobules of bowel in fat."""
    person, texture = patient.person, patient.texture
    region = canvas.everywhere()
    x, y, z = region.u, region.v, region.w
    back = back_line(patient, z)
    depth, width = person.waist_depth, person.waist_width
    middle = back - np.float32(depth / 2)
    outer = _superellipse(x, y - middle, width / 2, depth / 2)
    skin = canvas.cover(outer, soft=1.5)
    grain = texture.on(canvas, texture.coarse, scale=1.7)
    fine = texture.on(canvas, texture.fine)
    fat = sequence.signal("fat") * (1 + 0.035 * grain + 0.03 * fine)
    canvas.paint(region, skin, sequence.signal("skin"))
    canvas.paint(region, canvas.cover(outer + 2.0, soft=1.5), fat)
    layer = person.subcutaneous
    inner = _superellipse(x, y - middle, width / 2 - layer * 0.8, depth / 2 - layer)
    lobules = np.clip(0.5 + 1.3 * grain, 0, 1)
    bowel = sequence.signal("bowel") * (1 + 0.12 * fine)
    wall = sequence.signal("muscle") * (1 + 0.05 * fine)
    canvas.paint(region, canvas.cover(inner), wall)
    canvas.paint(region, canvas.cover(inner + 9.0, soft=2.0), fat * lobules + bowel * (1 - lobules))


def back_line(patient: Patient, z: Image) -> Image:
    """How far back the skin of the back lies at heights ``z``."""
    spine, person = patient.spine, patient.person
    table = spine.canal_y
    smooth = np.float32(0.45) * table + np.float32(0.55 * float(table[spine.row(np.float32(0.0))]))
    return smooth[spine.row(z)] + np.float32(54 * person.size + person.subcutaneous)


def paint_muscles(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """Psoas in front, quadratus and the erector group behind; fat streaks run along the fibres."""
    person = patient.person
    flesh, fat = sequence.signal("muscle"), sequence.signal("fat")
    reach = 240.0
    region = canvas.region(WORLD, [-95, -70, -reach], [95, 110, reach])
    if region is None:
        return
    x, y, z = region.u, region.v, region.w
    rows = patient.spine.row(z)
    side = x - patient.spine.canal_x[rows]
    depth = y - patient.spine.canal_y[rows]
    streaks = patient.texture.at(patient.texture.streaks, x, y, z)
    fine = patient.texture.at(patient.texture.fine, x, y, z)
    share = np.clip(1.1 * person.muscle_fat - 0.35 + 0.22 * streaks, 0, 0.9)
    fatty = flesh * (1 + 0.06 * fine) * (1 - share) + fat * share
    lean = flesh * (1 + 0.05 * fine + 0.03 * streaks)
    # A bed of fat behind the laminae, in which the back muscles lie
    canvas.paint(region, canvas.cover(_oval(np.abs(side) - 24, depth - 38, 40, 26)), fat)
    low = np.clip(-z / 110, -0.6, 1.0).astype(np.float32)
    m = person.muscle
    for centre, semi, signal in (
        ((13.5, 35.0), (11.5 * m, 16.0 * m), fatty),
        ((39.0, 37.0), (22.0 * m, 19.0 * m), fatty),
        ((62.0, 2.0), (17.0 * m, 9.0 * m), lean),
    ):
        oval = _oval(np.abs(side) - centre[0], depth - centre[1], *semi)
        canvas.paint(region, canvas.cover(oval), signal)
    psoas = _oval(np.abs(side) - (35 + 5 * low), depth + 20 + 3 * low, 14 * m + 5 * low, 17 * m + 5 * low)
    canvas.paint(region, canvas.cover(psoas), lean)


def paint_vessels(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """Aorta on the left and vena cava on the right, in front of the bodies; both fork at L4."""
    size = patient.person.size
    fork = float(patient.spine.bodies[S1 - 2].frame.origin[2])
    region = canvas.region(WORLD, [-75, -90, -240], [75, 60, 240])
    if region is None:
        return
    x, y, z = region.u, region.v, region.w
    rows = patient.spine.row(z)
    side = x - patient.spine.canal_x[rows]
    depth = y - patient.spine.canal_y[rows]
    below = np.maximum(fork - z, 0)
    canvas.paint(region, canvas.cover(_oval(side, depth + 50, 46, 15)), sequence.signal("fat"))
    for centre, apart, radius, tissue in ((11.0, 0.42, 9.0, "blood"), (-14.0, 0.42, 10.5, "blood")):
        narrow = np.where(below > 0, 0.68, 1.0).astype(np.float32)
        for way in (1, -1):
            offset = side - centre - way * apart * below
            oval = _oval(offset, depth + (47 * size + 6) - 0.15 * below, radius * narrow, radius * 0.9 * narrow)
            canvas.paint(region, canvas.cover(oval), sequence.signal("cortex"))
            canvas.paint(region, canvas.cover(oval + 1.2), sequence.signal(tissue))


def _superellipse(x: Image, y: Image, a: float, b: float) -> Image:
    radius = ((np.abs(x) / np.float32(a)) ** 2.6 + (np.abs(y) / np.float32(b)) ** 2.6) ** (1 / 2.6)
    return (radius - 1) * np.float32(min(a, b))


def _oval(x: Image, y: Image, a: Image | float, b: Image | float) -> Image:
    radius = np.sqrt((x / a) ** 2 + (y / b) ** 2)
    return (radius - 1) * np.minimum(a, b)
