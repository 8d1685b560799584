"""Points as annotators set them: near the stenosis, on the slice they chose, with a random click error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.imaging.geometry import Plane
from bench.targets import AXIAL_T2, LEVELS, MISSING, SAGITTAL_T1, SAGITTAL_T2, TARGETS, Target

from .acquisition import SeriesPlan
from .canal import level_measures
from .canvas import FloatArray
from .foramina import foramen_centre, recess_centre
from .labels import Severities
from .patient import Patient
from .streams import stream

SCATTER_MM = {"spinal": 1.4, "foraminal": 1.3, "subarticular": 1.1}
_ONE_SLICE_SPINAL = 0.78  # studies whose canal points all lie on one slice
_ONE_SLICE_SUBARTICULAR = 0.568  # levels whose two recess points lie on one slice
_POINT_MISSING = {"spinal": 117 / 9870, "foraminal": 11 / 19700, "subarticular": 18 / 19233}


@dataclass(frozen=True, slots=True)
class Point:
    """A row of the coordinate table."""

    series_id: int
    instance_number: int
    target: Target
    x: float
    y: float


@dataclass(frozen=True, slots=True, eq=False)
class _Slice:
    """One slice of a plan, with the geometry for setting a point on it."""

    series_id: int
    instance_number: int
    plane: Plane


def true_point(patient: Patient, target: Target) -> FloatArray:
    """(3,) where the target lies in patient space, mm."""
    level = LEVELS.index(target.level)
    disc = patient.spine.level(level)
    if target.condition == "spinal":
        measures = level_measures(patient, level)
        return disc.frame.to_world([0.0, disc.depth / 2 + 0.5 * (measures.front + measures.back), 0.0])
    side = ("left", "right").index(target.side or "left")
    if target.condition == "foraminal":
        # The root runs through the foramen's upper part, and that is where eyes go
        return disc.frame.to_world(foramen_centre(patient, level, side) + np.array([0.0, -0.4, 2.0]))
    return disc.frame.to_world(recess_centre(patient, level, side))


def annotate(seed: int, index: int, patient: Patient, severities: Severities, plans: list[SeriesPlan]) -> list[Point]:
    """All points of a study, in the order of `bench.targets.TARGETS`; none where the label is missing."""
    random = stream(seed, index, "annotators")
    slices = {kind: _slices(plans, kind) for kind in (SAGITTAL_T1, SAGITTAL_T2, AXIAL_T2)}
    world = {target: true_point(patient, target) for target in TARGETS}
    chosen = _choose_slices(world, slices, random)
    points = []
    for number, target in enumerate(TARGETS):
        scatter = random.normal(0, SCATTER_MM[target.condition], 2)
        absent = random.random() < _POINT_MISSING[target.condition]
        if severities.grades[number] == MISSING or absent or target not in chosen:
            continue
        where = chosen[target]
        x, y = where.plane.to_pixel(world[target]) + scatter / where.plane.spacing
        points.append(Point(where.series_id, where.instance_number, target, round(float(x), 6), round(float(y), 6)))
    return points


def slices_off(patient: Patient, points: list[Point], plans: list[SeriesPlan]) -> dict[str, list[int]]:
    """By condition, the slice error of each point: slices between it and the one nearest to the true position."""
    off: dict[str, list[int]] = {}
    for point in points:
        series = [one for one in _slices(plans, point.target.point_series) if one.series_id == point.series_id]
        numbers = [one.instance_number for one in series]
        if point.instance_number in numbers:  # edge cases misplace points
            nearest = _nearest(series, true_point(patient, point.target))
            off.setdefault(point.target.condition, []).append(abs(numbers.index(point.instance_number) - nearest))
    return off


def _slices(plans: list[SeriesPlan], description: str) -> list[_Slice]:
    result = []
    for plan in plans:
        if plan.description != description:
            continue
        numbers = iter(plan.instance_numbers)
        spacing = np.array([plan.spacing, plan.spacing])
        for block in plan.blocks:
            for origin in block.origins:
                plane = Plane(origin, block.along_x, block.along_y, spacing)
                result.append(_Slice(plan.series_id, next(numbers), plane))
    return result


def _nearest(slices: list[_Slice], point: FloatArray) -> int:
    return int(np.argmin([abs(float(one.plane.distance(point))) for one in slices]))


def _choose_slices(
    world: dict[Target, FloatArray], slices: dict[str, list[_Slice]], random: np.random.Generator
) -> dict[Target, _Slice]:
    chosen: dict[Target, _Slice] = {}
    together = random.random() < _ONE_SLICE_SPINAL
    middle = np.mean([point for target, point in world.items() if target.condition == "spinal"], axis=0)
    first_side: dict[str, int] = {}
    for target, point in world.items():
        available = slices[target.point_series]
        if not available:
            continue
        if target.condition == "spinal":
            at = _nearest(available, middle if together else point + random.normal(0, [2.5, 0, 0]))
        elif target.condition == "foraminal":
            at = _nearest(available, point + random.normal(0, [1.0, 0, 0]))
        else:
            at = _nearest(available, point + random.normal(0, [0, 0, 0.8]))
            if target.side == "left":
                first_side[target.level] = at
            elif random.random() < _ONE_SLICE_SUBARTICULAR:
                at = first_side[target.level]
            else:
                at = _neighbour(available, first_side[target.level], random)
        chosen[target] = available[at]
    return chosen


def _neighbour(available: list[_Slice], at: int, random: np.random.Generator) -> int:
    series = available[at].series_id
    ways = [way for way in (-1, 1) if 0 <= at + way < len(available) and available[at + way].series_id == series]
    return at + int(random.choice(ways)) if ways else at
