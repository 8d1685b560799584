"""The area under the ROC curve and its clustered variance."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench.comparison.analysis.roc import clustered_area, roc_curves


def drawn(studies: int, seed: int, *, levels: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores and labels whose rows depend on each other within a study."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal((studies, 1))
    severe = shared + random.standard_normal((studies, levels)) > 1.5
    said = np.round(shared + severe + random.standard_normal((studies, levels)), 1)  # rounded: with ties
    return said.ravel(), severe.ravel(), np.repeat(np.arange(studies), levels)


def test_the_area_is_that_of_scikit_learn() -> None:
    said, severe, studies = drawn(80, 1)
    assert clustered_area(said, severe, studies)[0] == pytest.approx(roc_auc_score(severe, said))


def test_the_standard_error_is_that_of_repeated_sampling() -> None:
    samples = [clustered_area(*drawn(120, seed)) for seed in range(400)]
    areas, errors = np.array(samples).T
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.12)


def test_curves_start_at_0_and_end_at_1(read) -> None:
    for curve in roc_curves(read({"mil": 2.0, "prior": 0.0})):
        assert (curve.false_positives[0], curve.true_positives[0]) == (0, 0)
        assert (curve.false_positives[-1], curve.true_positives[-1]) == (1, 1)
        trapezoid = np.trapezoid(curve.true_positives, curve.false_positives)
        assert trapezoid == pytest.approx(curve.area, abs=0.01)
        assert curve.interval[0] <= curve.area <= curve.interval[1]


def test_without_a_severe_label_there_is_no_area(read) -> None:
    of = read({"mil": 2.0})
    of.split.grades[of.split.grades == 2] = 1
    curve = roc_curves(of)[0]
    assert np.isnan(curve.area)
    assert curve.severe == 0
    assert curve.true_positives == ()
