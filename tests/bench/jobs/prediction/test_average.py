from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.approach import Predictions
from bench.imaging.study import Study
from bench.jobs.prediction.average import averaged

POINT = {"study_id": 1, "condition": "Spinal Canal Stenosis", "level": "L1/L2"}


def said(fill: float, point: tuple[int, int, float, float] | None = None, weights: dict[int, float] | None = None):
    probabilities = np.tile([fill, (1 - fill) / 2, (1 - fill) / 2], (1, 25, 1))
    points = evidence = None
    if point is not None:
        series, instance, x, y = point
        points = pd.DataFrame([{**POINT, "series_id": series, "instance_number": instance, "x": x, "y": y}])
    if weights is not None:
        rows = [("1_a", 20, instance, weight) for instance, weight in weights.items()]
        evidence = pd.DataFrame(rows, columns=["row_id", "series_id", "instance_number", "weight"])
    return Predictions(np.array([1]), probabilities, points, evidence)


def test_one_member_stays_as_it_is(study: Study) -> None:
    one = said(0.5)
    assert averaged([one], [study]) is one


def test_probabilities_are_the_mean(study: Study) -> None:
    whole = averaged([said(0.2), said(0.6)], [study])
    assert whole.probabilities[0, 0] == pytest.approx([0.4, 0.3, 0.3])
    assert whole.points is None
    assert whole.evidence is None


def test_the_point_nearest_to_all_in_the_patient_is_kept(study: Study) -> None:
    """Two members agree in the patient although they name neighbouring slices; the third is far off."""
    whole = averaged([said(0.5, (20, 1, 10, 10)), said(0.5, (20, 6, 30, 50)), said(0.5, (20, 5, 30, 50))], [study])
    assert whole.points is not None
    assert len(whole.points) == 1
    assert whole.points.iloc[0][["series_id", "instance_number", "x", "y"]].tolist() == [20, 5, 30, 50]


def test_a_point_that_only_one_member_has_is_kept(study: Study) -> None:
    whole = averaged([said(0.5), said(0.5, (20, 3, 1.25, 2.5))], [study])
    assert whole.points is not None
    assert whole.points["x"].tolist() == [1.25]


def test_attention_is_the_mean_with_zero_where_a_member_names_no_slice(study: Study) -> None:
    whole = averaged([said(0.5, weights={1: 0.5, 2: 0.5}), said(0.5, weights={2: 1.0})], [study])
    assert whole.evidence is not None
    assert whole.evidence["weight"].tolist() == [0.25, 0.75]
