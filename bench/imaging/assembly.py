"""Slices of one series into anatomical order, with every assumption in words."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.imaging.dicom import Frame
from bench.imaging.faults import Fault
from bench.imaging.geometry import FloatArray, orientation_name
from bench.imaging.study import Series
from bench.targets import AXIAL_T2

# Slices whose normals differ by less belong to one block of parallel slices.
_SAME_ANGLE_DEG = 1.0
_SAME_POSITION_MM = 0.05
_GAP = 1.5
# Straight axes of a patient lying on the back, for series that do not tell theirs.
_STRAIGHT = {"axial": np.array([[1.0, 0, 0], [0, 1.0, 0]]), "sagittal": np.array([[0, 1.0, 0], [0, 0, -1.0]])}


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One image plane of a series, before it has a place in the order.

    Attributes:
        path: the file, relative to the data folder.
        frame_index: which frame of the file.
        instance_number: the slice's number in the tables.
        frame: its geometry as far as the file tells.
    """

    path: str
    frame_index: int
    instance_number: int
    frame: Frame


@dataclass(frozen=True, slots=True, eq=False)
class Assembled:
    """A series in order.

    Attributes:
        series: its geometry, or None if no slice could be placed.
        slices: the slices in the order of `series`.
        faults: what had to be left out.
    """

    series: Series | None
    slices: tuple[Slice, ...]
    faults: tuple[Fault, ...]


def assemble(
    study_id: int, series_id: int, description: str, slices: Sequence[Slice], assumptions: Sequence[str] = ()
) -> Assembled:
    """Put slices into anatomical order: sagittal from patient right to left, axial from head to foot.

    An axial series of several blocks at different angles (one a disc) is ordered block by block, so that neighbours
    are parallel; blocks and slices go by the height of their centres, as the corner of a tilted slice says little.
    """
    expected = "axial" if description == AXIAL_T2 else "sagittal"
    assembly = _Assembly(study_id, series_id, expected, list(assumptions))
    placed = assembly.repaired(slices)
    placed = assembly.one_plane(placed)
    if not placed:
        return Assembled(None, (), tuple(assembly.faults))
    ordered = assembly.ordered(placed)
    assembly.describe(ordered)
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
        assumptions=tuple(assembly.assumptions),
    )
    return Assembled(series, tuple(ordered), tuple(assembly.faults))


class _Assembly:
    """The steps for one series, and what they had to assume or leave out."""

    def __init__(self, study_id: int, series_id: int, expected: str, assumptions: list[str]) -> None:
        self.study_id = study_id
        self.series_id = series_id
        self.expected = expected
        self.assumptions = assumptions
        self.faults: list[Fault] = []

    def repaired(self, slices: Sequence[Slice]) -> list[Slice]:
        """Slices with a whole geometry: what a slice lacks is taken from its series where that agrees."""
        orientation = self._shared_orientation(slices)
        spacings = {one.frame.rows: one.frame.spacing for one in slices if one.frame.spacing is not None}
        whole, borrowed = [], Counter[str]()
        for one in slices:
            frame = one.frame
            if frame.orientation is None and orientation is not None:
                frame = replace(frame, orientation=orientation)
                borrowed["ImageOrientationPatient"] += 1
            if frame.spacing is None and frame.rows in spacings:
                frame = replace(frame, spacing=spacings[frame.rows])
                borrowed["PixelSpacing"] += 1
            missing = [
                tag
                for tag, value in (
                    ("ImagePositionPatient", frame.position),
                    ("ImageOrientationPatient", frame.orientation),
                    ("PixelSpacing", frame.spacing),
                )
                if value is None
            ]
            if missing:
                self._leave_out(one, f"{', '.join(missing)} missing or unusable, and its series cannot tell")
            else:
                whole.append(replace(one, frame=frame))
        if any(one.frame.orientation is not None for one in slices):
            self.assumptions += [
                f"{tag} taken from the other slices in {n} of {len(slices)}" for tag, n in borrowed.items()
            ]
        elif borrowed["ImageOrientationPatient"]:
            self.assumptions.append(f"no slice has ImageOrientationPatient: taken as straight {self.expected}")
        return whole

    def _shared_orientation(self, slices: Sequence[Slice]) -> FloatArray | None:
        """The orientation that all slices share which have one; straight axes if none has; None if they differ."""
        known = [one.frame.orientation for one in slices if one.frame.orientation is not None]
        if not known:
            return _STRAIGHT[self.expected]
        return known[0] if all(_angle_deg(known[0], other) < _SAME_ANGLE_DEG for other in known) else None

    def one_plane(self, slices: list[Slice]) -> list[Slice]:
        """Without the slices of another plane than the series' own, as localisers and mixed series have them."""
        names = [_plane_name(one) for one in slices]
        planes = Counter(names)
        if planes and self.expected not in planes:
            found = planes.most_common(1)[0][0]
            self.assumptions.append(
                f"lies {found} although it is described as {self.expected}: the description is trusted"
            )
            return slices
        if len(planes) <= 1:
            return slices
        for one, name in zip(slices, names, strict=True):
            if name != self.expected:
                self._leave_out(one, f"lies {name} in a {self.expected} series")
        return [one for one, name in zip(slices, names, strict=True) if name == self.expected]

    def ordered(self, slices: list[Slice]) -> list[Slice]:
        """Block by block of parallel slices, each along its normal."""
        blocks = _blocks(slices)
        if len(blocks) > 1:
            sizes = " + ".join(str(len(block)) for block in blocks)
            self.assumptions.append(f"{len(blocks)} blocks of differing angle ({sizes} slices): ordered block by block")
        heads = [np.mean([_centre(one) for one in block], axis=0) for block in blocks]
        order = sorted(range(len(blocks)), key=lambda index: self._along(heads[index]))
        return [one for index in order for one in self._block_in_order(blocks[index])]

    def _along(self, world: FloatArray) -> float:
        """How far along the anatomical order a point lies: to the patient's left, or towards the feet."""
        return float(-world[2] if self.expected == "axial" else world[0])

    def _block_in_order(self, block: list[Slice]) -> list[Slice]:
        normal = _normal(block[0])
        # The anatomical direction, or for a plane that runs along it (a wrong description) the normal's own main axis.
        direction = np.array([0, 0, -1.0]) if self.expected == "axial" else np.array([1.0, 0, 0])
        if abs(normal @ direction) < 0.1:
            direction = np.sign(normal) * (np.abs(normal) == np.abs(normal).max())
            direction = direction * np.sign(direction.sum())
        sign = 1.0 if normal @ direction > 0 else -1.0
        depth = [sign * float(normal @ _centre(one)) for one in block]
        rounded = np.round(np.array(depth) / _SAME_POSITION_MM)
        order = sorted(range(len(block)), key=lambda index: (rounded[index], block[index].instance_number))
        return [block[index] for index in order]

    def describe(self, ordered: list[Slice]) -> None:
        """Put duplicates, gaps and mixed sizes into words."""
        shapes = Counter((one.frame.rows, one.frame.columns) for one in ordered)
        if len(shapes) > 1:
            sizes = ", ".join(f"{rows} x {columns} ({n})" for (rows, columns), n in shapes.most_common())
            self.assumptions.append(f"slices of several sizes: {sizes}; smaller ones are padded with zeros")
        steps = _steps(ordered)
        usual = float(np.median(steps[steps > _SAME_POSITION_MM])) if (steps > _SAME_POSITION_MM).any() else 0.0
        for index, step in enumerate(steps):
            pair = f"instances {ordered[index].instance_number} and {ordered[index + 1].instance_number}"
            if step <= _SAME_POSITION_MM:
                self.assumptions.append(f"{pair} lie at one position: both kept, by instance number")
            elif usual and step > _GAP * usual:
                self.assumptions.append(f"gap of {step:.1f} mm between {pair} (usual {usual:.1f} mm)")

    def _leave_out(self, one: Slice, what: str) -> None:
        self.faults.append(Fault(one.path, what, "this slice is left out", self.study_id, self.series_id))


def _blocks(slices: Sequence[Slice]) -> list[list[Slice]]:
    blocks: list[list[Slice]] = []
    for one in sorted(slices, key=lambda one: one.instance_number):
        for block in blocks:
            if _angle_deg(block[0].frame.orientation, one.frame.orientation) < _SAME_ANGLE_DEG:
                block.append(one)
                break
        else:
            blocks.append([one])
    return blocks


def _steps(ordered: Sequence[Slice]) -> NDArray[np.float64]:
    """(S - 1,) mm from each slice to the next along the normal; NaN between blocks of differing angle."""
    steps = []
    for one, after in itertools.pairwise(ordered):
        parallel = _angle_deg(one.frame.orientation, after.frame.orientation) < _SAME_ANGLE_DEG
        steps.append(abs(float(_normal(one) @ (_centre(after) - _centre(one)))) if parallel else np.nan)
    return np.array(steps)


def _centre(one: Slice) -> FloatArray:
    frame = one.frame
    assert frame.position is not None
    assert frame.orientation is not None
    assert frame.spacing is not None
    half_mm = (np.array([frame.columns, frame.rows]) - 1) / 2 * frame.spacing
    return frame.position + half_mm @ frame.orientation


def _normal(one: Slice) -> FloatArray:
    assert one.frame.orientation is not None
    return np.cross(*one.frame.orientation)


def _plane_name(one: Slice) -> str:
    assert one.frame.orientation is not None
    return orientation_name(*one.frame.orientation)


def _angle_deg(one: FloatArray | None, other: FloatArray | None) -> float:
    assert one is not None
    assert other is not None
    # From the cross product: the arc cosine is blunt near zero.
    first, second = np.cross(*one), np.cross(*other)
    return float(np.degrees(np.arcsin(min(1.0, float(np.linalg.norm(np.cross(first, second)))))))


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else float("nan")
