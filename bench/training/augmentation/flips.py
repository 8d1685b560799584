"""Mirroring the patient: left becomes right in images, points and labels together.

On axial images the mirror turns left and right of the picture. On sagittal ones it leaves each picture alone and turns
the order of the slices. The targets of the two sides change places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from bench.approach import Config
from bench.errors import unknown
from bench.targets import AXIAL_T2, SERIES_DESCRIPTIONS, TARGETS

_OTHER = {"left": "right", "right": "left", None: None}
_PLACES = {(target.condition, target.side, target.level): index for index, target in enumerate(TARGETS)}
# (25,): for each target, the same one on the other side; the canal's are their own.
OTHER_SIDE = np.array([_PLACES[target.condition, _OTHER[target.side], target.level] for target in TARGETS])
_AXIAL = np.array([target.point_series == AXIAL_T2 for target in TARGETS])


class Mirror(Config):
    """The chance that an item is mirrored."""

    probability: float = Field(default=0.5, ge=0, le=1)


@dataclass(frozen=True, slots=True, eq=False)
class StudyBatch:
    """B studies, as far as a mirror concerns them.

    Attributes:
        images: by series description. Sagittal (B, S, H, W) or (B, S, ..., H, W): all dimensions between the first and
            the last two run from one side of the patient to the other (slices; images of the right and left foramina,
            each with its neighbours). Axial (B, ..., H, W).
        points: (B, 25, 2) as shares 0..1 of width and height, NaN where unknown; or None.
        grades: (B, 25), or (B, 25, ...) of anything else that is told per target; or None.
        masks: (B, S), or as the images without H and W, by series description: which slices are there.
    """

    images: Mapping[str, Tensor]
    points: Tensor | None = None
    grades: Tensor | None = None
    masks: Mapping[str, Tensor] | None = None


def mirror(batch: StudyBatch, flip: Mirror, random: np.random.Generator) -> StudyBatch:
    """Mirror some of the studies, each as a whole.

    Raises:
        UsageError: a series description is none of the data's.
    """
    rows = np.flatnonzero(random.random(_count(batch)) < flip.probability)
    if not len(rows):
        return batch
    masks = None if batch.masks is None else {kind: _turned(kind, one, rows, 0) for kind, one in batch.masks.items()}
    return StudyBatch(
        {kind: _turned(kind, images, rows, 2) for kind, images in batch.images.items()},
        None if batch.points is None else mirror_points(batch.points, rows),
        None if batch.grades is None else swap_sides(batch.grades, rows),
        masks,
    )


def flip_images(images: Tensor, rows: np.ndarray) -> Tensor:
    """Items (B, ..., H, W), of which these rows have left and right of the picture turned."""
    images = images.clone()
    images[rows] = images[rows].flip(-1)
    return images


def reverse_slices(values: Tensor, rows: np.ndarray, dims: tuple[int, ...] = (1,)) -> Tensor:
    """Values (B, S, ...), of which these rows have the slices (dimensions ``dims``) in reverse."""
    values = values.clone()
    values[rows] = values[rows].flip(dims)
    return values


def swap_sides(values: Tensor, rows: np.ndarray) -> Tensor:
    """Values (B, 25, ...) per target, of which these rows have the sides exchanged."""
    values = values.clone()
    values[rows] = values[rows][:, torch.from_numpy(OTHER_SIDE).to(values.device)]
    return values


def mirror_points(points: Tensor, rows: np.ndarray) -> Tensor:
    """Points (B, 25, 2) as shares, of which these rows have the sides exchanged and x turned on axial images."""
    points = swap_sides(points, rows)
    x = points[rows][:, :, 0]
    axial = torch.from_numpy(_AXIAL).to(points.device)
    points[rows, :, 0] = torch.where(axial, 1 - x, x)
    return points


def _turned(kind: str, values: Tensor, rows: np.ndarray, trailing: int) -> Tensor:
    """Images (``trailing`` = 2) or masks (0) of one kind, mirrored."""
    if kind not in SERIES_DESCRIPTIONS:
        raise unknown("series description", kind, SERIES_DESCRIPTIONS)
    if kind == AXIAL_T2:
        return flip_images(values, rows) if trailing else values
    return reverse_slices(values, rows, tuple(range(1, values.ndim - trailing)))


def _count(batch: StudyBatch) -> int:
    return len(next(iter(batch.images.values())))
