"""Slices with missing or contradictory geometry: repaired from their series, else left out; always with a note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.imaging.dicom.header import Frame
from bench.imaging.faults import Fault
from bench.imaging.geometry import FloatArray
from bench.imaging.slices import ANATOMICAL, SAME_ANGLE_DEG, SAME_POSITION_MM, Slice, angle_deg
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

# Straight axes of a patient in supine position, for series without an orientation.
_STRAIGHT = {"axial": np.array([[1.0, 0, 0], [0, 1.0, 0]]), "sagittal": np.array([[0, 1.0, 0], [0, 0, -1.0]])}
PLANE_OF = {AXIAL_T2: "axial", SAGITTAL_T1: "sagittal", SAGITTAL_T2: "sagittal"}


@dataclass(slots=True)
class Repair:
    """The steps for one series, and what they assumed or left out.

    Attributes:
        study_id: the study.
        series_id: the series.
        description: its kind; "" for any other kind.
        assumptions: notes on what was assumed.
        faults: what was left out.
    """

    study_id: int
    series_id: int
    description: str
    assumptions: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def expected(self) -> str | None:
        """The plane that the description implies."""
        return PLANE_OF.get(self.description)

    def whole(self, slices: Sequence[Slice]) -> list[Slice]:
        """The slices with a whole geometry; what a slice lacks is taken from its series where that agrees."""
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
            geometry = (frame.position, frame.orientation, frame.spacing)
            tags = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
            missing = [tag for tag, value in zip(tags, geometry, strict=True) if value is None]
            if not missing:
                whole.append(one if frame is one.frame else replace(one, frame=frame))
            else:
                found = [_found(frame, tag) for tag in missing]
                self.leave_out(one, f"{', '.join(found)}; not available from its series")
        self._tell_borrowed(slices, borrowed)
        return whole

    def _shared_orientation(self, slices: Sequence[Slice]) -> FloatArray | None:
        """The orientation of all slices that have one; straight axes if none has; None if they differ."""
        known = [one for one in slices if one.frame.orientation is not None]
        if len(known) == len(slices):
            return None
        if not known:
            return None if self.expected is None else _STRAIGHT[self.expected]
        agree = all(angle_deg(known[0].normal, other.normal) < SAME_ANGLE_DEG for other in known)
        return known[0].orientation if agree else None

    def _tell_borrowed(self, slices: Sequence[Slice], borrowed: Counter[str]) -> None:
        if borrowed["ImageOrientationPatient"] and all(one.frame.orientation is None for one in slices):
            del borrowed["ImageOrientationPatient"]
            self.assumptions.append(f"no slice has ImageOrientationPatient: taken as straight {self.expected}")
        for tag, count in borrowed.items():
            self.assumptions.append(f"{tag} of {count} of {len(slices)} slices taken from the others")

    def one_plane(self, slices: list[Slice]) -> list[Slice]:
        """Without the slices of another plane than the series' own, as localisers and mixed series have them."""
        planes = Counter(one.plane for one in slices)
        if self.expected is None or planes.total() == planes[self.expected]:
            return slices
        if not planes[self.expected]:
            found = planes.most_common(1)[0][0]
            if _follow_each_other_along(slices, self.expected):
                self.assumptions.append(
                    f"ImageOrientationPatient says {found}, but the slices follow each other as {self.expected} ones "
                    f"do: taken as straight {self.expected}"
                )
                straight = _STRAIGHT[self.expected]
                return [replace(one, frame=replace(one.frame, orientation=straight)) for one in slices]
            self.assumptions.append(f"lies {found} but is described as {self.description}: the description is trusted")
            return slices
        for one in slices:
            if one.plane != self.expected:
                self.leave_out(one, f"lies {one.plane} in a series described as {self.description}")
        return [one for one in slices if one.plane == self.expected]

    @staticmethod
    def folder(one: Slice) -> str:
        """The folder of the series, from one of its slices."""
        return str(Path(one.path).parent)

    def leave_out(self, one: Slice, what: str) -> None:
        """Name a slice that cannot be used."""
        self.faults.append(Fault(one.path, what, "this slice is left out", self.study_id, self.series_id))


def _found(frame: Frame, tag: str) -> str:
    """What a slice has of an element that it needs, in words."""
    unusable = next((note for note in frame.unusable if note.startswith(tag)), None)
    return f"{tag} is missing" if unusable is None else unusable.removesuffix(": not used")


def _follow_each_other_along(slices: Sequence[Slice], plane: str) -> bool:
    """Whether the slices are stacked in the direction of ``plane``, whatever their own orientation says."""
    positions = np.array([one.frame.position for one in slices])
    spread = np.ptp(positions @ ANATOMICAL[plane])
    along_normal = max(np.ptp(positions @ one.normal) for one in slices)
    return bool(spread > 2 * along_normal and spread > SAME_POSITION_MM)
