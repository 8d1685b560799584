"""The trunk around the spine: skin, fat, abdomen, kidneys, vessels and muscles."""

from __future__ import annotations

import numpy as np

from .canvas import WORLD, Canvas, Image
from .patient import Patient
from .spine import FIRST_LEVEL, S1
from .tissue import Sequence

_REACH_MM = 260.0  # head and foot end of what is painted


def paint_trunk(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """Everything around the spine."""
    region = canvas.everywhere()
    # Grains of 15 mm that make outlines uneven; the same for all shapes, so that neighbours stay neighbours
    uneven = patient.texture.at(patient.texture.broad, region.u, region.v, region.w)
    _paint_body(canvas, patient, sequence, uneven)
    _paint_organs(canvas, patient, sequence, uneven)
    _paint_vessels(canvas, patient, sequence, uneven)
    _paint_muscles(canvas, patient, sequence, uneven)


def back_line(patient: Patient, z: Image) -> Image:
    """How far back the skin of the back lies at heights ``z``."""
    spine, person = patient.spine, patient.person
    table = spine.canal_y
    middle = float(table[int(spine.row(np.zeros(1, dtype=np.float32))[0])])
    smooth = np.float32(0.5) * table + np.float32(0.5 * middle)
    return np.asarray(smooth[spine.row(z)] + np.float32(56 * person.size + person.subcutaneous))


def _paint_body(canvas: Canvas, patient: Patient, sequence: Sequence, uneven: Image) -> None:
    """Skin, subcutaneous fat with septa, the abdominal wall, and bowel in fat."""
    person, texture = patient.person, patient.texture
    region = canvas.everywhere()
    x, y, z = region.u, region.v, region.w
    depth, width, layer = person.waist_depth, person.waist_width, person.subcutaneous
    middle = back_line(patient, z) - np.float32(depth / 2)
    fine = texture.at(texture.fine, x, y, z)
    septa = texture.at(texture.streaks, z, y, x, scale=1.6)
    fat = sequence.signal("fat") * (1 + 0.05 * uneven + 0.04 * fine - 0.16 * np.clip(septa - 1.1, 0, 1))
    outer = _superellipse(x, y - middle, width / 2, depth / 2) + 0.4 * uneven
    canvas.paint(region, canvas.cover(outer, soft=1.5), sequence.signal("skin"))
    canvas.paint(region, canvas.cover(outer + 2.0, soft=1.5), fat)
    inner = _superellipse(x, y - middle, width / 2 - layer * 0.8, depth / 2 - layer) + 2.5 * uneven
    wall = sequence.signal("muscle") * (1 + 0.06 * fine)
    canvas.paint(region, canvas.cover(inner, soft=1.5), wall)
    folds = texture.at(texture.broad, x, z, y)
    lobules = np.clip(0.5 + 1.6 * folds, 0, 1)
    fold_wall = np.exp(-((folds / np.float32(0.22)) ** 2))
    bowel = sequence.signal("bowel") * (1 + 0.15 * fine + 0.2 * uneven)
    inside = fat * lobules + bowel * (1 - lobules) - 0.35 * fold_wall * sequence.signal("bowel")
    canvas.paint(region, canvas.cover(inner + 9.0, soft=3.0), np.maximum(inside, 0))


def _paint_organs(canvas: Canvas, patient: Patient, sequence: Sequence, uneven: Image) -> None:
    """Fat behind the peritoneum, the kidneys beside L1 to L3, and the iliac wings beside the sacrum."""
    spine, size = patient.spine, patient.person.size
    region = canvas.region(WORLD, [-130, -70, -_REACH_MM], [130, 70, _REACH_MM])
    if region is None:
        return
    side, depth = _from_canal(patient, region.u, region.v, region.w)
    bumpy = uneven[region.where]
    fat = sequence.signal("fat")
    canvas.paint(region, canvas.cover(_oval(side, depth + 12, 86, 26) + 4 * bumpy, soft=3), fat)
    kidney_z = float(spine.bodies[FIRST_LEVEL].frame.origin[2]) - 18
    for way, lower in ((1, 0.0), (-1, 12.0)):
        up = (region.w - np.float32(kidney_z - lower)) / np.float32(52 * size)
        radius = np.sqrt(((side * way - 64) / 24) ** 2 + ((depth + 20) / 25) ** 2 + up**2)
        kidney = (radius - 1) * 24 + 1.5 * bumpy
        canvas.paint(region, canvas.cover(kidney), sequence.signal("kidney") * (1 + 0.08 * bumpy))
        canvas.paint(region, canvas.cover(kidney + 17 + 5 * bumpy, soft=4), fat)
    crest = float(spine.discs[S1 - 1].frame.origin[2]) + 14
    wing_side, wing_up = np.abs(side) - 62, (region.w - np.float32(crest - 60)) / np.float32(60)
    wing = _oval(wing_side - 0.35 * (depth - 5), depth - 14 + 18 * np.clip(wing_up, -2, 1), 8, 42)
    wing = np.maximum(wing, (wing_up - 1) * 20) + 0.8 * bumpy
    canvas.paint(region, canvas.cover(wing), sequence.signal("cortex"))
    canvas.paint(region, canvas.cover(wing + 1.2), sequence.signal("marrow") * (1 + 0.08 * bumpy))


def _paint_vessels(canvas: Canvas, patient: Patient, sequence: Sequence, uneven: Image) -> None:
    """Aorta on the left and vena cava on the right, in front of the bodies; both fork at L4."""
    size = patient.person.size
    fork = float(patient.spine.bodies[S1 - 2].frame.origin[2])
    region = canvas.region(WORLD, [-75, -100, -_REACH_MM], [75, 60, _REACH_MM])
    if region is None:
        return
    side, depth = _from_canal(patient, region.u, region.v, region.w)
    bumpy = uneven[region.where]
    below = np.maximum(fork - region.w, 0)
    narrow = 1 - 0.3 * np.clip(below / 25, 0, 1)
    for centre, radius, flat in ((9.0, 8.5, 1.0), (-14.0, 10.0, 0.8)):
        tubes = [
            _oval(
                side - centre - way * 0.42 * below,
                depth + (45 * size + 8) - 0.15 * below,
                radius * narrow,
                radius * flat * narrow,
            )
            for way in (1, -1)
        ]
        tube = np.minimum(*tubes) + 0.8 * bumpy
        canvas.paint(region, canvas.cover(tube), sequence.signal("skin"))
        canvas.paint(region, canvas.cover(tube + 1.5, soft=1.5), sequence.signal("blood"))


def _paint_muscles(canvas: Canvas, patient: Patient, sequence: Sequence, uneven: Image) -> None:
    """Psoas and quadratus, and the erector group behind with fat along its fibres and between its parts."""
    person, texture = patient.person, patient.texture
    region = canvas.region(WORLD, [-120, -90, -_REACH_MM], [120, 190, _REACH_MM])
    if region is None:
        return
    x, y, z = region.u, region.v, region.w
    side, depth = _from_canal(patient, x, y, z)
    bumpy = uneven[region.where]
    beside = np.abs(side)
    streaks = texture.at(texture.streaks, x, y, z)
    fine = texture.at(texture.fine, x, y, z)
    flesh, fat = sequence.signal("muscle"), sequence.signal("fat")
    # More fat towards the spinous processes and the foot end, as in life
    low = np.clip(-z / 110, -0.8, 1.2).astype(np.float32)
    lean_share = 1.25 * person.muscle_fat * (1 + 0.35 * low) - 0.42 - 0.006 * (beside - 18)
    share = np.clip(lean_share + 0.26 * streaks, 0, 0.92)
    fatty = flesh * (1 + 0.07 * fine + 0.05 * bumpy) * (1 - share) + fat * share
    lean = flesh * (1 + 0.06 * fine + 0.05 * streaks) + 0.10 * (fat - flesh) * np.clip(streaks - 1.3, 0, 1.5)
    m = float(person.muscle)
    back = _oval(beside - 27, depth - 37, 37 * m, 24 * m) + 2.0 * bumpy
    back = np.maximum(back, 3.5 - beside + 0.8 * bumpy)
    canvas.paint(region, canvas.cover(back + -1.5, soft=1.5), sequence.signal("ligament"))
    canvas.paint(region, canvas.cover(back, soft=1.2), fatty)
    # Septa of fat between multifidus, longissimus and iliocostalis
    for bow in (16.0 + 1.5 * low, 36.0 + 2.0 * low):
        gap = np.abs(beside - bow - 0.012 * (depth - 30) ** 2 + 0.7 * bumpy) - 0.5
        canvas.paint(region, 0.8 * canvas.cover(np.maximum(gap, back + 1.0), soft=1.6), fat)
    quadratus = _oval(beside - 60, depth - 4, 15 * m, 8 * m) + 2.0 * bumpy
    crest = float(patient.spine.discs[S1 - 1].frame.origin[2]) + 14
    quadratus = np.maximum(quadratus, crest - z)
    canvas.paint(region, canvas.cover(quadratus, soft=1.3), lean)
    psoas = _oval(beside - (33 + 6 * low), depth + 21 + 5 * low, (12 + 5 * low) * m, (15 + 5 * low) * m) + 1.8 * bumpy
    canvas.paint(region, canvas.cover(psoas, soft=1.3), lean)


def _from_canal(patient: Patient, x: Image, y: Image, z: Image) -> tuple[Image, Image]:
    """To the left of the canal's middle and behind its front wall, mm."""
    rows = patient.spine.row(z)
    return x - patient.spine.canal_x[rows], y - patient.spine.canal_y[rows]


def _superellipse(x: Image, y: Image, a: float, b: float) -> Image:
    radius = ((np.abs(x) / np.float32(a)) ** 2.6 + (np.abs(y) / np.float32(b)) ** 2.6) ** np.float32(1 / 2.6)
    return (radius - 1) * np.float32(min(a, b))


def _oval(x: Image, y: Image, a: Image | float, b: Image | float) -> Image:
    radius = np.sqrt((x / a) ** 2 + (y / b) ** 2)
    return np.asarray((radius - 1) * np.minimum(a, b))
