"""The prior, skill, the paired bootstrap and Holm's adjustment."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.comparison.statistics import bootstrap_scores, holm, interval, multiplicities, paired_difference
from bench.data.cohort import grades_of
from bench.metric import StudyTerms, reduce, reduce_parts, study_terms
from bench.metric.prior import prior_probabilities, skill
from bench.targets import TARGET_INDEX


def random_terms(random: np.random.Generator, studies: int, sharpness: float, grades: np.ndarray) -> StudyTerms:
    """Predictions that lean to the truth by `sharpness`, with noise of their own."""
    logits = random.standard_normal((studies, 25, 3)) + sharpness * np.eye(3)[grades]
    probabilities = np.exp(logits)
    return study_terms(grades, probabilities / probabilities.sum(-1, keepdims=True))


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
    draws = bootstrap_scores([[terms]], resamples=2000)
    assert draws.std() == pytest.approx(0.0075, abs=5e-4)


def test_skill_runs_from_prior_to_floor() -> None:
    assert skill(0.8, 0.8, 0.3) == 0
    assert skill(0.3, 0.8, 0.3) == 1
    assert skill(0.55, 0.8, 0.3) == pytest.approx(0.5)
    assert np.isnan(skill(0.5, 0.8, 0.8))


def test_multiplicities_draw_as_many_studies_as_there_are() -> None:
    chunks = list(multiplicities(17, 1203, seed=0))
    weights = np.concatenate(chunks)
    assert weights.shape == (1203, 17)
    assert (weights.sum(axis=1) == 17).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(17), abs=0.15)
    np.testing.assert_array_equal(weights, np.concatenate(list(multiplicities(17, 1203, seed=0))))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    grades = random.choice([0, 1, 2], p=[0.7, 0.2, 0.1], size=(4000, 25))
    terms = random_terms(random, 4000, 1.0, grades)
    truth = float(reduce(terms))
    covered = 0
    for trial in range(100):
        draws = bootstrap_scores([[terms[random.integers(0, 4000, 80)]]], resamples=300, seed=trial)
        low, high = interval(draws[:, 0])
        covered += low <= truth <= high
    assert 85 <= covered <= 99


def test_pairing_makes_a_difference_of_like_models_narrow() -> None:
    random = np.random.default_rng(1)
    grades = random.choice([0, 1, 2], p=[0.7, 0.2, 0.1], size=(200, 25))
    logits = random.standard_normal((2, 200, 25, 3)) * [[[[0.3]]]] + random.standard_normal((200, 25, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)  # of two models that err alike
    first, second = (study_terms(grades, said) for said in probabilities)
    draws = bootstrap_scores([[first], [second]], resamples=1000)
    alone = bootstrap_scores([[second]], resamples=1000)
    np.testing.assert_array_equal(draws[:, 1], alone[:, 0])  # the same resamples whoever else is compared
    assert (draws[:, 0] - draws[:, 1]).std() < 0.6 * np.hypot(*draws.std(axis=0))


def test_a_real_difference_is_found_and_none_is_not() -> None:
    random = np.random.default_rng(2)
    grades = random.choice([0, 1, 2], p=[0.7, 0.2, 0.1], size=(200, 25))
    sharp, blunt, like = (random_terms(random, 200, value, grades) for value in (2.0, 1.5, 2.0))
    draws = bootstrap_scores([[sharp], [blunt], [like]], resamples=2000)
    found = paired_difference(draws[:, 0], draws[:, 1], float(reduce(sharp) - reduce(blunt)))
    assert found.p == pytest.approx(2 / 2001)
    assert found.interval[0] < found.difference < found.interval[1] < 0
    none = paired_difference(draws[:, 0], draws[:, 2], float(reduce(sharp) - reduce(like)))
    assert none.p > 0.05
    assert none.interval[0] < 0 < none.interval[1]
    assert paired_difference(draws[:, 0], draws[:, 0], 0.0).p == 1.0


def test_several_seeds_are_resampled_too() -> None:
    random = np.random.default_rng(3)
    grades = random.choice([0, 1, 2], p=[0.7, 0.2, 0.1], size=(300, 25))
    seeds = [random_terms(random, 300, sharpness, grades) for sharpness in (1.0, 1.5, 2.0)]
    both = bootstrap_scores([seeds, seeds[:1]], resamples=2000)
    assert both[:, 0].mean() == pytest.approx(np.mean([reduce(terms) for terms in seeds]), abs=0.01)
    assert both[:, 0].std() > 2 * both[:, 1].std()


def test_holm() -> None:
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.001]) == pytest.approx([0.6, 0.002])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
