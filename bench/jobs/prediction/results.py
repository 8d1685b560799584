"""What a prediction leaves in its work folder: tables in the competition's formats, drawings, and a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bench.approach import Predictions
from bench.files.atomic import write_text
from bench.jobs.context import NOTE_COLUMNS
from bench.jobs.folder import EVIDENCE, NOTES, POINTS, PREDICTIONS
from bench.jobs.history import table as csv_table
from bench.jobs.prediction.row_order import RowOrder
from bench.jobs.predictions import EVIDENCE_COLUMNS, predictions_frame, write_table
from bench.targets import CLASS_WEIGHTS, POINT_COLUMNS, TARGET_NAMES

SUMMARY, STUDIES = "summary.json", "studies.csv"
TABLES = (PREDICTIONS, POINTS, EVIDENCE, NOTES, STUDIES)
DRAWINGS, PAGE = "overlay", "overlay.html"
STUDY_COLUMNS = ("study_id", "name", "series", "images", "trained_on")


class PredictedStudy(BaseModel):
    """One study as the screen shows it.

    Attributes:
        study_id, name: its number, and what its files call it.
        series: how many series were read.
        grades: (25,) the most probable grades, the metric's class weights divided out.
        probabilities: (25,) their probabilities.
        notes: how many notes there are on it.
        trained_on: how many of the members were trained on it.
    """

    model_config = ConfigDict(frozen=True)
    study_id: int
    name: str
    series: int
    grades: tuple[int, ...]
    probabilities: tuple[float, ...]
    notes: int
    trained_on: int


class Summary(BaseModel):
    """What was predicted.

    Attributes:
        layout: how studies were told apart, in words.
        members: how many trained jobs were averaged.
        studies: in ascending order.
        left_out: studies of the folder that the sample does not ask for.
        ignored: files that belong to no study, each with the reason.
        seconds: from the first file to the last table, without imports.
        reading_seconds: the part of it for finding and reading files.
    """

    model_config = ConfigDict(frozen=True)
    layout: str
    members: int
    studies: tuple[PredictedStudy, ...]
    left_out: int
    ignored: tuple[str, ...]
    seconds: float
    reading_seconds: float


@dataclass(slots=True)
class Collected:
    """Predictions as batches of studies come in."""

    studies: list[PredictedStudy] = field(default_factory=list)
    probabilities: list[NDArray[np.float64]] = field(default_factory=list)
    points: list[pd.DataFrame] = field(default_factory=list)
    evidence: list[pd.DataFrame] = field(default_factory=list)
    notes: list[tuple[int, str, str]] = field(default_factory=list)

    def write(self, folder: Path, rows: RowOrder | None) -> None:
        """Write the tables. Points and evidence are written only if the approach has them."""
        ids = np.array([study.study_id for study in self.studies], dtype=np.int64)
        values = np.array(self.probabilities).reshape(len(ids), len(TARGET_NAMES), 3)
        submission = predictions_frame(Predictions(ids, values))
        if rows is not None:
            submission = submission.set_index("row_id").loc[list(rows.rows)].reset_index()
        write_table(folder / PREDICTIONS, submission)
        if self.points:
            write_table(folder / POINTS, pd.concat(self.points, ignore_index=True)[list(POINT_COLUMNS)])
        if self.evidence:
            write_table(folder / EVIDENCE, pd.concat(self.evidence, ignore_index=True)[list(EVIDENCE_COLUMNS)])
        write_text(folder / NOTES, csv_table(NOTE_COLUMNS, self.notes))
        about = [(s.study_id, s.name, s.series, int(s.series > 0), s.trained_on) for s in self.studies]
        write_text(folder / STUDIES, csv_table(STUDY_COLUMNS, about))


def likely_grades(probabilities: NDArray[np.float64]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """The most probable grade of each target and its probability.

    Submitted probabilities carry the class weights 1, 2, 4 of the metric; these are divided out first.

    Args:
        probabilities: (25, 3) as submitted.

    Returns:
        (25,) grades 0, 1, 2 and (25,) probabilities.
    """
    q = probabilities / np.array(CLASS_WEIGHTS)
    q = q / q.sum(axis=-1, keepdims=True)
    return q.argmax(axis=-1).astype(np.int8), q.max(axis=-1)


def published(folder: Path, out: Path) -> Mapping[str, tuple[Path, Path]]:
    """By what is in them, the files in a work folder and where they go beside a submission ``out``."""
    names: Sequence[str] = [name for name in TABLES if (folder / name).is_file()]
    beside = {name: out.with_name(f"{out.stem}_{name}") for name in names}
    return {name: (folder / name, out if name == PREDICTIONS else beside[name]) for name in names}
