"""The class prior and the skill."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cohort import grades_of
from bench.metric import reduce, reduce_parts, study_terms
from bench.metric.prior import prior_probabilities, skill
from bench.targets import TARGET_INDEX


def test_prior_counts_both_sides_adds_one_and_weights_the_classes() -> None:
    grades = np.full((4, 25), -1, dtype=np.int8)
    left, right = (TARGET_INDEX[f"{side}_subarticular_stenosis_l4_l5"] for side in ("left", "right"))
    grades[:, left] = [0, 0, 1, -1]
    grades[:, right] = [2, 0, 0, 1]
    prior = prior_probabilities(grades)
    expected = np.array([(4 + 1) * 1, (2 + 1) * 2, (1 + 1) * 4])
    np.testing.assert_allclose(prior[left], expected / expected.sum())
    np.testing.assert_allclose(prior[right], prior[left])
    np.testing.assert_allclose(prior[0], np.array([1, 2, 4]) / 7)  # nothing known: the class weights alone


def test_prior_on_the_real_labels() -> None:
    if "BENCH_REAL_DATA" not in os.environ:
        pytest.skip("BENCH_REAL_DATA is unset: it names the folder with rsna2024/train.csv, the competition's labels")
    grades = grades_of(pd.read_csv(Path(os.environ["BENCH_REAL_DATA"]) / "rsna2024" / "train.csv"))
    terms = study_terms(grades, np.broadcast_to(prior_probabilities(grades), (len(grades), 25, 3)))
    np.testing.assert_allclose(reduce_parts(terms), [0.706, 0.805, 0.951, 0.698], atol=6e-4)
    assert reduce(terms) == pytest.approx(0.7900, abs=5e-5)


def test_skill_runs_from_prior_to_floor() -> None:
    assert skill(0.8, 0.8, 0.3) == 0
    assert skill(0.3, 0.8, 0.3) == 1
    assert skill(0.55, 0.8, 0.3) == pytest.approx(0.5)
    assert np.isnan(skill(0.5, 0.8, 0.8))
