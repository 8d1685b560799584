"""Crops around targets, taken straight from painted slices without a detour over files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from bench.datasets.phantom.acquisition import SeriesPlan
from bench.datasets.phantom.annotators import true_point
from bench.datasets.phantom.canvas import FloatArray
from bench.datasets.phantom.tables import PlannedStudy
from bench.targets import SAGITTAL_T1, SAGITTAL_T2, TARGETS

SIDE_PX = 48
_MM_PER_PX = {"spinal": 1.0, "foraminal": 1.0, "subarticular": 0.9}
_BAG = 5
_AXIAL_REACH_MM = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """One series' slices in anatomical order, with their geometry."""

    plan: SeriesPlan
    pixels: NDArray[np.float32]  # (S, H, W), 0 to 1 between the 1st and 99th percentile of each slice
    origins: FloatArray  # (S, 3)
    axes: FloatArray  # (S, 2, 3)
    numbers: tuple[int, ...]

    def distances(self, world: FloatArray) -> FloatArray:
        """(S,) mm of a point from each slice's plane."""
        normals = np.cross(self.axes[:, 0], self.axes[:, 1])
        return np.abs(np.einsum("sk,sk->s", world - self.origins, normals))

    def pixel(self, at: int, world: FloatArray) -> FloatArray:
        """(2,) column and row of a point on one slice."""
        return (self.axes[at] @ (world - self.origins[at])) / self.plan.spacing

    def world(self, at: int, x: float, y: float) -> FloatArray:
        """(3,) where a pixel of one slice lies."""
        return self.origins[at] + self.plan.spacing * (x * self.axes[at, 0] + y * self.axes[at, 1])


def stack(plan: SeriesPlan, pixels: NDArray[np.uint16]) -> Stack:
    """The stack of a scanned series: sagittal slices from right to left, axial ones from head to foot."""
    origins = np.concatenate([block.origins for block in plan.blocks])
    axes = np.concatenate([np.stack([[b.along_x, b.along_y]] * len(b.origins)) for b in plan.blocks])
    centres = origins + plan.spacing * (axes[:, 0] * plan.shape[1] + axes[:, 1] * plan.shape[0]) / 2
    sagittal = plan.description in (SAGITTAL_T1, SAGITTAL_T2)
    order = np.argsort(centres[:, 0] if sagittal else -centres[:, 2], kind="stable")
    low, high = np.percentile(pixels, [1, 99], axis=(1, 2))
    scaled = (pixels - low[:, None, None]) / np.maximum(high - low, 1)[:, None, None]
    numbers = tuple(plan.instance_numbers[i] for i in order)
    return Stack(plan, np.clip(scaled, 0, 1.2).astype(np.float32)[order], origins[order], axes[order], numbers)


def annotated_points(
    study: PlannedStudy, stacks: Mapping[int, Stack], *, only: int | None = None
) -> list[tuple[Stack | None, int, FloatArray]]:
    """For each target, or only one: the stack, slice and world point that the annotator marked, or the true ones."""
    marked = {point.target: point for point in study.points}
    result: list[tuple[Stack | None, int, FloatArray]] = []
    for target in TARGETS if only is None else TARGETS[only : only + 1]:
        if target in marked and marked[target].series_id in stacks:
            point = marked[target]
            here = stacks[point.series_id]
            at = here.numbers.index(point.instance_number)
            result.append((here, at, here.world(at, point.x, point.y)))
            continue
        result.append(nearest(stacks, target.point_series, true_point(study.patient, target)))
    return result


def nearest(stacks: Mapping[int, Stack], description: str, world: FloatArray) -> tuple[Stack | None, int, FloatArray]:
    """The slice of one kind of series whose plane passes nearest to a point; no stack where there is no such series."""
    found: tuple[float, Stack | None, int] = (_AXIAL_REACH_MM, None, 0)
    for candidate in stacks.values():
        if candidate.plan.description == description:
            distances = candidate.distances(world)
            at = int(np.argmin(distances))
            if distances[at] < found[0]:
                found = (float(distances[at]), candidate, at)
    return found[1], found[2], world


def crop_bag(here: Stack | None, at: int, world: FloatArray, condition: str, side: str | None) -> NDArray[np.uint8]:
    """(5, 48, 48) crops of neighbouring slices, mirrored so that outside is the same on each side."""
    bag = np.zeros((_BAG, SIDE_PX, SIDE_PX), dtype=np.uint8)
    if here is None:
        return bag
    sagittal = here.plan.description in (SAGITTAL_T1, SAGITTAL_T2)
    step = _MM_PER_PX[condition] / here.plan.spacing
    grid = (np.arange(SIDE_PX) - (SIDE_PX - 1) / 2) * step
    for place, shift in enumerate(range(-(_BAG // 2), _BAG // 2 + 1)):
        index = at + shift
        if not 0 <= index < len(here.pixels):
            continue
        x, y = here.pixel(index, world) if not sagittal else here.pixel(at, world)
        rows, columns = np.meshgrid(y + grid, x + grid, indexing="ij")
        patch = map_coordinates(here.pixels[index], [rows, columns], order=1, mode="constant")
        bag[place] = np.clip(patch * 200, 0, 255).astype(np.uint8)
    if side == "right":
        bag = bag[::-1] if sagittal else bag[:, :, ::-1]
    return bag
