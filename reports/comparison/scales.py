"""Axes: where a value lies between two ends, in per cent, and where the ticks stand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from bench.comparison.formatting import duration


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high`.

    Attributes:
        ticks: (position in per cent, text), ascending.
        logarithmic: whether equal ratios are equally far apart.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, in per cent from low to high, rounded so that pages stay small."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return round(100 * (value - low) / (high - low), 2)


def linear(values: Iterable[float], *, ticks: int = 5, margin: float = 0.06) -> Scale:
    """An axis that holds all finite values, with a margin and round ticks."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    extent = (high - low) or abs(high) or 1.0
    bare = Scale(low - margin * extent, high + margin * extent)
    step = _round_step((bare.high - bare.low) / ticks)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    digits += 0 if math.isclose(step * 10**digits, round(step * 10**digits)) else 1
    marks = range(math.ceil(bare.low / step), math.floor(bare.high / step) + 1)
    texts = tuple((bare.at(mark * step), f"{mark * step:.{digits}f}".replace("-", "−")) for mark in marks)
    return Scale(bare.low, bare.high, texts)


def of_durations(seconds: Iterable[float]) -> Scale:
    """A logarithmic axis of seconds, ticks at spans of time that people name."""
    values = [max(value, 0.1) for value in seconds]
    bare = Scale(min(values) / 2.5, max(values) * 2.5, logarithmic=True)
    named = (0.1, 1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 240 * 3600)
    inside = [mark for mark in named if bare.low <= mark <= bare.high]
    if len(inside) < 2:
        inside = [min(values), max(values)] if max(values) > 1.3 * min(values) else [max(values)]
    return Scale(bare.low, bare.high, tuple((bare.at(mark), duration(mark)) for mark in inside), logarithmic=True)


def _round_step(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    return next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= rough * 0.999)
