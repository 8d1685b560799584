"""Adjusted p-values."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm

from bench.comparison.influence import score_influence
from bench.comparison.multiplicity import adjusted, smallest_p
from bench.comparison.resampling import draw_studies
from bench.comparison.statistics import paired_difference


def test_the_smallest_p_is_that_of_the_largest_difference_in_standard_errors(model) -> None:
    influences = [score_influence([model(2.0, seed)]) for seed in range(3)]
    columns = np.column_stack([(a - b).by_study for a, b in combinations(influences, 2)])
    draws = draw_studies(np.ones((200, 4)), 50)
    smallest = smallest_p(columns, draws)
    for row in (0, 49):
        means = columns[np.repeat(np.arange(200), draws.counts[row])].mean(axis=0)
        z = np.abs(means) / (columns.std(axis=0) / math.sqrt(200))
        assert smallest[row] == pytest.approx(2 * norm.sf(z.max()))


def test_p_values_of_one_pair_are_uniform() -> None:
    values = np.random.default_rng(0).standard_normal((50, 1))
    smallest = smallest_p(values - values.mean(), draw_studies(np.ones((50, 4)), 4000))
    assert (smallest < 0.05).mean() == pytest.approx(0.05, abs=0.012)
    assert smallest.mean() == pytest.approx(0.5, abs=0.02)


def test_adjusted_p_is_the_share_of_resamples_at_most_as_large() -> None:
    smallest = np.array([0.001, 0.01, 0.02, 0.3])
    found = adjusted([0.01, 0.0005, 0.9, math.nan], smallest)
    assert found[:3] == pytest.approx([3 / 5, 1 / 5, 1.0])
    assert math.isnan(found[3])


def test_it_is_never_below_the_unadjusted_p() -> None:
    assert adjusted([0.4, 0.01], np.linspace(0.5, 1, 999)) == [0.4, 0.01]


def test_a_family_of_one_needs_no_adjustment() -> None:
    assert adjusted([0.03], np.array([0.001])) == [0.03]


def test_the_smallest_adjusted_p_does_not_grow_with_the_number_of_pairs() -> None:
    random = np.random.default_rng(0)
    draws = draw_studies(np.ones((100, 4)), 999)
    for pairs in (3, 300):
        smallest = smallest_p(random.standard_normal((100, pairs)), draws)
        assert adjusted([1e-30] * pairs, smallest)[0] == pytest.approx(1 / 1000)


def test_a_pair_that_is_not_known_or_does_not_differ_changes_nothing(model) -> None:
    influence = (score_influence([model(2.0, 1)]) - score_influence([model(2.0, 2)])).by_study
    draws = draw_studies(np.ones((200, 4)), 99)
    alone = smallest_p(influence[:, None], draws)
    beside = np.column_stack([influence, np.full(200, np.nan), np.zeros(200), 1e-14 * influence])
    np.testing.assert_allclose(smallest_p(beside, draws), alone)


def test_a_clear_difference_among_equal_ones(model) -> None:
    influences = [score_influence([model(sharpness, seed)]) for seed, sharpness in enumerate((2.0, 2.0, 2.0, 1.5))]
    pairs = list(combinations(range(4), 2))
    columns = np.column_stack([(influences[a] - influences[b]).by_study for a, b in pairs])
    p_values = [paired_difference(influences[a], influences[b]).p for a, b in pairs]
    found = adjusted(p_values, smallest_p(columns, draw_studies(np.ones((200, 4)), 999)))
    for (_, second), p in zip(pairs, found, strict=True):
        assert (p < 0.05) == (second == 3)
