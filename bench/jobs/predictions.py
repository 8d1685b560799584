"""Predictions on their way out of an approach: checked, and written in the competition's formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bench.approach import Predictions
from bench.errors import BenchError, DataError
from bench.files.atomic import write_text
from bench.files.foreign import csv_cell
from bench.jobs.folder import JobFolder
from bench.targets import POINT_COLUMNS, PROBABILITY_COLUMNS, TARGET_NAMES, TARGETS, row_id

EVIDENCE_COLUMNS = ("row_id", "series_id", "instance_number", "weight")
SUM_TOLERANCE = 1e-4


class PredictionError(BenchError):
    """An approach returned something that cannot be scored."""


def checked(predictions: Predictions, study_ids: np.ndarray) -> Predictions:
    """The predictions in the order of the studies asked for.

    Args:
        predictions: what an approach returned.
        study_ids: (N,) the studies that it was to grade.

    Raises:
        PredictionError: a study is missing or strange, a shape is wrong, a value is no probability, or a target's
            three do not sum to 1 within 1e-4.
    """
    ids = np.asarray(predictions.study_ids)
    values = np.asarray(predictions.probabilities, dtype=np.float64)
    if values.shape != (len(ids), len(TARGETS), len(PROBABILITY_COLUMNS)):
        raise PredictionError(f"predictions have the shape {values.shape}; it has to be ({len(ids)}, 25, 3).")
    missing = sorted(set(map(int, study_ids)) - set(map(int, ids)))
    if missing:
        raise PredictionError(f"study {missing[0]} has no predictions ({len(missing)} such). Every study needs all 25.")
    if len(ids) != len(study_ids):
        raise PredictionError(f"predictions for {len(ids)} studies, but {len(study_ids)} were asked for, each once.")
    values = values[pd.Index(ids).get_indexer(pd.Index(study_ids))]
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        study, target, _ = np.argwhere(bad)[0]
        row = row_id(int(study_ids[study]), TARGETS[target])
        raise PredictionError(f"{row}: {values[study, target].tolist()} are no probabilities ({bad.sum()} bad values).")
    off = np.abs(values.sum(axis=2) - 1) > SUM_TOLERANCE
    if off.any():
        study, target = np.argwhere(off)[0]
        row = row_id(int(study_ids[study]), TARGETS[target])
        raise PredictionError(
            f"{row}: probabilities sum to {values[study, target].sum():.6g}, not 1 ({off.sum()} rows)."
        )
    return Predictions(np.asarray(study_ids), values, predictions.points, predictions.evidence)


def predictions_frame(predictions: Predictions) -> pd.DataFrame:
    """Predictions as ``row_id, normal_mild, moderate, severe``, 25 rows a study."""
    rows = [f"{study_id}_{name}" for study_id in predictions.study_ids for name in TARGET_NAMES]
    table = pd.DataFrame(predictions.probabilities.reshape(-1, 3), columns=list(PROBABILITY_COLUMNS))
    table.insert(0, "row_id", rows)
    return table


def read_predictions(path: Path, study_ids: np.ndarray, cure: str = "Run the job again with --force.") -> np.ndarray:
    """(N, 25, 3) probabilities from a table of predictions for the studies given.

    Raises:
        DataError: it is no such table, or lacks a row; the message ends with ``cure``.
    """
    try:
        table = pd.read_csv(path).set_index("row_id")
        rows = [f"{study_id}_{name}" for study_id in study_ids for name in TARGET_NAMES]
        values = table.loc[rows, list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64)
        return values.reshape(len(study_ids), len(TARGETS), len(PROBABILITY_COLUMNS))
    except KeyError as error:
        raise DataError(f"{path} lacks rows or columns: {error}. {cure}") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is no table of predictions ({error}). {cure}") from None


def write_predictions(files: JobFolder, predictions: Predictions) -> None:
    """Write the predictions and, where the approach has them, located points and evidence."""
    write_table(files.predictions, predictions_frame(predictions))
    if predictions.points is not None:
        write_table(files.points, _columns(predictions.points, POINT_COLUMNS, "points"))
    if predictions.evidence is not None:
        write_table(files.evidence, _columns(predictions.evidence, EVIDENCE_COLUMNS, "evidence"))


def write_true_point_predictions(files: JobFolder, predictions: Predictions) -> None:
    """Write the predictions of the true-point pass, which are never ranked."""
    write_table(files.true_point_predictions, predictions_frame(predictions))


def _columns(table: pd.DataFrame, columns: tuple[str, ...], what: str) -> pd.DataFrame:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise PredictionError(f"the predicted {what} lack the column {missing[0]!r}; they need {', '.join(columns)}.")
    return table[list(columns)]


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV table whose texts are safe for a spreadsheet; see `csv_cell`."""
    texts = table.select_dtypes(exclude="number")
    write_text(path, table.assign(**texts.map(csv_cell)).to_csv(index=False, lineterminator="\n"))
