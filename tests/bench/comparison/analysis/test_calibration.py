"""Calibration under the weights, beside what a calibrated model shows."""

import numpy as np
import pytest

from bench.comparison.analysis.calibration import reliability
from bench.comparison.analysis.predicted import unweighted


def test_a_calibrated_model_stays_within_its_band(calibrated) -> None:
    found = []
    for seed in range(60):
        said, grades = calibrated(40, seed)
        found.append(reliability("model", "spinal", said[:, :5].reshape(-1, 3), grades[:, :5].ravel()))
    assert np.mean([each.exceeds for each in found]) <= 0.13  # 5 % and three times the Monte Carlo error
    assert np.mean([each.error for each in found]) == pytest.approx(
        np.mean([each.calibrated for each in found]), rel=0.1
    )


def test_predictions_without_the_weights_in_them_are_called_uncalibrated(calibrated) -> None:
    said, grades = calibrated(300, 0)
    right = reliability("model", "spinal", said.reshape(-1, 3), grades.ravel())
    wrong = reliability("model", "spinal", unweighted(said).reshape(-1, 3), grades.ravel())
    assert not right.exceeds
    assert wrong.exceeds
    assert wrong.error > 3 * right.error


def test_more_labels_make_the_band_narrower_and_equal_input_gives_equal_output(calibrated) -> None:
    said, grades = calibrated(400, 1)
    few = reliability("a", "spinal", said[:100].reshape(-1, 3), grades[:100].ravel())
    many = reliability("a", "spinal", said.reshape(-1, 3), grades.ravel())
    assert many.calibrated < 0.65 * few.calibrated
    assert many == reliability("a", "spinal", said.reshape(-1, 3), grades.ravel())


def test_no_label_gives_no_figure() -> None:
    empty = reliability("a", "spinal", np.empty((0, 3)), np.empty(0, dtype=np.int8))
    assert np.isnan(empty.error)
    assert not empty.exceeds
