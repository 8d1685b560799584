"""Numbers as text: times, memory, p-values, localisation errors."""

from __future__ import annotations

import math

from bench.metric.localisation import ConditionLocalisation


def duration(seconds: float | None) -> str:
    """Seconds in a readable unit: ``8.2 s``, ``12 min``, ``3.4 h``; ``-`` where they are unknown."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def count_text(value: float) -> str:
    """A large count in a readable unit: ``870``, ``12.3 k``, ``4.1 M``, ``1.8 G``, ``29.7 T``, ``3.78 P``."""
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.0f}"


def megabytes(amount: float | None) -> str:
    """Memory in a readable unit: ``640 MB``, ``1.4 GB``."""
    if amount is None:
        return "-"
    return f"{amount:.0f} MB" if amount < 1000 else f"{amount / 1024:.1f} GB"


def location_text(points: ConditionLocalisation) -> str:
    """The localisation errors of a condition in one line."""
    if not points.found:
        return f"none of {points.true} points"
    return (
        f"{points.found} of {points.true} points, slice exact {points.exact:.1%}, +-1 {points.off_by_one:.1%}, "
        f"+-2 {points.off_by_two:.1%}; in plane {points.median_mm:.1f} mm median, {points.percentile_95_mm:.1f} mm "
        f"95th percentile; {points.level_confusions} at another level, {points.side_swaps} on the other side"
    )


def p_text(p: float) -> str:
    """A p-value with its sign, to the meaningful digits: ``= 0.031``, ``< 0.001``; ``unknown`` for NaN."""
    if math.isnan(p):
        return "unknown"
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"
