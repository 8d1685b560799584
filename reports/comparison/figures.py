"""Figures as positions in per cent. The template draws them, so that text keeps its size on any screen."""

from __future__ import annotations

import math
from typing import Any

from bench.comparison import Comparison
from bench.metric import PARTS

from .scales import linear, of_durations
from .words import number

PART_WORDS = {
    "spinal": "Spinal canal stenosis",
    "foraminal": "Neural foraminal narrowing",
    "subarticular": "Subarticular stenosis",
    "any_severe_spinal": "Any severe spinal",
}


def overview(comparison: Comparison) -> dict[str, Any]:
    """Prior, approaches with intervals and folds, and floor on one scale."""
    approaches, prior, floor = comparison.approaches, comparison.prior, comparison.floor
    values = [prior.score, *prior.interval, *([] if floor is None else [float(floor["score"])])]
    for result in approaches:
        values += [*result.estimate.interval, *(fold.score for fold in result.folds)]
    scale = linear(values)
    rows = [
        {
            "label": result.label,
            "aside": "" if result.complete else f"{len(result.folds)} of {result.of_folds} folds",
            "at": scale.at(result.estimate.score),
            "low": scale.at(result.estimate.interval[0]),
            "high": scale.at(result.estimate.interval[1]),
            "value": number(result.estimate.score),
            "hint": _hint(result.label, result.estimate.score, result.estimate.interval),
            "folds": [
                {"at": scale.at(fold.score), "hint": f"fold {fold.fold}: {number(fold.score)}, n = {fold.studies}"}
                for fold in result.folds
                if math.isfinite(fold.score)
            ],
        }
        for result in approaches
    ]
    return {
        "rows": rows,
        "ticks": scale.ticks,
        "prior": {
            "at": scale.at(prior.score),
            "low": scale.at(prior.interval[0]),
            "high": scale.at(prior.interval[1]),
            "value": number(prior.score),
        },
        "floor": None
        if floor is None
        else {"at": scale.at(float(floor["score"])), "value": number(float(floor["score"]))},
    }


def parts(comparison: Comparison) -> list[dict[str, Any]]:
    """One panel per part of the score: approaches, class prior and noise floor."""
    floor_parts = (comparison.floor or {}).get("parts") or {}
    floors = {name: float(value) for name, value in floor_parts.items() if value is not None}
    results = comparison.approaches
    every = [value for result in results for value in result.estimate.parts.values()]
    scale = linear([*every, *comparison.prior.parts.values(), *floors.values()], ticks=4)
    return [
        {
            "title": PART_WORDS[name],
            "ticks": scale.ticks,
            "rows": [
                {"label": result.label, "at": scale.at(value), "value": number(value)}
                for result in results
                if math.isfinite(value := result.estimate.parts[name])
            ],
            "prior": _finite(scale.at(comparison.prior.parts[name])),
            "floor": scale.at(floors[name]) if name in floors else None,
        }
        for name in PARTS
    ]


def differences(comparison: Comparison) -> dict[str, Any] | None:
    """Paired differences with their intervals around zero; None with a single approach."""
    if not comparison.differences:
        return None
    values = [0.0]
    for difference in comparison.differences:
        values += difference.paired.interval
    scale = linear(values)
    rows = [
        {
            "first": difference.first,
            "second": difference.second,
            "studies": difference.studies,
            "at": scale.at(difference.paired.difference),
            "low": scale.at(difference.paired.interval[0]),
            "high": scale.at(difference.paired.interval[1]),
            "difference": difference.paired.difference,
            "interval": difference.paired.interval,
            "p": difference.p_adjusted,
            "separable": difference.separable,
            "verdict": difference.verdict,
        }
        for difference in comparison.differences
    ]
    return {"rows": rows, "ticks": scale.ticks, "zero": scale.at(0.0)}


def cost(comparison: Comparison) -> dict[str, Any]:
    """Training time against score."""
    results = comparison.approaches
    across = of_durations(result.fit_seconds + result.predict_seconds for result in results)
    up = linear([value for result in results for value in result.estimate.interval])
    points = [
        {
            "label": result.label,
            "x": across.at(max(result.fit_seconds + result.predict_seconds, 0.1)),
            "y": up.at(result.estimate.score),
            "low": up.at(result.estimate.interval[0]),
            "high": up.at(result.estimate.interval[1]),
            "hint": _hint(result.label, result.estimate.score, result.estimate.interval),
        }
        for result in results
    ]
    _place_tags(points)
    return {"points": points, "across": across.ticks, "up": up.ticks}


def _place_tags(points: list[dict[str, Any]]) -> None:
    """Choose each label's side (``before``) and height (``tag``) so that it covers no other label and no point."""
    placed: list[dict[str, Any]] = []
    for point in sorted(points, key=lambda point: point["y"]):
        level = [other for other in points if other is not point and abs(other["y"] - point["y"]) < 5]
        obstructed = any(0 <= point["x"] - other["x"] < 20 for other in level)
        point["before"] = point["x"] > 55 and not (obstructed and point["x"] < 85)
        point["tag"] = point["y"]
        for other in sorted(placed, key=lambda other: other["tag"]):
            same_side = other["before"] == point["before"]
            if same_side and abs(other["x"] - point["x"]) < 20 and abs(other["tag"] - point["tag"]) < 7:
                point["tag"] = other["tag"] + 7
        placed.append(point)


def _hint(label: str, score: float, interval: tuple[float, float]) -> str:
    return f"{label}: {number(score, 4)}, 95 % interval {number(interval[0], 4)} to {number(interval[1], 4)}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
