"""How often any of several equal approaches is called separable (issue figure: 5 % plus Monte Carlo error), with one
seed and with several."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from bench.comparison.influence import Influence, score_influence
from bench.comparison.multiplicity import adjusted, smallest_p
from bench.comparison.resampling import StudyDraws, draw_studies
from bench.comparison.statistics import paired_difference
from bench.metric import StudyTerms

SLOW = pytest.mark.slow
N = 100
FOLDS = np.arange(N) % 5


def separable(approaches: list[Influence], draws: StudyDraws) -> bool:
    """Whether any pair is, as `bench.comparison.pairs` decides."""
    pairs = list(combinations(approaches, 2))
    p_values = [paired_difference(*pair).p for pair in pairs]
    influences = np.column_stack([(first - second).by_study for first, second in pairs])
    return min(adjusted(p_values, smallest_p(influences, draws))) < 0.05


def _bound(repetitions: int) -> float:
    return 0.05 + 2 * np.sqrt(0.05 * 0.95 / repetitions)


def trained(population, studies: np.ndarray, seeds: int, spread: float, random: np.random.Generator) -> Influence:
    """One of many equal approaches: each seed mixes base and swin study by study, and shifts the loss of each fold.

    Args:
        population: where the studies come from.
        studies: (N,) drawn ones.
        seeds: how many trainings.
        spread: standard deviation of the true score between trainings; folds are independent of each other.
        random: of this approach.
    """
    models = []
    for _ in range(seeds):
        terms = population.equal(studies, random)
        shift = spread * np.sqrt(5) * random.standard_normal(5)[FOLDS]
        models.append(StudyTerms(terms.numerators + shift[:, None] * terms.denominators, terms.denominators))
    return score_influence(models, FOLDS)


@pytest.mark.parametrize("repetitions", [60, pytest.param(500, marks=SLOW)])
@pytest.mark.parametrize("approaches", [2, 4, 8])
def test_family_error_with_one_seed(population, figure, approaches: int, repetitions: int) -> None:
    random = np.random.default_rng([approaches, 1])
    wrong = 0
    for repetition in range(repetitions):
        studies = random.integers(0, len(population.base), N)
        draws = draw_studies(population.base.denominators[studies], 2000, seed=repetition)
        wrong += separable([trained(population, studies, 1, 0.0, random) for _ in range(approaches)], draws)
    figure(f"family error, {approaches} equal approaches", wrong / repetitions, "5 % + MC error", repetitions)
    assert wrong / repetitions <= _bound(repetitions)


SHORT = [(2, 3, 0.02, 60), (4, 2, 0.01, 60)]
LONG = [
    pytest.param(approaches, seeds, spread, 800, marks=SLOW)
    for approaches in (2, 4)
    for seeds in (2, 3, 5)
    for spread in (0.0, 0.01, 0.02)
]


@pytest.mark.parametrize(("approaches", "seeds", "spread", "repetitions"), [*SHORT, *LONG])
def test_family_error_with_seeds_that_differ(
    population, figure, approaches: int, seeds: int, spread: float, repetitions: int
) -> None:
    random = np.random.default_rng([approaches, seeds, int(1000 * spread)])
    wrong, halves = 0, []
    for repetition in range(repetitions):
        studies = random.integers(0, len(population.base), N)
        draws = draw_studies(population.base.denominators[studies], 2000, seed=repetition)
        drawn = [trained(population, studies, seeds, spread, random) for _ in range(approaches)]
        wrong += separable(drawn, draws)
        found = paired_difference(*drawn[:2])
        halves.append(found.interval[1] - found.difference)
    half = np.mean(halves)
    what = f"family error, {approaches} equal approaches, S = {seeds}, SD {spread:g}, half-width {half:.3f}"
    figure(what, wrong / repetitions, "5 % + MC error", repetitions)
    assert wrong / repetitions <= _bound(repetitions)


@pytest.mark.parametrize("lines", [23, 60])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_difference_of_one_is_separable_among_many(population, lines: int, seeds: int) -> None:
    """1,770 pairs of 60 approaches, of which one is worse by 1.0: it is separable from all others, and no other is."""
    random = np.random.default_rng(lines)
    studies = random.integers(0, len(population.base), N)
    approaches = [trained(population, studies, seeds, 0.0, random) for _ in range(lines)]
    worse = trained(population, studies, seeds, 0.0, random)
    approaches[0] = Influence(
        worse.value + 1.0, worse.by_study, worse.seed_variances, worse.seed_df, worse.interaction, worse.one_seed
    )
    pairs = list(combinations(range(lines), 2))
    p_values = [paired_difference(approaches[first], approaches[second]).p for first, second in pairs]
    influences = np.column_stack([(approaches[i] - approaches[j]).by_study for i, j in pairs])
    draws = draw_studies(population.base.denominators[studies], 2000)
    by_pair = dict(zip(pairs, adjusted(p_values, smallest_p(influences, draws)), strict=True))
    assert max(p for (first, _), p in by_pair.items() if first == 0) < 0.001
    assert min(p for (first, _), p in by_pair.items() if first != 0) > 0.05
