"""Bootstrap draws of studies."""

import numpy as np
import pytest

from bench.comparison.resampling import draw_studies, score_draws
from bench.metric import reduce


def test_as_many_studies_are_drawn_as_there_are() -> None:
    draws = draw_studies(np.ones((17, 4)), 1203)
    assert draws.counts.shape == (1203, 17)
    assert (draws.counts.sum(axis=1) == 17).all()
    assert draws.counts.mean(axis=0) == pytest.approx(np.ones(17), abs=0.15)
    assert draws.redrawn == 0
    np.testing.assert_array_equal(draws.counts, draw_studies(np.ones((17, 4)), 1203).counts)
    assert (draws.counts != draw_studies(np.ones((17, 4)), 1203, seed=1).counts).any()


def test_resamples_that_lack_a_part_are_drawn_again_and_counted() -> None:
    weights = np.ones((20, 4))
    weights[1:, 3] = 0  # one study alone has the last part: 36 % of resamples lack it
    draws = draw_studies(weights, 4000)
    assert (draws.counts[:, 0] > 0).all()
    assert draws.redrawn / (4000 + draws.redrawn) == pytest.approx(0.36, abs=0.03)


def test_a_part_that_no_study_has_is_not_waited_for() -> None:
    weights = np.ones((20, 4))
    weights[:, 3] = 0
    assert draw_studies(weights, 100).redrawn == 0


def test_all_zero_weights_are_an_error() -> None:
    with pytest.raises(ValueError, match="all weights of these 20 studies are 0"):
        draw_studies(np.zeros((20, 4)), 100)


def test_scores_are_those_of_the_resampled_studies(model) -> None:
    terms = model(2.0, 1)
    draws = draw_studies(terms.denominators, 600)
    scores = score_draws(terms, draws)
    assert scores.shape == (600,)
    again = np.repeat(np.arange(len(terms)), draws.counts[501])
    assert scores[501] == pytest.approx(float(reduce(terms[again])))
