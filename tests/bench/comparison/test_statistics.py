"""Intervals, p-values and degrees of freedom."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from bench.comparison.influence import Influence, score_influence
from bench.comparison.power import detectable_difference
from bench.comparison.statistics import PairedDifference, estimated, paired_difference, variance_and_df
from bench.metric import StudyTerms


def influence(by_study: np.ndarray, value: float = 0.0, **seeds: np.ndarray | float) -> Influence:
    known = {"seed_variances": np.empty(0), "seed_df": np.empty(0), "interaction": 0.0, "one_seed": True} | seeds
    return Influence(value, by_study, **known)


def test_one_weight_per_study_gives_the_paired_t_test() -> None:
    losses = np.random.default_rng(0).lognormal(size=(2, 50, 1))
    first, second = (StudyTerms(np.tile(each, 4), np.ones((50, 4))) for each in losses)
    found = paired_difference(score_influence([first]), score_influence([second]))
    expected = ttest_1samp((losses[0] - losses[1]).ravel(), 0)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.df == 49
    interval = expected.confidence_interval()
    assert found.interval == pytest.approx((interval.low, interval.high))


def test_seeds_add_what_is_not_interaction() -> None:
    by_study = np.array([1.0, -1.0, 2.0, -2.0])
    over_studies = 10 / 12
    seeds = {"seed_variances": np.array([0.3, 0.2]), "seed_df": np.array([2.0, 2.0]), "interaction": 0.1}
    variance, df = variance_and_df(influence(by_study, **seeds))
    assert variance == pytest.approx(over_studies + 0.4)
    assert df == pytest.approx((over_studies + 0.5) ** 2 / (over_studies**2 / 3 + 0.09 / 2 + 0.04 / 2))
    less, same = variance_and_df(influence(by_study, **(seeds | {"interaction": 0.9})))
    assert less == pytest.approx(over_studies)  # never below the variance over studies
    assert same == pytest.approx(df)  # nothing is subtracted for the degrees of freedom


@pytest.mark.parametrize("value", [0.1, 0.5, 0.9, 0.98, 1.02, 2.0])
def test_interval_and_unadjusted_p_agree(value: float) -> None:
    by_study = np.random.default_rng(1).standard_normal(30) * math.sqrt(30) / 2.05
    found = PairedDifference(value, *variance_and_df(influence(by_study - by_study.mean())))
    low, high = found.interval
    assert (found.p < 0.05) == (not low <= 0 <= high)


def test_nothing_known_is_nan() -> None:
    for found in (
        paired_difference(influence(np.zeros(1), 0.3), influence(np.zeros(1), 0.1)),
        paired_difference(influence(np.full(9, np.nan), np.nan), influence(np.zeros(9), 0.1)),
    ):
        assert math.isnan(found.p)
        assert all(map(math.isnan, found.interval))
        assert math.isnan(detectable_difference(found))


def test_equal_predictions_and_rounding_are_no_difference(model) -> None:
    same = score_influence([model(2.0, 1)])
    assert paired_difference(same, same).p == 1.0
    assert paired_difference(same, same).interval == (0.0, 0.0)
    assert paired_difference(influence(np.zeros(9), 1e-15), influence(np.zeros(9))).p == 1.0
    assert paired_difference(influence(np.zeros(9), 1.0), influence(np.zeros(9))).p == 0.0


def test_one_seed_on_either_side_is_said(model) -> None:
    folds = np.arange(200) % 5
    one = score_influence([model(2.0, 1)])
    two = score_influence([model(2.0, 2), model(2.0, 3)], folds)
    assert estimated(one).one_seed
    assert not estimated(two).one_seed
    assert paired_difference(one, two).one_seed


def test_the_detectable_difference() -> None:
    assert detectable_difference(PairedDifference(0.0, 0.01, 1e9)) == pytest.approx(0.1 * (1.95996 + 0.84162), rel=1e-4)
    few = detectable_difference(PairedDifference(0.0, 0.01, 4.0))
    assert few == pytest.approx(0.1 * (2.7764 + 0.9410), rel=1e-3)
