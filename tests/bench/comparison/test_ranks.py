"""Ranks over bootstrap samples of studies."""

import numpy as np
import pytest

from bench.comparison.influence import score_influence
from bench.comparison.ranks import approach_draws, rank_stability
from bench.comparison.resampling import draw_studies, score_draws

FOLDS = np.arange(200) % 5


def test_shares_and_tau() -> None:
    draws = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [2.0, 1.0, 3.0], [3.0, 2.0, 1.0]])
    found = rank_stability(["a", "b", "c"], [1.0, 2.0, 3.0], draws)
    assert found.shares == ((0.5, 0.25, 0.25), (0.25, 0.75, 0.0), (0.25, 0.0, 0.75))
    assert found.kendall_tau == pytest.approx((1 + 1 + 1 / 3 - 1) / 4)


def test_ties_share_the_better_rank() -> None:
    found = rank_stability(["a", "b", "c"], [1.0, 1.0, 2.0], np.array([[1.0, 1.0, 2.0]]))
    assert found.shares == ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))


def test_draws_are_the_same_bytes_whoever_else_is_compared(model) -> None:
    seeds = [model(2.0, seed) for seed in range(3)]
    influence = score_influence(seeds, FOLDS)
    draws = draw_studies(seeds[0].denominators, 700)
    first = approach_draws(seeds, influence, draws, key="mil")
    approach_draws([model(1.0, 7)], score_influence([model(1.0, 7)]), draws, key="other")
    again = approach_draws(seeds, influence, draw_studies(seeds[0].denominators, 700), key="mil")
    assert first.tobytes() == again.tobytes()


def test_seeds_widen_the_draws_by_what_they_add(model) -> None:
    seeds = [model(sharpness, seed) for seed, sharpness in enumerate((1.6, 2.0, 2.4))]
    influence = score_influence(seeds, FOLDS)
    draws = draw_studies(seeds[0].denominators, 4000)
    found = [approach_draws(seeds, influence, draws, key=key) for key in ("mil", "sequence")]
    alone = score_draws(seeds[1], draws)
    added = influence.seed_variances.sum() - influence.interaction
    assert added > 0
    noise = found[0] - found[1]  # the studies' share is the same in both
    assert noise.var() == pytest.approx(2 * added, rel=0.1)
    assert found[0].var() > alone.var() * 0.5
