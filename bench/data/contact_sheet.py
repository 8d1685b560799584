"""A study on one page: slices of the three planes, the annotators' points, and the grades in colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bench.imaging.study import Series, Study
from bench.imaging.volumes import Volumes
from bench.targets import LEVELS, POINT_TARGET_INDEX, SEVERITIES, TARGETS

_COLUMNS = 5
_COLOURS = {0: "#4fd06a", 1: "#ffb020", 2: "#ff4d4d", -1: "#a0a0a0"}


@dataclass(frozen=True, slots=True)
class _Mark:
    x: float
    y: float
    target: int  # index into TARGETS
    grade: int


@dataclass(frozen=True, slots=True)
class _Panel:
    series: Series
    index: int
    marks: Sequence[_Mark] = field(default=())


def draw_sheet(path: Path, study: Study, volumes: Volumes, grades: NDArray[np.int8], points: pd.DataFrame) -> None:
    """Write the contact sheet of one study as a PNG. For the arguments see `sheet`."""
    sheet(study, volumes, grades, points).savefig(path, dpi=90, facecolor="black", format="png")


def sheet(
    study: Study,
    volumes: Volumes,
    grades: NDArray[np.int8],
    points: pd.DataFrame,
    evidence: pd.DataFrame | None = None,
) -> Figure:
    """The contact sheet of one study.

    Args:
        study: the study.
        volumes: the source of its pixels.
        grades: (25,) grades in the order of `TARGETS`, -1 where a label is missing.
        points: the study's rows of the coordinate table; may be empty.
        evidence: ``series_id, instance_number, weight``: the largest weight of a slice stands above it, and where a
            kind of series has no points, its slices with most weight are shown.
    """
    marks = _marks(study, grades, points)
    weights = {} if evidence is None else _weights(study, evidence)
    rows = [
        ("T2", _with_weight(study.sagittal_t2, marks, weights) or _sagittal(study.sagittal_t2, marks)),
        ("T1", _with_weight(study.sagittal_t1, marks, weights) or _sagittal(study.sagittal_t1, marks)),
        ("axial", _with_weight(study.axial_t2, marks, weights) or _axial(study.axial_t2, marks)),
    ]
    figure = Figure(figsize=(16, 11.2), facecolor="black")
    axes = figure.subplots(3, _COLUMNS, squeeze=False)
    for line, (kind, panels) in zip(axes, rows, strict=True):
        for number, axis in enumerate(line):
            axis.set_axis_off()
            if number < len(panels):
                panel = panels[number]
                weight = weights.get((panel.series.series_id, panel.index))
                _draw(axis, panel, volumes, kind if weight is None else f"{kind}  weight {weight:.2f}")
            elif not panels and number == 0:
                axis.text(0, 0.5, f"no {kind} series", color="white", fontsize=12)
    figure.suptitle(f"study {study.study_id}", color="white", fontsize=13, y=0.995)
    figure.text(0.012, 0.012, _summary(grades), color="white", fontsize=9, family="monospace", va="bottom")
    _legend(figure)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.955, bottom=0.12, wspace=0.03, hspace=0.09)
    return figure


def _weights(study: Study, evidence: pd.DataFrame) -> dict[tuple[int, int], float]:
    """(series id, slice index) -> the largest weight of any target on that slice."""
    known = {series.series_id: series for series in study.series}
    largest: dict[tuple[int, int], float] = {}
    for row in evidence.to_dict("records"):
        series, number = known.get(row["series_id"]), row["instance_number"]
        if series is not None and number in series.instance_numbers:
            key = series.series_id, series.index_of(number)
            largest[key] = max(largest.get(key, 0.0), float(row["weight"]))
    return largest


def _with_weight(
    series: Sequence[Series],
    marks: dict[tuple[int, int], list[_Mark]],
    weights: dict[tuple[int, int], float],
) -> list[_Panel]:
    """The slices with most weight in anatomical order; none where points choose the slices, or nothing has a weight."""
    known = {one.series_id: one for one in series}
    if any(key[0] in known for key in marks):
        return []
    found = sorted((key for key in weights if key[0] in known), key=lambda key: -weights[key])[:_COLUMNS]
    return [_Panel(known[series_id], index) for series_id, index in sorted(found)]


def _marks(study: Study, grades: NDArray[np.int8], points: pd.DataFrame) -> dict[tuple[int, int], list[_Mark]]:
    """(series id, slice index) -> the points on that slice."""
    marks: dict[tuple[int, int], list[_Mark]] = {}
    known = {series.series_id: series for series in study.series}
    for row in points.to_dict("records"):
        series, number = known.get(row["series_id"]), row["instance_number"]
        if series is None or number not in series.instance_numbers:
            continue
        target = POINT_TARGET_INDEX[row["condition"], row["level"]]
        key = series.series_id, series.index_of(number)
        marks.setdefault(key, []).append(_Mark(row["x"], row["y"], target, int(grades[target])))
    return marks


def _sagittal(series: Sequence[Series], marks: dict[tuple[int, int], list[_Mark]]) -> list[_Panel]:
    """Five slices of the series with the most points: from the rightmost with a point to the leftmost."""
    if not series:
        return []
    best = max(series, key=lambda one: (sum(key[0] == one.series_id for key in marks), len(one)))
    marked = [index for series_id, index in marks if series_id == best.series_id]
    first, last = (min(marked), max(marked)) if marked else (len(best) // 4, len(best) * 3 // 4)
    spare = max(0, _COLUMNS - 1 - (last - first))
    first, last = max(0, first - (spare + 1) // 2), min(len(best) - 1, last + (spare + 1) // 2)
    chosen = sorted({round(value) for value in np.linspace(first, last, _COLUMNS)})
    return [_Panel(best, index, tuple(marks.get((best.series_id, index), ()))) for index in chosen]


def _axial(series: Sequence[Series], marks: dict[tuple[int, int], list[_Mark]]) -> list[_Panel]:
    """The slice with most points of each level; without points, five spread over the first series."""
    known = {one.series_id: one for one in series}
    panels = []
    for level in LEVELS:
        found = {
            key: sum(TARGETS[mark.target].level == level for mark in here)
            for key, here in marks.items()
            if key[0] in known
        }
        key = max(found, key=lambda one: found[one], default=None)
        if key is not None and found[key]:
            panels.append(_Panel(known[key[0]], key[1], tuple(marks[key])))
    if panels or not series:
        return panels
    spread = np.linspace(0, len(series[0]) - 1, min(_COLUMNS, len(series[0]))).round()
    return [_Panel(series[0], int(index)) for index in spread]


def _draw(axis: Axes, panel: _Panel, volumes: Volumes, kind: str) -> None:
    series, index = panel.series, panel.index
    height, width = series.shapes[index]
    image = np.asarray(volumes.array(series.series_id)[index])[:height, :width]
    low, high = volumes.window(series.series_id)[index]
    ratio = float(series.spacings[index][1] / series.spacings[index][0])
    axis.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1), aspect=ratio)
    axis.set_title(f"{kind}  instance {series.instance_numbers[index]}", color="white", fontsize=9, pad=3, loc="left")
    for mark in panel.marks:
        axis.plot(mark.x, mark.y, "o", mfc="none", mec=_COLOURS[mark.grade], ms=9, mew=1.4)
        target = TARGETS[mark.target]
        side = {"left": "left ", "right": "right ", None: ""}[target.side]
        axis.annotate(
            side + target.level_words, (mark.x, mark.y), (7, -3), textcoords="offset points",
            color=_COLOURS[mark.grade], fontsize=6.5,
        )  # fmt: skip


def _summary(grades: NDArray[np.int8]) -> str:
    letters = {0: "normal", 1: "MODERATE", 2: "SEVERE", -1: "-"}
    lines = [" " * 34 + "".join(f"{level.upper().replace('_', '/'):>10}" for level in LEVELS)]
    for start in range(0, len(TARGETS), len(LEVELS)):
        words = "".join(f"{letters[int(grade)]:>10}" for grade in grades[start : start + len(LEVELS)])
        lines.append(f"{TARGETS[start].condition_words:<34}{words}")
    return "\n".join(lines)


def _legend(figure: Figure) -> None:
    for number, grade in enumerate((0, 1, 2, -1)):
        name = SEVERITIES[grade] if grade >= 0 else "no label"
        figure.text(0.80, 0.02 + 0.02 * number, f"o  {name}", color=_COLOURS[grade], fontsize=10)
