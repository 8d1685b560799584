"""10,000 resamples of 1,975 studies, drawing included: at most 2 s on one core."""

import numpy as np
import pytest

from bench.comparison.statistics import bootstrap_scores
from bench.metric import study_terms


@pytest.mark.benchmark(group="metric")
def test_resampling(benchmark) -> None:
    random = np.random.default_rng(0)
    terms = study_terms(random.choice([0, 1, 2], size=(1975, 25)), random.dirichlet([1, 1, 1], size=(1975, 25)))
    draws = benchmark.pedantic(bootstrap_scores, args=([[terms]],), kwargs={"resamples": 10_000}, rounds=3)
    assert draws.shape == (10_000, 1)
