"""Training curves out of the jobs' ``history.csv``."""

from __future__ import annotations

import csv
import json
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.comparison import ApproachResult

from .scales import linear
from .words import number

WIDTH, HEIGHT = 320, 170  # of a panel's drawing area, in its own units
Curve = list[tuple[float, float]]


def training_curves(results: Iterable[ApproachResult]) -> tuple[list[dict[str, Any]], list[str]]:
    """For each approach its label and panels, one panel per stage; and messages about unreadable files."""
    groups: list[dict[str, Any]] = []
    unreadable: list[str] = []
    for result in results:
        stages: dict[str, dict[str, list[Curve]]] = {}
        speeds: dict[str, list[float]] = {}
        for job in result.jobs:
            try:
                _read(job.files.history, stages, speeds)
            except (KeyError, ValueError, csv.Error) as error:
                unreadable.append(f"{job.label}: {job.files.history.name} cannot be read ({error}).")
        panels = [_panel(result.label, stage, losses, speeds.get(stage, [])) for stage, losses in stages.items()]
        groups += [{"label": result.label, "panels": panels}] if panels else []
    return groups, unreadable


def _read(path: Path, stages: dict[str, dict[str, list[Curve]]], speeds: dict[str, list[float]]) -> None:
    """Add a job's curves: stage -> name of the loss -> one curve of (epoch, loss)."""
    if not path.is_file():
        return
    curves: dict[tuple[str, str], Curve] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            for name, value in (json.loads(row["losses"]) or {}).items():
                if value is not None and math.isfinite(value):
                    curves.setdefault((row["stage"], name), []).append((float(row["epoch"]), float(value)))
            if row["images_per_second"]:
                speeds.setdefault(row["stage"], []).append(float(row["images_per_second"]))
    for (stage, name), curve in curves.items():
        stages.setdefault(stage, {}).setdefault(name, []).append(curve)


def _panel(label: str, stage: str, losses: dict[str, list[Curve]], speeds: Sequence[float]) -> dict[str, Any]:
    points = [point for curves in losses.values() for curve in curves for point in curve]
    across = linear((epoch for epoch, _ in points), ticks=4, margin=0.02)
    up = linear((loss for _, loss in points), ticks=4)

    def draw(curve: Curve) -> str:
        spots = [(across.at(epoch) / 100 * WIDTH, HEIGHT - up.at(loss) / 100 * HEIGHT) for epoch, loss in curve]
        if len(spots) == 1:
            spots *= 2  # a line from a point to itself, with round ends, is a dot
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)

    whole = [(position, text) for position, text in across.ticks if float(text.replace("−", "-")).is_integer()]
    return {
        "label": label,
        "stage": stage,
        "runs": max(len(curves) for curves in losses.values()),
        "speed": number(statistics.median(speeds), 0) if speeds else None,
        "across": [(position / 100 * WIDTH, f"{float(text):.0f}") for position, text in whole],
        "up": [(HEIGHT - position / 100 * HEIGHT, text) for position, text in up.ticks],
        "losses": [
            {"name": name, "curves": [draw(curve) for curve in curves], "mean": draw(_mean(curves))}
            for name, curves in losses.items()
        ],
    }


def _mean(curves: Sequence[Curve]) -> Curve:
    """The mean over runs at each epoch that any has."""
    at: dict[float, list[float]] = {}
    for curve in curves:
        for epoch, loss in curve:
            at.setdefault(epoch, []).append(loss)
    return [(epoch, statistics.fmean(values)) for epoch, values in sorted(at.items())]
