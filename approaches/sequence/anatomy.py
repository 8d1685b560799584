"""Where targets lie in the patient, from the annotators' points of the training studies: how target queries start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.targets import CONDITIONS, LEVELS, TARGETS, indices

SIDES = torch.tensor([{"left": 1.0, "right": -1.0, None: 0.0}[target.side] for target in TARGETS])
"""(25,) which way each target lies from the midline along the patient's x axis."""
CONDITION_OF = torch.tensor([CONDITIONS.index(target.condition) for target in TARGETS])
LEVEL_OF = torch.tensor([LEVELS.index(target.level) for target in TARGETS])
_LEAST_SPREAD_MM = 4.0


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Mean places in mm; x to the patient's left, y to the back, z to the head.

    Attributes:
        levels: (5, 3) the canal at each level, from the middle of the sagittal scan.
        spreads: (3,) standard deviation of these.
        offsets: (3, 3) each condition's place from the canal at its level, for the patient's left side.
    """

    levels: Tensor
    spreads: Tensor
    offsets: Tensor


USUAL = Anatomy(
    levels=torch.tensor([[0.0, 22, 54], [0, 19, 21], [0, 16, -10], [0, 18, -40], [0, 25, -66]]),
    spreads=torch.tensor([6.0, 18.0, 17.0]),
    offsets=torch.tensor([[0.0, 0, 0], [17.5, -5.5, 9.5], [10.5, -4.5, 0]]),
)
"""Where no point is known: means over phantom studies of seed 0, whose points are distributed as the competition's."""


def measure(points: NDArray[np.float64]) -> Anatomy:
    """The anatomy of training studies, from points (N, 25, 3) in mm from each study's middle, NaN where unknown.

    What no point tells is `USUAL`.
    """
    canal = points[:, indices("spinal")]  # (N, 5, 3)
    levels = _mean(canal, USUAL.levels)
    known = ~np.isnan(canal).any(axis=(1, 2))
    spreads = USUAL.spreads
    if known.sum() > 1:
        deviation = (canal[known] - canal[known].mean(axis=0)).reshape(-1, 3)
        spreads = torch.from_numpy(deviation.std(axis=0)).float().clamp(min=_LEAST_SPREAD_MM)
    offsets = USUAL.offsets.clone()
    for number, condition in enumerate(CONDITIONS[1:], start=1):
        sides = []
        for side, sign in (("left", 1), ("right", -1)):
            sides.append((points[:, indices(condition, side)] - canal) * np.array([sign, 1, 1]))
        offsets[number] = _mean(np.concatenate(sides).reshape(-1, 3), USUAL.offsets[number])
    return Anatomy(levels, spreads, offsets)


def _mean(values: NDArray[np.float64], usual: Tensor) -> Tensor:
    """Means over the first axis without NaN, ``usual`` where there is nothing."""
    count = (~np.isnan(values)).sum(axis=0)
    means = np.nansum(values, axis=0) / np.maximum(count, 1)
    return torch.where(torch.from_numpy(count > 0), torch.from_numpy(means).float(), usual)
