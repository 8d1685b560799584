"""Positions of vertebrae, discs and canal: frames in patient space, built level by level from a person's measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from .canvas import FloatArray, Frame
from .person import Person

NAMES = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1", "S2", "S3")
FIRST_LEVEL = 4  # index of L1 in NAMES: disc k of the five lies below vertebra FIRST_LEVEL + k
S1 = 9

# Mean person, mm (README.md, "Sizes"): body width, depth, and height in front and behind.
_WIDTH = (34.0, 36.5, 40.0, 42.0, 43.0, 44.5, 46.0, 48.0, 50.5, 49.0, 40.0, 32.0)
_DEPTH = (29.0, 30.0, 30.5, 31.5, 32.5, 33.5, 34.5, 35.0, 35.0, 32.0, 20.0, 14.0)
_FRONT = (22.0, 23.0, 24.0, 25.5, 26.5, 27.5, 28.0, 28.0, 28.5, 30.0, 24.0, 20.0)
_BACK = (23.5, 24.5, 25.5, 27.0, 28.0, 28.0, 27.5, 26.0, 23.5, 26.0, 22.0, 19.0)
# Inclination of the bodies' mid planes, degrees, front edge down positive, for a lordosis of 50 and a slope of 38.
_INCLINATION = (-5.0, -9.0, -12.5, -15.0, -13.5, -9.0, -2.5, 6.0, 19.5, 41.0, 52.0, 62.0)
_OTHER_DISCS = (5.0, 5.5, 6.5, 7.5, 2.5, 1.6)  # T9/T10 to T12/L1, S1/S2, S2/S3
_STEP_MM = 0.25

Table = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A vertebral body, or the disc below one; its frame's origin is its centre."""

    name: str
    frame: Frame
    width: float
    depth: float
    front: float
    back: float


@dataclass(frozen=True, slots=True, eq=False)
class Spine:
    """All levels, and the canal as a table over the height ``z``.

    ``discs[i]`` lies between ``bodies[i]`` and ``bodies[i + 1]``. The canal's tables (x, y of its front wall, cosine of
    its inclination) have a row every 0.25 mm from ``bottom`` upwards.
    """

    bodies: tuple[Body, ...]
    discs: tuple[Body, ...]
    bottom: float
    canal_x: NDArray[np.float32]
    canal_y: NDArray[np.float32]
    canal_cosine: NDArray[np.float32]

    def level(self, level: int) -> Body:
        """The disc of one of the five levels, 0 for L1/L2."""
        return self.discs[FIRST_LEVEL + level]

    def row(self, z: ArrayLike) -> NDArray[np.int32]:
        """Rows of the canal's tables for heights."""
        rows = (np.asarray(z, dtype=np.float32) - np.float32(self.bottom)) * np.float32(1 / _STEP_MM)
        return np.clip(rows, 0, len(self.canal_x) - 1).astype(np.int32)

    @property
    def heights(self) -> FloatArray:
        """The height of every row of the canal's tables."""
        return np.asarray(self.bottom + _STEP_MM * np.arange(len(self.canal_x)), dtype=np.float64)

    def canal_front(self, z: float) -> FloatArray:
        """(3,) the middle of the canal's front wall at one height."""
        row = int(self.row(z))
        return np.array([self.canal_x[row], self.canal_y[row], z])


def build_spine(person: Person) -> Spine:
    """Stack the person's vertebrae and discs, the middle of L3 at the origin."""
    inclinations = _inclinations(person)
    bodies: list[Body] = []
    for index, name in enumerate(NAMES):
        scale = person.size * person.vertebra_jitter[index]
        axes = _axes(person, inclinations[index], index)
        frame = Frame(np.zeros(3), axes)
        width, depth, height = _WIDTH[index] * scale[0], _DEPTH[index] * scale[1], scale[2]
        bodies.append(Body(name, frame, width, depth, _FRONT[index] * height, _BACK[index] * height))
    heights = _disc_heights(person)
    centres = [np.zeros(3)]
    discs: list[Body] = []
    for upper, lower, height in zip(bodies, bodies[1:], heights, strict=False):
        across = upper.frame.axes + lower.frame.axes
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        edge = centres[-1] - upper.frame.axes[2] * (upper.front + upper.back) / 4
        middle = edge - across[2] * height / 2
        centres.append(middle - across[2] * height / 2 - lower.frame.axes[2] * (lower.front + lower.back) / 4)
        size = (upper.width + lower.width) / 2, (upper.depth + lower.depth) / 2
        discs.append(Body(f"{upper.name}/{lower.name}", Frame(middle, across), *size, height, height))
    shift = _sideways(person, centres) - centres[FIRST_LEVEL + 2]
    bodies = [_moved(body, centre + shift[i]) for i, (body, centre) in enumerate(zip(bodies, centres, strict=True))]
    shift = (shift[1:] + shift[:-1]) / 2
    discs = [_moved(disc, disc.frame.origin + shift[i]) for i, disc in enumerate(discs)]
    return Spine(tuple(bodies), tuple(discs), *_canal(bodies, discs))


def _moved(body: Body, origin: FloatArray) -> Body:
    return Body(body.name, Frame(origin, body.frame.axes), body.width, body.depth, body.front, body.back)


def _inclinations(person: Person) -> FloatArray:
    mean = np.array(_INCLINATION)
    scale = person.lordosis / 50
    lumbar = person.sacral_slope - (38 - mean[: S1 + 1]) * scale
    sacral = lumbar[-1] + (mean[S1 + 1 :] - mean[S1])
    return np.concatenate([lumbar, sacral])


def _disc_heights(person: Person) -> FloatArray:
    others = np.array(_OTHER_DISCS) * person.size
    if person.transitional:
        others[FIRST_LEVEL] = 6.0 * person.size
    return np.concatenate([others[:FIRST_LEVEL], person.disc_height, others[FIRST_LEVEL:]])


def _axes(person: Person, inclination: float, index: int) -> FloatArray:
    about_x = np.deg2rad(inclination)
    about_z = np.deg2rad(person.turn + person.rotation * (S1 - index) / S1)
    back = np.array([0.0, np.cos(about_x), np.sin(about_x)])
    head = np.array([0.0, -np.sin(about_x), np.cos(about_x)])
    turn = np.array(
        [[np.cos(about_z), np.sin(about_z), 0.0], [-np.sin(about_z), np.cos(about_z), 0.0], [0.0, 0.0, 1.0]]
    )
    lean = np.deg2rad(person.tilt) + person.scoliosis / 90 * np.cos(np.pi * (index - 3) / 7)
    roll = np.array([[np.cos(lean), 0.0, np.sin(lean)], [0.0, 1.0, 0.0], [-np.sin(lean), 0.0, np.cos(lean)]])
    return np.stack([np.array([1.0, 0.0, 0.0]), back, head]) @ turn @ roll


def _sideways(person: Person, centres: list[FloatArray]) -> FloatArray:
    """(12, 3) shifts of the centres by the scoliotic curve."""
    curve = person.scoliosis * np.sin(np.pi * (np.arange(len(centres)) - 3) / 7)
    return np.stack([curve, np.zeros_like(curve), np.zeros_like(curve)], axis=1)


def _canal(bodies: list[Body], discs: list[Body]) -> tuple[float, Table, Table, Table]:
    """The canal's front wall over height, through the middle of every back wall."""
    nodes = sorted(
        (
            body.frame.to_world([0.0, body.depth / 2 + (0.0 if body in discs else -0.6), 0.0])
            for body in (*bodies, *discs)
        ),
        key=lambda node: node[2],
    )
    points = np.array(nodes)
    bottom, top = points[0, 2] - 60, points[-1, 2] + 80
    heights = np.arange(bottom, top, _STEP_MM)
    inside = np.clip(heights, points[0, 2], points[-1, 2])
    side, front = CubicSpline(points[:, 2], points[:, 0]), CubicSpline(points[:, 2], points[:, 1])
    over = heights - inside
    x = side(inside) + over * side(inside, 1)
    y = front(inside) + over * front(inside, 1) * np.where(over < 0, 0.5, 1.0)
    cosine = 1 / np.sqrt(1 + front(inside, 1) ** 2)
    return float(bottom), x.astype(np.float32), y.astype(np.float32), cosine.astype(np.float32)
