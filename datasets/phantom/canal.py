"""The canal: epidural fat, the thecal sac with CSF, cord and cauda equina, narrowed at each level by the disease."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .canvas import WORLD, Canvas, Image, Region
from .patient import Patient
from .spine import FIRST_LEVEL, S1
from .tissue import Sequence

_GAP_MM = 1.0  # between the canal's front wall and the sac
_REACH_MM = 7.5  # along the canal, how far a narrowing reaches from the disc's middle
_WIDTH_SHARE = 0.55  # how much of the narrowing in depth the sac's width follows


@dataclass(frozen=True, slots=True)
class LevelMeasures:
    """Positions of the sac's walls at disc height, in mm behind the canal's front wall."""

    front: float  # of the sac: how far the disc reaches into the canal
    back: float
    behind: float  # how much of the healthy sac's depth was lost from behind


def level_measures(patient: Patient, level: int) -> LevelMeasures:
    """The sac's walls at level 0 (L1/L2) to 4 (L5/S1)."""
    depth = patient.person.sac_depth
    lost = depth * (1 - float(patient.narrowing.sac[level]))
    return LevelMeasures(_GAP_MM + 0.52 * lost, _GAP_MM + depth - 0.48 * lost, 0.48 * lost)


@dataclass(frozen=True, slots=True, eq=False)
class SacTables:
    """The sac's cross-section over the canal's rows: middle and half axes in mm."""

    middle: NDArray[np.float32]  # behind the canal's front wall
    depth: NDArray[np.float32]
    left: NDArray[np.float32]
    right: NDArray[np.float32]


def sac_tables(patient: Patient, *, healthy: bool = False) -> SacTables:
    """The cross-section at every row of the spine's canal tables; ``healthy`` ignores the narrowing."""
    person, spine = patient.person, patient.spine
    heights = spine.heights
    front = np.full_like(heights, _GAP_MM)
    back = np.full_like(heights, _GAP_MM + person.sac_depth)
    left = np.full_like(heights, person.sac_width / 2)
    right = left.copy()
    for level in range(5):
        disc = spine.level(level)
        at = disc.frame.to_world([0.0, disc.depth / 2, 0.0])[2]
        along = (heights - at) / spine.canal_cosine
        window = np.exp(-(np.abs(along / _REACH_MM) ** 3))
        share = 1.0 if healthy else float(patient.narrowing.sac[level])
        if not healthy:
            measures = level_measures(patient, level)
            front += window * (measures.front - _GAP_MM)
            back -= window * (_GAP_MM + person.sac_depth - measures.back)
        for side, half in enumerate((left, right)):
            recess = float(np.clip(patient.narrowing.subarticular_steps[level, side], 0, 3))
            half *= (1 - window * _WIDTH_SHARE * (1 - share)) * (1 - 0.07 * window * recess)
    end = spine.bodies[S1 + 1].frame.origin[2]
    taper = np.clip((heights - end) / 55, 0, 1) ** 0.6
    widen = np.clip((heights - spine.bodies[FIRST_LEVEL].frame.origin[2]) / 60, 0, 1)
    middle, depth = (front + back) / 2, (back - front) / 2 * taper * (1 + 0.08 * widen)
    scale = taper * (1 + 0.05 * widen)
    return SacTables(*(table.astype(np.float32) for table in (middle, depth, left * scale, right * scale)))


def canal_region(canvas: Canvas, patient: Patient) -> Region | None:
    """The box around the canal from the lowest to the highest vertebra, and beyond it upwards."""
    spine = patient.spine
    half = 17.0
    low = [float(spine.canal_x.min()) - half, float(spine.canal_y.min()) - 4, spine.bottom + 40]
    high = [float(spine.canal_x.max()) + half, float(spine.canal_y.max()) + 32, float(spine.heights[-1])]
    return canvas.region(WORLD, low, high)


def _canal_coordinates(patient: Patient, region: Region) -> tuple[Image, Image, NDArray[np.int32]]:
    """To the left of the canal's middle, behind its front wall, and rows of its tables."""
    spine = patient.spine
    rows = spine.row(region.w)
    return region.u - spine.canal_x[rows], (region.v - spine.canal_y[rows]) * spine.canal_cosine[rows], rows


def paint_canal(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """Epidural fat, which surrounds everything else in the canal."""
    region = canal_region(canvas, patient)
    if region is None:
        return
    side, behind, _ = _canal_coordinates(patient, region)
    person = patient.person
    half = (person.sac_depth + person.canal_fat + _GAP_MM + 1.5) / 2
    width = person.sac_width / 2 + 3.0
    radius = np.sqrt((side / np.float32(width)) ** 2 + ((behind - np.float32(half)) / np.float32(half)) ** 2)
    canvas.paint(region, canvas.cover((radius - 1) * np.float32(half)), sequence.signal("fat"))


def paint_sac(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """The sac full of CSF inside its dura, with the cord above its tip."""
    region = canal_region(canvas, patient)
    if region is None:
        return
    side, behind, rows = _canal_coordinates(patient, region)
    # What narrows the sac stands where the sac was: ligament, not fat
    canvas.paint(
        region,
        canvas.cover(_sac_distance(sac_tables(patient, healthy=True), side, behind, rows)),
        sequence.signal("flavum"),
    )
    tables = sac_tables(patient)
    distance = _sac_distance(tables, side, behind, rows)
    behind = behind - tables.middle[rows]
    canvas.paint(region, canvas.cover(distance), sequence.signal("ligament"))
    canvas.paint(region, canvas.cover(distance + 0.5), sequence.signal("csf"))
    tip = patient.spine.bodies[FIRST_LEVEL].frame.origin[2] + patient.person.conus
    grow = np.clip((region.w - np.float32(tip)) / 26, 0, 1) ** 0.5
    cord = np.sqrt((side / (4.6 * grow + 0.01)) ** 2 + ((behind - 0.8) / (3.9 * grow + 0.01)) ** 2)
    canvas.paint(region, canvas.cover((cord - 1) * (3.9 * grow + 0.01)), sequence.signal("cord"))


def _sac_distance(tables: SacTables, side: Image, behind: Image, rows: NDArray[np.int32]) -> Image:
    """Signed distance from the dura in mm."""
    depth = np.maximum(tables.depth[rows], 0.05)
    width = np.maximum(np.where(side > 0, tables.left[rows], tables.right[rows]), 0.05)
    radius = np.sqrt((side / width) ** 2 + ((behind - tables.middle[rows]) / depth) ** 2)
    return np.asarray((radius - 1) * np.minimum(depth, width))


def paint_roots(canvas: Canvas, patient: Patient, sequence: Sequence) -> None:
    """The cauda equina: roots that sink to the back of the sac, crowd where it is narrow and leave level by level."""
    region = canal_region(canvas, patient)
    if region is None:
        return
    side, behind, rows = _canal_coordinates(patient, region)
    tables = sac_tables(patient)
    behind = behind - tables.middle[rows]
    z = region.w
    top = patient.spine.bodies[FIRST_LEVEL].frame.origin[2] + patient.person.conus + 12
    nerve = sequence.signal("nerve")
    ends = [float(patient.spine.level(level).frame.origin[2]) for level in range(5)]
    ends += [ends[-1] - 22, ends[-1] - 34]
    for number, end in enumerate(ends):
        spread = 0.86 - 0.12 * number  # those that leave first lie farthest out
        for way in (1, -1):
            half = np.where(way > 0, tables.left[rows], tables.right[rows])
            wave = 0.05 * np.sin(z / np.float32(23 + 3 * number) + number)
            across = side - half * np.float32(way) * (spread + wave)
            back = behind - tables.depth[rows] * (0.30 + 0.08 * (number % 3) - 0.25 * (spread > 0.7) + wave)
            cover = canvas.cover(np.sqrt(across * across + back * back) - np.float32(0.85))
            cover = cover * ((z > end) & (z < top))
            canvas.paint(region, cover, nerve)
