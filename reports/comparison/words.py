"""Numbers and verdicts as the page writes them."""

from __future__ import annotations

import math

from bench.comparison import ApproachResult, Comparison


def number(value: float | None, digits: int = 3) -> str:
    """A number with fixed digits and a true minus sign; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def count_text(value: float | None) -> str:
    """A large count in a readable unit: ``870``, ``12.3 k``, ``4.1 M``, ``1.8 G``."""
    if value is None:
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.0f}"


def lead(comparison: Comparison) -> str:
    """The main finding in one or two sentences."""
    complete = [result for result in comparison.approaches if result.complete]
    if not complete:
        return "No approach has finished every fold yet; the scores below are on the studies predicted so far."
    best = complete[0]
    low, high = best.estimate.interval
    said = (
        f"{best.label} has the lowest pooled out-of-fold score of the complete approaches: "
        f"{number(best.estimate.score, 4)} (95 % interval {number(low)} to {number(high)}, n = {best.studies} studies)."
    )
    return f"{said} {_standing(best, complete[1:], comparison)}".strip()


def _standing(best: ApproachResult, others: list[ApproachResult], comparison: Comparison) -> str:
    labels = {other.label for other in others}
    if not others:
        if best.approach == "prior":
            return ""
        verdict = (
            "It is better than the class prior" if best.beats_prior else "It is not separable from the class prior"
        )
        return f"{verdict} ({number(best.prior, 4)})."
    tied = [
        difference.second if difference.first == best.label else difference.first
        for difference in comparison.differences
        if not difference.separable and best.label in (difference.first, difference.second)
    ]
    tied = [label for label in tied if label in labels]
    if tied:
        return f"It is not separable from {', '.join(tied)} (n = {best.studies})."
    return "It is separable from all other complete approaches."
