from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.approach import Predictions
from bench.jobs.folder import JobFolder
from bench.jobs.predictions import PredictionError, checked, predictions_frame, read_predictions, write_predictions


def some(ids: list[int], seed: int = 0) -> Predictions:
    values = np.random.default_rng(seed).dirichlet([1, 1, 1], (len(ids), 25))
    return Predictions(np.array(ids), values)


def test_order_of_the_approach_does_not_matter() -> None:
    predictions = some([3, 1, 2])
    ordered = checked(predictions, np.array([1, 2, 3]))
    np.testing.assert_array_equal(ordered.probabilities, predictions.probabilities[[1, 2, 0]])


def test_what_is_written_is_read_back_to_the_last_digit(tmp_path: Path) -> None:
    predictions = some([5, 4294967295])
    write_predictions(JobFolder(tmp_path), predictions)
    np.testing.assert_array_equal(
        read_predictions(tmp_path / "predictions.csv", np.array([4294967295, 5])), predictions.probabilities[::-1]
    )
    frame = predictions_frame(predictions)
    assert frame["row_id"][0] == "5_spinal_canal_stenosis_l1_l2"
    assert len(frame) == 50


def spoiled(change: object) -> Predictions:
    predictions = some([1, 2])
    change(predictions.probabilities)
    return predictions


def nan(values: np.ndarray) -> None:
    values[1, 3, 0] = np.nan


def negative(values: np.ndarray) -> None:
    values[0, 0] = [-0.5, 0.5, 1.0]


def doubled(values: np.ndarray) -> None:
    values[0, 24] *= 2


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (some([1]), "study 2 has no predictions"),
        (some([1, 2, 2]), "each once"),
        (Predictions(np.array([1, 2]), np.ones((2, 25))), "the shape"),
        (spoiled(nan), "2_spinal_canal_stenosis_l4_l5: .* no probabilities"),
        (spoiled(negative), "1_spinal_canal_stenosis_l1_l2: .* no probabilities"),
        (spoiled(doubled), "1_right_subarticular_stenosis_l5_s1: probabilities sum to 2"),
    ],
)
def test_what_cannot_be_scored_is_refused(predictions: Predictions, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        checked(predictions, np.array([1, 2]))


def test_points_need_their_columns(tmp_path: Path) -> None:
    predictions = Predictions(np.array([1]), some([1]).probabilities, points=pd.DataFrame({"study_id": [1]}))
    with pytest.raises(PredictionError, match="lack the column 'series_id'"):
        write_predictions(JobFolder(tmp_path), predictions)
