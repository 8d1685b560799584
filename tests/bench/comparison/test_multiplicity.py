"""Adjusted p-values."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import t as student

from bench.comparison.influence import score_influence
from bench.comparison.multiplicity import adjusted, smallest_p
from bench.comparison.resampling import draw_studies
from bench.comparison.statistics import paired_difference


def test_the_smallest_p_is_that_of_the_largest_studentised_difference(model) -> None:
    influences = [score_influence([model(2.0, seed)]) for seed in range(3)]
    columns = np.column_stack([(a - b).by_study for a, b in combinations(influences, 2)])
    draws = draw_studies(np.ones((200, 4)), 50)
    smallest = smallest_p(columns, [200] * 3, draws)
    for row in (0, 49):
        drawn = columns[np.repeat(np.arange(200), draws.counts[row])]
        t = np.abs(drawn.mean(axis=0)) / (drawn.std(axis=0, ddof=1) / math.sqrt(200))
        assert smallest[row] == pytest.approx(2 * student.sf(t.max(), 199))


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
        smallest = smallest_p(random.standard_normal((100, pairs)), [100] * pairs, draws)
        assert adjusted([1e-30] * pairs, smallest)[0] == pytest.approx(1 / 1000)


def test_a_pair_that_is_not_known_or_does_not_differ_changes_nothing(model) -> None:
    influence = (score_influence([model(2.0, 1)]) - score_influence([model(2.0, 2)])).by_study
    draws = draw_studies(np.ones((200, 4)), 99)
    alone = smallest_p(influence[:, None], [200], draws)
    beside = np.column_stack([influence, np.full(200, np.nan), np.zeros(200), 1e-14 * influence])
    np.testing.assert_allclose(smallest_p(beside, [200] * 4, draws), alone)


def test_pairs_on_fewer_studies_have_fewer_degrees_of_freedom(model) -> None:
    whole = (score_influence([model(2.0, 1)]) - score_influence([model(2.0, 2)])).by_study
    part = np.where(np.arange(200) < 10, whole, 0.0)
    draws = draw_studies(np.ones((200, 4)), 99)
    taken_for_more = smallest_p(part[:, None], [200], draws)
    assert (smallest_p(part[:, None], [10], draws) > taken_for_more).all()


def test_two_studies_separate_nothing() -> None:
    """Half of the resamples of two studies hold one of them twice: as extreme as anything observed."""
    influences = np.array([[1.0, 2.0], [-1.0, -2.0]])
    smallest = smallest_p(influences, [2, 2], draw_studies(np.ones((2, 4)), 999))
    assert adjusted([1e-9, 1e-9], smallest)[0] > 0.4


def test_a_clear_difference_among_equal_ones(model) -> None:
    influences = [score_influence([model(sharpness, seed)]) for seed, sharpness in enumerate((2.0, 2.0, 2.0, 1.5))]
    pairs = list(combinations(range(4), 2))
    columns = np.column_stack([(influences[a] - influences[b]).by_study for a, b in pairs])
    p_values = [paired_difference(influences[a], influences[b]).p for a, b in pairs]
    found = adjusted(p_values, smallest_p(columns, [200] * 6, draw_studies(np.ones((200, 4)), 999)))
    for (_, second), p in zip(pairs, found, strict=True):
        assert (p < 0.05) == (second == 3)
