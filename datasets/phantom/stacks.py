"""Slice positions: a sagittal stack around the spine, axial stacks or blocks angled along the discs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .canvas import FloatArray
from .labels import label_statistics
from .patient import Patient
from .presets import Preset
from .spine import FIRST_LEVEL, S1

_TINY_PX = {"sagittal": 96, "axial": 80}
_SMALL_PX = {"sagittal": (224, 256, 256, 288), "axial": (192, 208, 224)}
_AXIAL_PX = ((512, 320, 384, 256, 640), (0.33, 0.35, 0.19, 0.10, 0.03))
_ANGLED_BLOCKS = 0.45  # axial series made of one block per disc
_WRAPPED = 0.12  # sagittal series on which head and foot end fold over
_THIN_AXIAL = 0.006  # axial series of thin slices without gaps, up to 190 of them


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Slices of one angle: parallel planes at even distances, from right to left or from head to foot."""

    origins: FloatArray  # (S, 3)
    along_x: FloatArray
    along_y: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Positions and sizes of the slices of a series."""

    blocks: tuple[Block, ...]
    shape: tuple[int, int]
    spacing: float
    thickness: float
    pitch: float
    wrapped: int = 0

    def parts(self, count: int) -> list[Layout]:
        """The same slices in ``count`` series, by blocks where there are enough, else cut through the stack."""
        if count == 1:
            return [self]
        blocks = self.blocks
        if len(blocks) < count:
            cut = np.array_split(blocks[0].origins, count)
            blocks = tuple(replace(blocks[0], origins=origins) for origins in cut)
        groups = np.array_split(np.arange(len(blocks)), count)
        return [replace(self, blocks=tuple(blocks[i] for i in group)) for group in groups]


def sagittal_layout(patient: Patient, preset: Preset, random: np.random.Generator) -> Layout:
    """A stack from right to left, wide enough to hold both foramina."""
    rows, columns = _sagittal_matrix(preset, random)
    field = float(np.clip(random.normal(304, 26), 236, 390))  # along the body
    spacing = field / rows
    count = int(np.clip(round(random.normal(16, 1.6)), 12, 22))
    thickness = float(random.choice([3.5, 4.0, 4.0, 4.5]))
    pitch = thickness * random.uniform(1.05, 1.15)
    count = max(count, int(np.ceil(58 / pitch)))
    disc = patient.spine.level(2)
    middle = disc.frame.to_world([0.0, disc.depth / 2, 0.0])
    front = middle[1] - columns * spacing * (0.527 + random.normal(0, 0.047))
    top = middle[2] + field * (0.526 + random.normal(0, 0.052))
    side = float(np.mean([patient.spine.level(level).frame.origin[0] for level in range(5)])) + random.normal(0, 1.5)
    offsets = (np.arange(count) - (count - 1) / 2) * pitch
    origins = np.array([side, front, top]) + offsets[:, None] * np.array([1.0, 0.0, 0.0])
    block = Block(origins, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -1.0]))
    wrapped = int(random.uniform(0.02, 0.07) * rows) if random.random() < _WRAPPED else 0
    return Layout((block,), (rows, columns), spacing, thickness, pitch, wrapped)


def _sagittal_matrix(preset: Preset, random: np.random.Generator) -> tuple[int, int]:
    if preset.matrix == "tiny":
        return _TINY_PX["sagittal"], _TINY_PX["sagittal"]
    if preset.matrix == "small":
        size = int(random.choice(_SMALL_PX["sagittal"]))
        return size, size
    table = np.array(label_statistics()["sagittal_image_sizes_h_w_count"])
    rows, columns, _ = table[random.choice(len(table), p=table[:, 2] / table[:, 2].sum())]
    return int(rows), int(columns)


def axial_layout(patient: Patient, preset: Preset, random: np.random.Generator, out_of_view: int) -> Layout:
    """One straight stack, or one block per disc at the angle of the disc."""
    if preset.matrix == "real":
        size = int(random.choice(_AXIAL_PX[0], p=_AXIAL_PX[1]))
    else:
        size = _TINY_PX["axial"] if preset.matrix == "tiny" else int(random.choice(_SMALL_PX["axial"]))
    field = float(np.clip(random.normal(188, 14), 160, 230))
    thickness = float(random.choice([3.5, 4.0, 4.0, 4.5]))
    pitch = thickness * random.uniform(1.02, 1.15)
    angled = random.random() < _ANGLED_BLOCKS
    if preset.matrix == "real" and random.random() < _THIN_AXIAL:
        thickness = pitch = random.uniform(0.9, 1.5)
        angled = False
    back = random.normal(8, 5)
    if angled:
        blocks = _angled_blocks(patient, random, out_of_view, pitch, field, back)
    else:
        blocks = [_straight_block(patient, random, out_of_view, pitch, field, back)]
    return Layout(tuple(blocks), (size, size), field / size, thickness, pitch)


def _angled_blocks(
    patient: Patient, random: np.random.Generator, out_of_view: int, pitch: float, field: float, back: float
) -> list[Block]:
    blocks = []
    for level in range(out_of_view, 5):
        disc = patient.spine.level(level)
        angle = float(np.arcsin(np.clip(disc.frame.axes[1][2], -0.6, 0.6)) * random.uniform(0.85, 1.0))
        middle = disc.frame.to_world([0.0, disc.depth / 2, random.normal(0, 0.6)])
        blocks.append(_axial_block(middle, back, angle, int(random.integers(4, 7)), pitch, field))
    return blocks


def _straight_block(
    patient: Patient, random: np.random.Generator, out_of_view: int, pitch: float, field: float, back: float
) -> Block:
    spine = patient.spine
    top = spine.bodies[FIRST_LEVEL + out_of_view].frame.origin[2] + (6 if not out_of_view else -14)
    bottom = spine.bodies[S1].frame.origin[2] - 2
    count = int(np.ceil((top - bottom) / pitch)) + 1
    angle = float(np.deg2rad(random.normal(3, 4)))
    return _axial_block(spine.canal_front((top + bottom) / 2), back, angle, count, pitch, field)


def _axial_block(middle: FloatArray, back: float, angle: float, count: int, pitch: float, field: float) -> Block:
    """Planes around ``middle``, whose centres lie ``back`` mm behind it."""
    along_x = np.array([1.0, 0.0, 0.0])
    along_y = np.array([0.0, np.cos(angle), np.sin(angle)])
    down = -np.cross(along_x, along_y)
    corner = middle - along_x * field / 2 - along_y * (field / 2 - back)
    offsets = (np.arange(count) - (count - 1) / 2) * pitch
    return Block(corner + offsets[:, None] * down, along_x, along_y)
