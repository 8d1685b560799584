"""Put the slices of one series into anatomical order; every assumption is noted."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.imaging.acquisition import SamePixels, one_acquisition
from bench.imaging.faults import Fault
from bench.imaging.repair import Repair
from bench.imaging.slices import (
    ANATOMICAL,
    SAME_ANGLE_DEG,
    SAME_POSITION_MM,
    Slice,
    angle_deg,
    blocks_of,
    depth_along,
)
from bench.imaging.study import Series

# A step this many times the median is noted as a gap.
_GAP = 1.5
_LISTED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Assembled:
    """A series in order.

    Attributes:
        series: its geometry, or None if no slice could be placed.
        slices: the slices in the order of `series`.
        faults: slices that had to be left out.
    """

    series: Series | None
    slices: tuple[Slice, ...]
    faults: tuple[Fault, ...]


def assemble(
    study_id: int,
    series_id: int,
    description: str,
    slices: Sequence[Slice],
    assumptions: Sequence[str] = (),
    same_pixels: SamePixels = lambda one, other: False,
) -> Assembled:
    """Put slices into anatomical order: sagittal from patient right to left, axial from head to foot.

    An axial series of several blocks at different angles (one per disc) is ordered block by block, so that neighbours
    are parallel; blocks and slices go by the height of their centres.

    Args:
        study_id: the study.
        series_id: the series.
        description: one of `bench.targets.SERIES_DESCRIPTIONS`, or "" to go by the plane of most slices.
        slices: in any order.
        assumptions: what reading the files had to assume.
        same_pixels: whether two slices show the same; asked only of slices at one position.
    """
    repair = Repair(study_id, series_id, description, list(assumptions))
    placed = one_acquisition(repair, repair.one_plane(repair.whole(slices)), same_pixels)
    if not placed:
        return Assembled(None, (), tuple(repair.faults))
    plane = repair.expected or Counter(one.plane for one in placed).most_common(1)[0][0]
    ordered = in_order(placed, plane)
    frames = [one.frame for one in ordered]
    series = Series(
        study_id=study_id,
        series_id=series_id,
        description=description,
        instance_numbers=np.array([one.instance_number for one in ordered], dtype=np.int64),
        positions=np.array([frame.position for frame in frames]),
        orientations=np.array([frame.orientation for frame in frames]),
        spacings=np.array([frame.spacing for frame in frames]),
        shapes=np.array([(frame.rows, frame.columns) for frame in frames], dtype=np.int64),
        thickness_mm=_median([frame.thickness_mm for frame in frames]),
        assumptions=(*repair.assumptions, *_oddities(ordered)),
    )
    return Assembled(series, tuple(ordered), tuple(repair.faults))


def in_order(slices: Sequence[Slice], plane: str) -> list[Slice]:
    """Slices counted in the anatomical direction of ``plane``, block by block of parallel ones."""
    ordered_blocks = sorted(
        (np.mean([one.centre for one in block], axis=0) @ ANATOMICAL[plane], index, block)
        for index, block in enumerate(blocks_of(slices))
    )
    return [one for *_, block in ordered_blocks for one in _block_in_order(block, plane)]


def _block_in_order(block: list[Slice], plane: str) -> list[Slice]:
    # Slices at one place differ by rounding alone: these go by instance number.
    return sorted(block, key=lambda one: (round(depth_along(one, plane) / SAME_POSITION_MM), one.instance_number))


def _oddities(ordered: Sequence[Slice]) -> list[str]:
    """Notes on several sizes, blocks, duplicates and gaps."""
    return [*_sizes(ordered), *_angles(ordered), *_steps(ordered)]


def _sizes(ordered: Sequence[Slice]) -> list[str]:
    shapes = Counter((one.frame.rows, one.frame.columns) for one in ordered)
    if len(shapes) == 1:
        return []
    sizes = ", ".join(f"{rows} x {columns} ({n})" for (rows, columns), n in shapes.most_common())
    return [f"slices of several sizes: {sizes}; smaller ones are padded with zeros"]


def _angles(ordered: Sequence[Slice]) -> list[str]:
    sizes = [len(block) for block in blocks_of(ordered)]
    if len(sizes) == 1:
        return []
    return [f"{len(sizes)} blocks of differing angle ({' + '.join(map(str, sizes))} slices): ordered block by block"]


def _steps(ordered: Sequence[Slice]) -> list[str]:
    steps = _steps_mm(ordered)
    apart = steps[steps > SAME_POSITION_MM]  # NaN compares false
    usual = float(np.median(apart)) if len(apart) else 0.0
    doubles, gaps = [], []
    for step, (one, after) in zip(steps, itertools.pairwise(ordered), strict=True):
        pair = f"instances {one.instance_number} and {after.instance_number}"
        if step <= SAME_POSITION_MM:
            doubles.append(pair)
        elif step > _GAP * usual:
            gaps.append(f"{step:.1f} mm between {pair}")
    notes = []
    if doubles:
        notes.append(f"two slices at one position: {_shortened(doubles)}; kept, by instance number")
    if gaps:
        notes.append(f"gap of {_shortened(gaps)} (usual {usual:.1f} mm)")
    return notes


def _steps_mm(ordered: Sequence[Slice]) -> NDArray[np.float64]:
    """(S - 1,) mm from each slice to the next along the normal; NaN between blocks of differing angle."""
    steps = [
        abs(float(one.normal @ (after.centre - one.centre)))
        if angle_deg(one.normal, after.normal) < SAME_ANGLE_DEG
        else np.nan
        for one, after in itertools.pairwise(ordered)
    ]
    return np.array(steps, dtype=np.float64)


def _shortened(texts: Sequence[str]) -> str:
    more = len(texts) - _LISTED
    return ", ".join(texts[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else float("nan")
