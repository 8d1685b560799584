"""From a plan to pixels: paint thin planes, average them through the slice, add what a scanner adds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .acquisition import Block, SeriesPlan
from .anatomy import paint_background, paint_spine
from .canvas import Canvas, Image
from .patient import Patient
from .streams import stream

_THIN_PLANES = 3  # through-plane samples of a slice
_SLICES_AT_ONCE = 12  # bounds the memory, whatever the series' length


def scan_series(seed: int, index: int, number: int, plan: SeriesPlan, patient: Patient) -> NDArray[np.uint16]:
    """(S, rows, columns) pixels of 12 bits, in the order of the plan's blocks."""
    random = stream(seed, index, f"scan {number}")
    slices = np.concatenate([_scan_block(block, plan, patient) for block in plan.blocks])
    return _degrade(slices, plan, random)


def _scan_block(block: Block, plan: SeriesPlan, patient: Patient) -> Image:
    parts = [
        _scan_slices(block, plan, patient, slice(start, min(start + _SLICES_AT_ONCE, len(block.origins))))
        for start in range(0, len(block.origins), _SLICES_AT_ONCE)
    ]
    return np.concatenate(parts)


def _scan_slices(block: Block, plan: SeriesPlan, patient: Patient, part: slice) -> Image:
    origins = block.origins[part]
    coarse = Canvas(origins, block.along_x, block.along_y, plan.spacing, plan.shape)
    paint_background(coarse, patient, plan.sequence)
    shifts = ((np.arange(_THIN_PLANES) + 0.5) / _THIN_PLANES - 0.5) * plan.thickness
    thin = (origins[:, None, :] + shifts[None, :, None] * coarse.normal).reshape(-1, 3)
    if len(origins) > 1 and (origins[1] - origins[0]) @ coarse.normal < 0:
        thin = (origins[:, None, :] - shifts[None, :, None] * coarse.normal).reshape(-1, 3)
    fine = Canvas(thin, block.along_x, block.along_y, plan.spacing, plan.shape)
    fine.values[:] = np.repeat(coarse.values, _THIN_PLANES, axis=0)
    paint_spine(fine, patient, plan.sequence)
    return fine.values.reshape(len(origins), _THIN_PLANES, *plan.shape).mean(axis=1)


def _degrade(slices: Image, plan: SeriesPlan, random: np.random.Generator) -> NDArray[np.uint16]:
    """Blur, coil shading and Rician noise, then the scanner's grey values."""
    rows, columns = plan.shape
    blurred = gaussian_filter(slices, (0, 0.45, 0.45)) if plan.spacing < 1.0 else slices
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j].astype(np.float32)
    tilt = random.normal(0, 0.12, 2)
    shading = np.exp(tilt[0] * x + tilt[1] * y - random.uniform(0.05, 0.35) * (x * x + y * y)).astype(np.float32)
    reference = float(np.percentile(blurred[len(blurred) // 2], 97))
    sigma = np.float32(reference * random.uniform(0.018, 0.05))
    shaded = blurred * shading
    real = shaded + sigma * random.standard_normal(shaded.shape, dtype=np.float32)
    imaginary = sigma * random.standard_normal(shaded.shape, dtype=np.float32)
    gain = np.float32(random.uniform(450, 1300) / reference)
    return np.clip(np.sqrt(real * real + imaginary * imaginary) * gain, 0, 4095).round().astype(np.uint16)
