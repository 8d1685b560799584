"""How a study is scanned: which series there are, where their slices lie, matrix, spacing and instance order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

from .canvas import FloatArray
from .patient import Patient
from .presets import Preset
from .spine import FIRST_LEVEL, S1
from .streams import series_number, stream
from .tissue import Sequence, draw_sequence


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Slices of one angle: parallel planes at even distances, from right to left or from head to foot."""

    origins: FloatArray  # (S, 3)
    along_x: FloatArray
    along_y: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class SeriesPlan:
    """One series before it is painted."""

    series_id: int
    description: str
    sequence: Sequence
    blocks: tuple[Block, ...]
    shape: tuple[int, int]  # rows, columns
    spacing: float
    thickness: float
    pitch: float  # mm from one slice to the next
    instance_numbers: tuple[int, ...]  # of the blocks' slices, one after another

    def __len__(self) -> int:
        return len(self.instance_numbers)


def plan_study(seed: int, index: int, patient: Patient, preset: Preset, out_of_view: int) -> list[SeriesPlan]:
    """All series of study ``index``, in ascending order of nothing in particular."""
    random = stream(seed, index, "acquisition")
    tesla = 1.5 if random.random() < 0.65 else 3.0
    reverse = bool(random.random() < 0.36)
    sagittal = _sagittal_geometry(patient, preset, random)
    plans = []
    for number, description in enumerate((SAGITTAL_T1, SAGITTAL_T2)):
        stir = description == SAGITTAL_T2 and random.random() < 0.12
        sequence = draw_sequence(description, tesla, random, stir=stir)
        plans.append(_sagittal(series_number(seed, index, number), description, sequence, sagittal, reverse))
    axial = _axial_blocks(patient, preset, random, out_of_view)
    split = len(axial[0]) > 1 and random.random() < 0.17
    groups = [axial[0]] if not split else [axial[0][: len(axial[0]) // 2], axial[0][len(axial[0]) // 2 :]]
    sequence = draw_sequence(AXIAL_T2, tesla, random)
    for number, blocks in enumerate(groups):
        count = sum(len(block.origins) for block in blocks)
        plans.append(
            SeriesPlan(
                series_number(seed, index, 2 + number), AXIAL_T2, sequence, tuple(blocks), axial[1], axial[2], axial[3],
                axial[4], tuple(range(1, count + 1)),
            )
        )  # fmt: skip
    return plans


def _sagittal_geometry(patient: Patient, preset: Preset, random: np.random.Generator) -> dict:
    matrix = {"small": int(random.choice([224, 256, 256, 288])), "tiny": 96}.get(preset.matrix) or int(
        random.choice([512, 320, 384, 448, 256], p=[0.41, 0.23, 0.19, 0.12, 0.05])
    )
    field = float(np.clip(random.normal(304, 26), 236, 390))
    count = int(np.clip(round(random.normal(16, 1.6)), 12, 22))
    thickness = float(random.choice([3.5, 4.0, 4.0, 4.5]))
    pitch = thickness * random.uniform(1.05, 1.15)
    # Enough slices to see both foramina
    count = max(count, int(np.ceil(58 / pitch)))
    spine = patient.spine
    middle = spine.level(2).frame.to_world([0.0, spine.level(2).depth / 2, 0.0])
    left_edge = middle[1] - field * (0.527 + random.normal(0, 0.047))
    top_edge = middle[2] + field * (0.526 + random.normal(0, 0.052))
    side = float(np.mean([spine.level(level).frame.origin[0] for level in range(5)])) + random.normal(0, 1.5)
    return {
        "matrix": matrix, "field": field, "count": count, "thickness": thickness, "pitch": pitch,
        "corner": np.array([side, left_edge, top_edge]),
    }  # fmt: skip


def _sagittal(series_id: int, description: str, sequence: Sequence, geometry: dict, reverse: bool) -> SeriesPlan:
    count, pitch = geometry["count"], geometry["pitch"]
    offsets = (np.arange(count) - (count - 1) / 2) * pitch
    origins = geometry["corner"] + offsets[:, None] * np.array([1.0, 0.0, 0.0])
    block = Block(origins, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -1.0]))
    # Instance 1 is the patient's rightmost slice in most studies, the leftmost in the others
    numbers = tuple(range(count, 0, -1)) if reverse else tuple(range(1, count + 1))
    spacing = geometry["field"] / geometry["matrix"]
    return SeriesPlan(
        series_id, description, sequence, (block,), (geometry["matrix"],) * 2, spacing, geometry["thickness"], pitch,
        numbers,
    )  # fmt: skip


def _axial_blocks(
    patient: Patient, preset: Preset, random: np.random.Generator, out_of_view: int
) -> tuple[list[Block], tuple[int, int], float, float, float]:
    matrix = {"small": int(random.choice([192, 208, 224])), "tiny": 80}.get(preset.matrix) or int(
        random.choice([512, 320, 384, 256], p=[0.35, 0.35, 0.2, 0.1])
    )
    field = float(np.clip(random.normal(188, 14), 160, 230))
    thickness = float(random.choice([3.5, 4.0, 4.0, 4.5]))
    pitch = thickness * random.uniform(1.02, 1.15)
    spine = patient.spine
    centre_y = random.normal(8, 5)
    levels = range(out_of_view, 5)
    blocks = []
    if random.random() < 0.45:
        for level in levels:
            disc = spine.level(level)
            angle = np.arcsin(np.clip(disc.frame.axes[1][2], -0.6, 0.6)) * random.uniform(0.85, 1.0)
            middle = disc.frame.to_world([0.0, disc.depth / 2, random.normal(0, 0.6)])
            blocks.append(_axial_block(middle, centre_y, angle, int(random.integers(4, 7)), pitch, field))
    else:
        top = spine.bodies[FIRST_LEVEL + out_of_view].frame.origin[2] + (6 if not out_of_view else -14)
        bottom = spine.bodies[S1].frame.origin[2] - 2
        count = int(np.ceil((top - bottom) / pitch)) + 1
        middle = spine.canal_front((top + bottom) / 2)
        angle = np.deg2rad(random.normal(3, 4))
        blocks.append(_axial_block(middle, centre_y, angle, count, pitch, field))
    return blocks, (matrix, matrix), field / matrix, thickness, pitch


def _axial_block(middle: FloatArray, centre_y: float, angle: float, count: int, pitch: float, field: float) -> Block:
    along_x = np.array([1.0, 0.0, 0.0])
    along_y = np.array([0.0, np.cos(angle), np.sin(angle)])
    down = -np.cross(along_x, along_y)
    corner = middle - along_x * field / 2 - along_y * (field / 2 - centre_y)
    offsets = (np.arange(count) - (count - 1) / 2) * pitch
    return Block(corner + offsets[:, None] * down, along_x, along_y)
