"""Training curves out of the jobs' ``history.csv``."""

from __future__ import annotations

import csv
import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.comparison.results import ApproachResult
from bench.files.foreign import from_csv_cell

Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class LossCurves:
    """One loss of one training stage.

    Attributes:
        name: of the loss.
        runs: (epoch, loss) of each fold and seed.
        mean: the mean over runs at each epoch that any has.
    """

    name: str
    runs: tuple[Curve, ...]
    mean: Curve


@dataclass(frozen=True, slots=True)
class Stage:
    """One training stage of one approach.

    Attributes:
        label: the approach.
        stage: the name of the stage.
        losses: its losses.
        images_per_second: the median over epochs; None where it was not measured.
    """

    label: str
    stage: str
    losses: tuple[LossCurves, ...]
    images_per_second: float | None


def training_history(results: Iterable[ApproachResult]) -> tuple[tuple[Stage, ...], tuple[str, ...]]:
    """Every stage of every approach, and what could not be read, in words."""
    stages: list[Stage] = []
    unreadable: list[str] = []
    for result in results:
        losses: dict[str, dict[str, list[Curve]]] = {}
        speeds: dict[str, list[float]] = {}
        for job in result.jobs:
            try:
                _read(job.files.history, losses, speeds)
            except (AttributeError, KeyError, TypeError, ValueError, csv.Error) as error:
                unreadable.append(f"{job.label}: {job.files.history.name} cannot be read ({error}).")
        stages += [
            Stage(
                result.label,
                stage,
                tuple(LossCurves(name, tuple(runs), _mean(runs)) for name, runs in of_stage.items()),
                statistics.median(speeds[stage]) if stage in speeds else None,
            )
            for stage, of_stage in losses.items()
        ]
    return tuple(stages), tuple(unreadable)


def _read(path: Path, losses: dict[str, dict[str, list[Curve]]], speeds: dict[str, list[float]]) -> None:
    """Add a job's curves: stage -> name of the loss -> one curve of (epoch, loss)."""
    if not path.is_file():
        return
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            stage = from_csv_cell(row["stage"])
            for name, value in (json.loads(row["losses"]) or {}).items():
                if value is not None and math.isfinite(value):
                    curves.setdefault((stage, name), []).append((float(row["epoch"]), float(value)))
            if row["images_per_second"]:
                speeds.setdefault(stage, []).append(float(row["images_per_second"]))
    for (stage, name), curve in curves.items():
        losses.setdefault(stage, {}).setdefault(name, []).append(tuple(curve))


def _mean(runs: Iterable[Curve]) -> Curve:
    at: dict[float, list[float]] = {}
    for curve in runs:
        for epoch, loss in curve:
            at.setdefault(epoch, []).append(loss)
    return tuple((epoch, statistics.fmean(values)) for epoch, values in sorted(at.items()))
