"""10,000 resamples of 1,975 studies, and ten approaches compared on them."""

from itertools import combinations

import numpy as np
import pytest

from bench.comparison.influence import score_influence
from bench.comparison.multiplicity import adjusted, smallest_p
from bench.comparison.resampling import StudyDraws, draw_studies, score_draws
from bench.comparison.statistics import paired_difference
from bench.metric import StudyTerms, study_terms

STUDIES = 1975


def made_up(approaches: int) -> list[StudyTerms]:
    random = np.random.default_rng(0)
    grades = random.choice([0, 1, 2], size=(STUDIES, 25))
    return [study_terms(grades, random.dirichlet([1, 1, 1], size=(STUDIES, 25))) for _ in range(approaches)]


@pytest.mark.benchmark(group="metric")
def test_resampling(benchmark) -> None:
    """At most 2 s on one core, drawing included."""
    (terms,) = made_up(1)
    draws = benchmark.pedantic(lambda: score_draws(terms, draw_studies(terms.denominators)), rounds=3)
    assert draws.shape == (10_000,)


@pytest.mark.benchmark(group="metric")
def test_ten_approaches(benchmark) -> None:
    """45 pairs, adjusted over 10,000 resamples; a few seconds on one core."""
    approaches = made_up(10)
    p_values = benchmark.pedantic(lambda: compared(approaches, draw_studies(approaches[0].denominators)), rounds=1)
    assert len(p_values) == 45


def compared(approaches: list[StudyTerms], draws: StudyDraws) -> list[float]:
    influences = [score_influence([terms]) for terms in approaches]
    pairs = list(combinations(influences, 2))
    by_study = np.column_stack([(first - second).by_study for first, second in pairs])
    smallest = smallest_p(by_study, draws)
    return adjusted([paired_difference(*pair).p for pair in pairs], smallest)
