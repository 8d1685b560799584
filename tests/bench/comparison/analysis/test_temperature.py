"""Temperature scaling on other folds."""

import numpy as np
import pytest

from bench.comparison.analysis.temperature import fit, scaled_out_of_fold, temperature_scaling, tempered
from bench.metric.terms import class_weights


def test_the_temperature_of_overconfident_predictions_is_found(calibrated) -> None:
    said, grades = calibrated(400, 0)
    assert fit(said, grades, class_weights(grades)) == pytest.approx(1, abs=0.05)
    assert fit(tempered(said, 0.5), grades, class_weights(grades)) == pytest.approx(2, abs=0.1)


def test_it_is_off_below_400_studies(read) -> None:
    assert temperature_scaling(read({"mil": 2.0}, studies=399)) == ()


def test_a_folds_temperature_comes_from_the_other_folds(read) -> None:
    of = read({"mil": 3.0, "prior": 0.0}, studies=400)
    (before,) = temperature_scaling(of)
    assert before.label == "mil-quick"  # the prior is not scaled
    assert before.paired.difference < 0  # noise makes these predictions too sure
    said, split = of.approaches[0].probabilities[0], of.split
    everyone = np.ones(len(split), dtype=bool)
    scaled, _ = scaled_out_of_fold(said, split, everyone)
    inside = split.fold == 0
    split.grades[inside] = 2
    again, _ = scaled_out_of_fold(said, split, everyone)
    assert np.array_equal(again[inside], scaled[inside])
    assert not np.allclose(again[~inside], scaled[~inside])
