"""The tables in the competition's formats, and the planned studies that they are made from."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.files.atomic import temporary_beside
from bench.targets import MISSING, POINT_COLUMNS, PROBABILITY_COLUMNS, SEVERITIES, TARGET_NAMES, TARGETS, row_id

from .acquisition import SeriesPlan, plan_study
from .annotators import SCATTER_MM, Point, annotate, slices_off
from .edge_cases import EDGE_CASES, EdgeCase
from .floor import floor_score
from .labels import Severities, label_model
from .patient import Patient, make_patient
from .presets import Preset
from .streams import study_number


@dataclass(frozen=True, slots=True, eq=False)
class PlannedStudy:
    """A study before it is scanned."""

    study_id: int
    severities: Severities
    patient: Patient
    plans: list[SeriesPlan]
    points: list[Point]
    edge_case: EdgeCase


def plan(seed: int, index: int, preset: Preset) -> PlannedStudy:
    """Plan study ``index``: everything except its pixels."""
    edge_case = EDGE_CASES[index % len(EDGE_CASES)] if preset.odd else EDGE_CASES[0]
    severities = edge_case.labels(label_model().draw(seed, index))
    patient = make_patient(seed, index, severities)
    plans = edge_case.plans(plan_study(seed, index, patient, preset, severities.upper_levels_out_of_view))
    points = edge_case.points(annotate(seed, index, patient, severities, plans))
    return PlannedStudy(study_number(seed, index), severities, patient, plans, points, edge_case)


@dataclass(frozen=True, slots=True, eq=False)
class StudyRows:
    """The table rows of one study."""

    study_id: int
    grades: np.ndarray  # (25,)
    probabilities: np.ndarray  # (25, 3)
    points: list[tuple[Any, ...]]
    series: list[tuple[int, int, str]]
    slices_off: dict[str, list[int]]  # see `annotators.slices_off`


def rows_of(study: PlannedStudy) -> StudyRows:
    """The table rows of a planned study."""
    points = [
        (
            study.study_id, point.series_id, point.instance_number, point.target.condition_words,
            point.target.level_words, point.x, point.y,
        )
        for point in study.points
    ]  # fmt: skip
    series = [(study.study_id, plan.series_id, plan.description) for plan in study.plans]
    off = slices_off(study.patient, study.points, study.plans)
    return StudyRows(study.study_id, study.severities.grades, study.severities.probabilities, points, series, off)


def write_tables(folder: Path, studies: Sequence[StudyRows]) -> None:
    """Write the competition's three tables, the true probabilities and the floor."""
    ordered = sorted(studies, key=lambda study: study.study_id)
    grades = (
        [study.study_id, *(SEVERITIES[grade] if grade != MISSING else "" for grade in study.grades)]
        for study in ordered
    )
    _write_csv(folder / "train.csv", ["study_id", *TARGET_NAMES], grades)
    points = (point for study in ordered for point in study.points)
    _write_csv(folder / "train_label_coordinates.csv", POINT_COLUMNS, points)
    series = (row for study in ordered for row in sorted(study.series))
    _write_csv(folder / "train_series_descriptions.csv", ["study_id", "series_id", "series_description"], series)
    probabilities = (
        [row_id(study.study_id, target), *(f"{value:.8f}" for value in study.probabilities[number])]
        for study in ordered
        for number, target in enumerate(TARGETS)
    )
    _write_csv(folder / "posterior.csv", ["row_id", *PROBABILITY_COLUMNS], probabilities)
    write_json(folder / "floor.json", _floor(ordered))


def _floor(studies: Sequence[StudyRows]) -> dict[str, Any]:
    grades = np.stack([study.grades for study in studies])
    probabilities = np.stack([study.probabilities for study in studies])
    # The median length of a normal scatter of that spread along both image axes
    localisation = {condition: round(1.1774 * spread, 3) for condition, spread in SCATTER_MM.items()}
    return {
        "schema_version": 1,
        "studies": len(studies),
        **floor_score(grades, probabilities),
        "localisation_median_mm": localisation,
        "localisation_slices": {condition: _slice_shares(studies, condition) for condition in SCATTER_MM},
    }


def _slice_shares(studies: Sequence[StudyRows], condition: str) -> dict[str, float]:
    """Fraction of points on the slice nearest to the true position, or within one or two slices of it."""
    off = np.array([number for study in studies for number in study.slices_off.get(condition, ())])
    if not off.size:
        return {}
    names = ("exact", "within_one", "within_two")
    return {name: round(float((off <= most).mean()), 4) for most, name in enumerate(names)}


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    unfinished = temporary_beside(path)
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    os.replace(unfinished, path)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON document, whole or not at all."""
    unfinished = temporary_beside(path)
    unfinished.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, path)
