"""Blends of approaches."""

import numpy as np
import pytest

from bench.comparison.analysis.blends import blended_out_of_fold, blends
from bench.metric import reduce, study_terms


def test_the_equal_blend_is_the_mean_prediction(read) -> None:
    of = read({"mil": 2.0, "other": 1.5, "third": 1.5, "prior": 0.0})
    found = blends(of)
    assert "prior-quick" not in found.labels
    mean = np.mean([each.mean for each in of.trained], axis=0)
    assert found.equal.value == pytest.approx(float(reduce(study_terms(of.split.grades, mean))))
    assert found.versus_best.difference == pytest.approx(found.equal.value - of.named(found.best).result.estimate.score)
    assert found.best == "mil-quick"


def test_leave_one_out_says_what_an_approach_adds(read) -> None:
    of = read({"mil": 3.0, "noise": 0.0, "third": 3.0}, studies=80)
    found = {each.label: each for each in blends(of).contributions}
    assert found["mil-quick"].paired.difference > 0  # without it the blend is worse
    assert found["noise-quick"].paired.difference < 0
    weights = {label: each.weight for label, each in found.items()}
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["noise-quick"] < 0.1
    assert blends(of).fitted.value < blends(of).equal.value


def test_a_folds_weights_come_from_the_other_folds(read) -> None:
    of = read({"mil": 3.0, "other": 1.0}, studies=80)
    everyone = np.ones(len(of.split), dtype=bool)
    said = np.stack([each.probabilities for each in of.trained])
    before, weights = blended_out_of_fold(said, of.split, everyone)
    assert weights.sum() == pytest.approx(1)
    inside = of.split.fold == 0
    of.split.grades[inside] = 2
    after, _ = blended_out_of_fold(said, of.split, everyone)
    assert np.array_equal(after[:, inside], before[:, inside])
    assert not np.allclose(after[:, ~inside], before[:, ~inside])


@pytest.mark.parametrize("sharpness", [{"mil": 2.0}, {"prior": 0.0}, {"mil": 2.0, "prior": 0.0}])
def test_one_approach_is_no_blend(read, sharpness) -> None:
    assert blends(read(sharpness)) is None


def test_seeds_are_blended_pair_by_pair(read) -> None:
    found = blends(read({"mil": 2.0, "other": 2.0}, seeds=(0, 1, 2)))
    assert not found.equal.one_seed
