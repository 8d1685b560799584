"""What is selected: for each kind of image, side and level one slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bench.targets import AXIAL_T2, LEVELS, SAGITTAL_T1, SAGITTAL_T2, indices

Slot: TypeAlias = "tuple[str, str | None, str]"
"""(series description, side or None, level): Sagittal T2 has no side, nor have axial slices, which show both."""

CANAL, FORAMEN, AXIAL = "canal", "foramen", "axial"
GROUPS = (CANAL, FORAMEN, AXIAL)
"""Each group has an ensemble of its own; right and left foramina share one, mirrored."""
KINDS = {CANAL: SAGITTAL_T2, FORAMEN: SAGITTAL_T1, AXIAL: AXIAL_T2}
PARTS: tuple[tuple[str, str | None], ...] = ((CANAL, None), (FORAMEN, "right"), (FORAMEN, "left"))
"""What is looked for in sagittal series: group and side."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A slice that was selected.

    Attributes:
        series_id: its series.
        index: its place in the series' anatomical order.
        probability: that it is the marked one, among the candidates; 0 where it was not chosen by the ensemble.
    """

    series_id: int
    index: int
    probability: float


def part_targets(group: str, side: str | None) -> tuple[int, ...]:
    """The five targets, by level, whose points lie on the slices of a sagittal part."""
    return indices("spinal") if group == CANAL else indices("foraminal", side)


def part_slots(group: str, side: str | None) -> list[Slot]:
    """The slots of a sagittal part, by level."""
    return [(KINDS[group], side, level) for level in LEVELS]


def axial_slot(level: int) -> Slot:
    """The slot of a level's axial slice."""
    return AXIAL_T2, None, LEVELS[level]
