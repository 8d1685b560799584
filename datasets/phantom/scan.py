"""From a plan to pixels: paint thin planes, average them through the slice, apply the scanner's imperfections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .acquisition import SeriesPlan
from .anatomy import paint_background, paint_spine
from .canvas import Canvas, Image
from .patient import Patient
from .scanner import coil, draw_flaws, scanned
from .stacks import Block
from .streams import stream

_THIN_PLANES = 3  # through-plane samples per slice
_FOLDED_SHARE = 0.4  # the coil sees less of what lies beyond the field
_SLICES_AT_ONCE = 12  # bounds the memory, whatever the series' length


def scan_series(seed: int, index: int, number: int, plan: SeriesPlan, patient: Patient) -> NDArray[np.uint16]:
    """(S, rows, columns) pixels of 12 bits, in the order of the plan's blocks."""
    random = stream(seed, index, f"scan {number}")
    slices = np.concatenate([_scan_block(block, plan, patient, random) for block in plan.blocks])
    return scanned(slices, draw_flaws(plan, random), random)


def _scan_block(block: Block, plan: SeriesPlan, patient: Patient, random: np.random.Generator) -> Image:
    parts = [
        _scan_slices(block, plan, patient, slice(start, min(start + _SLICES_AT_ONCE, len(block.origins))))
        for start in range(0, len(block.origins), _SLICES_AT_ONCE)
    ]
    return np.concatenate(parts)


def _scan_slices(block: Block, plan: SeriesPlan, patient: Patient, part: slice) -> Image:
    beyond = plan.wrapped  # rows outside the field of view that are excited all the same
    origins = block.origins[part] - block.along_y * (beyond * plan.spacing)
    shape = plan.shape[0] + 2 * beyond, plan.shape[1]
    coarse = Canvas(origins, block.along_x, block.along_y, plan.spacing, shape)
    paint_background(coarse, patient, plan.sequence)
    shifts = ((np.arange(_THIN_PLANES) + 0.5) / _THIN_PLANES - 0.5) * plan.thickness
    if len(origins) > 1 and (origins[1] - origins[0]) @ coarse.normal < 0:
        shifts = -shifts  # planes have to follow each other in one direction
    thin = (origins[:, None, :] + shifts[None, :, None] * coarse.normal).reshape(-1, 3)
    fine = Canvas(thin, block.along_x, block.along_y, plan.spacing, shape)
    fine.values[:] = np.repeat(coarse.values, _THIN_PLANES, axis=0)
    paint_spine(fine, patient, plan.sequence)
    averaged = fine.values.reshape(len(origins), _THIN_PLANES, *shape).mean(axis=1)
    return _folded(averaged * coil(coarse, patient), beyond)


def _folded(slices: Image, beyond: int) -> Image:
    """Fold tissue beyond the first and last rows, weakly, over the opposite end."""
    if not beyond:
        return slices
    inside = slices[:, beyond:-beyond].copy()
    inside[:, -beyond:] += _FOLDED_SHARE * slices[:, :beyond]
    inside[:, :beyond] += _FOLDED_SHARE * slices[:, -beyond:]
    return inside
