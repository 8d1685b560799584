"""Imperfections of the scanner: coil sensitivity, a finite acquisition matrix, noise, ghosts, wrap and saturation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from bench.targets import AXIAL_T2

from .acquisition import SeriesPlan
from .canvas import Canvas, FloatArray, Image
from .patient import Patient
from .soft_tissue import back_line


@dataclass(frozen=True, slots=True, eq=False)
class Flaws:
    """The image imperfections of one series.

    Attributes:
        noise: spread of the noise in each channel, relative to the bright tissues near the coil.
        kept: share of the spatial frequencies that were measured, along columns and rows of pixels.
        soft: how far the measured frequencies fade towards their edge, 0 to 1.
        ghost: size of the ghosts that motion makes, relative to the image, and their number along the phase direction.
        phase_axis: the axis along which the phase is encoded: 1 rows, 2 columns.
        shading: bias field, exponents of a polynomial in position.
        saturated: share of the image's width, from the front, that a saturation band darkens; 0 for none.
        gain: grey values of the bright tissues.
    """

    noise: float
    kept: tuple[float, float]
    soft: float
    ghost: tuple[float, float]
    phase_axis: int
    shading: FloatArray
    saturated: float
    gain: float


def draw_flaws(plan: SeriesPlan, random: np.random.Generator) -> Flaws:
    """Draw the imperfections of one series from the ranges in README.md."""
    axial = plan.description == AXIAL_T2
    phase_axis = int(random.choice([1, 2], p=[0.6, 0.4]))
    along = random.uniform(0.66, 0.9)
    moving = random.random() < 0.35
    return Flaws(
        noise=float(np.clip(random.lognormal(np.log(0.024), 0.35), 0.01, 0.05)),
        kept=(along, 0.97) if phase_axis == 1 else (0.97, along),
        soft=random.uniform(0.1, 0.5),
        ghost=(random.uniform(0.02, 0.07) if moving else random.uniform(0, 0.012), random.uniform(2.2, 6.0)),
        phase_axis=phase_axis,
        shading=random.normal(0, [0.10, 0.10, 0.08, 0.08, 0.06]),
        saturated=random.uniform(0.16, 0.3) if not axial and random.random() < 0.6 else 0.0,
        gain=random.uniform(450, 1400),
    )


def coil(canvas: Canvas, patient: Patient) -> Image:
    """The sensitivity of a spine coil under the back, broadcast to the canvas: 1 near it, less in front and far off."""
    region = canvas.everywhere()
    away = np.maximum(back_line(patient, region.w) - region.v, 0)
    near = 0.30 + 0.85 * np.exp(-away / np.float32(105))
    ends = np.exp(-((np.abs(region.w + 20) / np.float32(210)) ** 4))
    return np.asarray(near * (0.35 + 0.65 * ends), dtype=np.float32)


def scanned(slices: Image, flaws: Flaws, random: np.random.Generator) -> NDArray[np.uint16]:
    """Grey values of 12 bits for ideal slices (S, rows, columns)."""
    reference = np.float32(np.percentile(slices[len(slices) // 2], 95) or slices.max() or 1.0)
    field = _shading(slices.shape[1:], flaws)
    window = _window(slices.shape[1:], flaws)
    result = np.empty(slices.shape, dtype=np.uint16)
    sigma = np.float32(flaws.noise * reference)
    for number, one in enumerate(slices):
        noise = random.standard_normal((2, *one.shape), dtype=np.float32) * sigma
        measured = (one * field + noise[0]) + 1j * noise[1]
        frequencies = fft.fft2(measured.astype(np.complex64)) * (window * _motion(one.shape, flaws, random))
        image = np.abs(fft.ifft2(frequencies)) * (np.float32(flaws.gain) / reference)
        result[number] = np.clip(image, 0, 4095).round()
    return result


def _shading(shape: tuple[int, ...], flaws: Flaws) -> Image:
    rows, columns = shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j].astype(np.float32)
    terms = (x, y, x * x, y * y, x * y)
    field = np.exp(sum(np.float32(weight) * term for weight, term in zip(flaws.shading, terms, strict=True)))
    if flaws.saturated:
        front = (x + 1) / 2 - np.float32(flaws.saturated)
        field = field * (0.12 + 0.88 / (1 + np.exp(-front / np.float32(0.015))))
    return np.asarray(field, dtype=np.float32)


def _window(shape: tuple[int, ...], flaws: Flaws) -> Image:
    """The measured frequencies of an image: a box with softened edges; outside it nothing was measured."""
    sides = []
    for count, kept in zip(shape, flaws.kept, strict=True):
        place = np.abs(fft.fftfreq(count)) * 2 / kept  # 1 at the edge of what was measured
        start = 1 - flaws.soft
        fade = 0.5 + 0.5 * np.cos(np.pi * np.clip((place - start) / flaws.soft, 0, 1))
        sides.append(np.where(place <= 1, np.maximum(fade, 0.25), 0.0))
    return np.outer(*sides).astype(np.float32)


def _motion(shape: tuple[int, ...], flaws: Flaws, random: np.random.Generator) -> NDArray[np.complex64]:
    """Phase that breathing and pulsation add from one phase-encoding line to the next."""
    size, number = flaws.ghost
    count = shape[flaws.phase_axis - 1]
    lines = np.arange(count) / count
    wave = size * np.sin(2 * np.pi * (lines * count / number + random.random()))
    jitter = 0.25 * size * random.standard_normal(count)
    phase = np.exp(1j * 2 * (wave + jitter)).astype(np.complex64)
    return phase[:, None] if flaws.phase_axis == 1 else phase[None, :]
