"""The acquisition of a study: its series, their sequences, and the numbering of slices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

from .labels import label_statistics
from .patient import Patient
from .presets import Preset
from .stacks import Block, Layout, axial_layout, sagittal_layout
from .streams import series_number, stream
from .tissue import Sequence, draw_sequence

# Shares in the real data (label_statistics.json; FACTS of the coordinate tables)
_LEFT_TO_RIGHT = 0.36  # studies whose sagittal instances run from the patient's left to the right
_FOOT_TO_HEAD = 0.10
_STIR = 0.12
_THREE_TESLA = 0.35
_GAPS = {SAGITTAL_T1: 1 / 1980, SAGITTAL_T2: 2 / 1974, AXIAL_T2: 8 / 2340}
_OTHER_T2_GEOMETRY = 0.25  # T2 planned apart from T1


@dataclass(frozen=True, slots=True, eq=False)
class SeriesPlan:
    """One series before its pixels are generated."""

    series_id: int
    description: str
    sequence: Sequence
    blocks: tuple[Block, ...]
    shape: tuple[int, int]  # rows, columns
    spacing: float
    thickness: float
    pitch: float  # mm from one slice to the next
    wrapped: int  # rows of pixels at head and foot that fold over to the other end
    instance_numbers: tuple[int, ...]  # of the blocks' slices, one after another

    def __len__(self) -> int:
        return len(self.instance_numbers)


def plan_study(seed: int, index: int, patient: Patient, preset: Preset, out_of_view: int) -> list[SeriesPlan]:
    """All series of study ``index``: T1, T2, axial.

    Args:
        seed: of the phantom.
        index: of the study.
        patient: who is scanned.
        preset: which matrix sizes to use.
        out_of_view: how many upper levels the axial series do not reach.
    """
    random = stream(seed, index, "acquisition")
    tesla = 3.0 if random.random() < _THREE_TESLA else 1.5
    reverse = bool(random.random() < _LEFT_TO_RIGHT)
    layout = sagittal_layout(patient, preset, random)
    plans: list[SeriesPlan] = []
    for description in (SAGITTAL_T1, SAGITTAL_T2):
        if description == SAGITTAL_T2 and random.random() < _OTHER_T2_GEOMETRY:
            layout = sagittal_layout(patient, preset, random)
        stir = description == SAGITTAL_T2 and random.random() < _STIR
        sequence = draw_sequence(description, tesla, random, stir=stir)
        # Instance 1 is the patient's rightmost slice in most studies, the leftmost in the others
        plans += [
            _series(description, sequence, layout, reverse, random) for _ in range(_series_count(description, random))
        ]
    layout = axial_layout(patient, preset, random, out_of_view)
    reverse = bool(random.random() < _FOOT_TO_HEAD)
    sequence = draw_sequence(AXIAL_T2, tesla, random)
    parts = layout.parts(_series_count(AXIAL_T2, random))
    plans += [_series(AXIAL_T2, sequence, part, reverse, random) for part in parts]
    return [replace(plan, series_id=series_number(seed, index, number)) for number, plan in enumerate(plans)]


def _series_count(description: str, random: np.random.Generator) -> int:
    """The number of series of a kind, drawn from the real counts."""
    counts = label_statistics()["series_per_study"][description]
    numbers, weights = [int(number) for number in counts], np.array([*counts.values()], dtype=float)
    return int(random.choice(numbers, p=weights / weights.sum()))


def _series(
    description: str, sequence: Sequence, layout: Layout, reverse: bool, random: np.random.Generator
) -> SeriesPlan:
    count = sum(len(block.origins) for block in layout.blocks)
    numbers = np.arange(1, count + 1)
    if random.random() < _GAPS[description]:
        numbers[int(random.integers(1, count)) if count > 1 else 0 :] += int(random.integers(1, 6))
    return SeriesPlan(
        series_id=0,
        description=description,
        sequence=sequence,
        blocks=layout.blocks,
        shape=layout.shape,
        spacing=layout.spacing,
        thickness=layout.thickness,
        pitch=layout.pitch,
        wrapped=layout.wrapped,
        instance_numbers=tuple(int(number) for number in (numbers[::-1] if reverse else numbers)),
    )
