"""What the case viewer shows of each study, as plain data for the page's script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.comparison.analysis import Analysis
from bench.comparison.analysis.predicted import PredictedApproach
from bench.comparison.images import is_generated, open_images
from bench.errors import BenchError
from bench.imaging.study import Series, Study
from bench.imaging.volumes import Volumes
from bench.targets import POINT_TARGET_INDEX, TARGETS, row_id

from ..cells import grade_words
from .choice import chosen_studies
from .pixels import pictures

MOST_STUDIES = 8
MOST_BYTES = 4_500_000  # of all cases together, so that a page with two sections stays below 8 MB
APPROACHES = 6


@dataclass(frozen=True, slots=True)
class Viewer:
    """What the page shows: cases, or why there are none.

    Attributes:
        cases: one document per study.
        approaches: the labels that the cases hold predictions of.
        message: what is left out and why; empty if nothing.
    """

    cases: tuple[dict[str, Any], ...]
    approaches: tuple[str, ...]
    message: str

    @property
    def studies(self) -> frozenset[int]:
        """The studies that are shown."""
        return frozenset(int(case["study"]) for case in self.cases)


def viewer(analysis: Analysis, *, with_images: bool, most_bytes: int = MOST_BYTES) -> Viewer:
    """The cases of a comparison.

    Args:
        analysis: what chooses and fills them.
        with_images: show images of data that is not generated, too.
        most_bytes: no further study is added once this size is passed.
    """
    if not (with_images or is_generated(analysis.comparison)):
        return Viewer((), (), "Images of this data set may not be passed on. With --with-images the page shows them.")
    try:
        indexed = open_images(analysis.comparison)
    except BenchError as error:
        return Viewer((), (), f"No images: {error}")
    studies = {study.study_id: study for study in indexed.studies}
    shown = analysis.predicted.trained[:APPROACHES]
    located = {each.label: _tables(each) for each in shown}
    annotated = analysis.predicted.approaches[0].result.jobs[0].files.split.read_points()
    cases: list[dict[str, Any]] = []
    size, message = 0, ""
    for study_id, why in chosen_studies(analysis, MOST_STUDIES).items():
        if study_id not in studies:
            continue
        try:
            case = _case(analysis, studies[study_id], indexed.volumes, shown, located, annotated)
        except BenchError as error:
            message = f"Study {study_id} is not shown: {error}"
            continue
        size += len(json.dumps(case))
        if size > most_bytes:
            message = f"{len(cases)} studies are shown; more would make the page too large."
            break
        cases.append({"why": why, **case})
    return Viewer(tuple(cases), tuple(each.label for each in shown), message)


def _tables(of: PredictedApproach) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """The points and the attention of an approach's first seed, of all folds; None where it has none."""
    seed = of.result.seeds[0]
    jobs = [job for job in of.result.jobs if job.seed == seed]
    return _joined([job.files.points for job in jobs]), _joined([job.files.evidence for job in jobs])


def _joined(paths: list[Path]) -> pd.DataFrame | None:
    there = [pd.read_csv(path) for path in paths if path.is_file()]
    return pd.concat(there, ignore_index=True) if there else None


def _case(
    analysis: Analysis,
    study: Study,
    volumes: Volumes,
    shown: tuple[PredictedApproach, ...],
    located: Mapping[str, tuple[pd.DataFrame | None, pd.DataFrame | None]],
    annotated: pd.DataFrame | None,
) -> dict[str, Any]:
    row = int(np.flatnonzero(analysis.predicted.split.study_ids == study.study_id)[0])
    grades = analysis.predicted.split.grades[row]
    targets = [
        {
            "name": f"{target.condition_words} {target.level_words}",
            "label": grade_words(int(grades[index])),
            "said": [np.round(each.mean[row, index], 3).tolist() if each.held_out[row] else None for each in shown],
        }
        for index, target in enumerate(TARGETS)
    ]
    marks = _marks(study, annotated, "annotator")
    attention: dict[int, dict[str, Any]] = {}
    for number, each in enumerate(shown):
        points, evidence = located[each.label]
        for key, own in _marks(study, points, number).items():
            marks.setdefault(key, []).extend(own)
        _add_attention(attention, study, evidence, number)
    series = [_series(one, volumes, marks, attention.get(one.series_id, {})) for one in study.series]
    return {"study": str(study.study_id), "targets": targets, "series": series}


def _series(
    series: Series, volumes: Volumes, marks: Mapping[tuple[int, int], list[dict[str, Any]]], attention: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": str(series.series_id),
        "description": series.description,
        "instances": series.instance_numbers.tolist(),
        "images": pictures(series, volumes),
        "marks": [marks.get((series.series_id, index), []) for index in range(len(series))],
        "attention": attention,
    }


def _marks(study: Study, points: pd.DataFrame | None, who: str | int) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """(series id, slice index) -> points on that slice, placed as shares of its width and height."""
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    if points is None:
        return found
    known = {series.series_id: series for series in study.series}
    for row in points[points["study_id"] == study.study_id].to_dict("records"):
        series, instance = known.get(int(row["series_id"])), int(row["instance_number"])
        target = POINT_TARGET_INDEX.get((str(row["condition"]), str(row["level"])))
        if series is None or target is None or instance not in series.instance_numbers:
            continue
        index = series.index_of(instance)
        height, width = (float(size) for size in series.shapes[index])
        mark = {"x": (row["x"] + 0.5) / width, "y": (row["y"] + 0.5) / height, "target": target, "who": who}
        mark |= {"x": round(mark["x"], 4), "y": round(mark["y"], 4)}
        found.setdefault((series.series_id, index), []).append(mark)
    return found


def _add_attention(
    attention: dict[int, dict[str, Any]], study: Study, evidence: pd.DataFrame | None, number: int
) -> None:
    """Add (slice index, weight) by series id, then by ``approach/target``."""
    if evidence is None:
        return
    names = {row_id(study.study_id, target): index for index, target in enumerate(TARGETS)}
    known = {series.series_id: series for series in study.series}
    for row in evidence[evidence["row_id"].isin(names)].to_dict("records"):
        series = known.get(int(row["series_id"]))
        if series is None or int(row["instance_number"]) not in series.instance_numbers:
            continue
        key = f"{number}/{names[row['row_id']]}"
        at = series.index_of(int(row["instance_number"]))
        attention.setdefault(series.series_id, {}).setdefault(key, []).append([at, round(float(row["weight"]), 3)])
