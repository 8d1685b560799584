"""Shares of the score: complete, and equal to what the metric says."""

import numpy as np
import pytest

from bench.comparison.analysis.where_lost import loss_shares


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_shares_sum_to_the_score_and_to_the_priors(read, seeds) -> None:
    of = read({"mil": 2.0, "prior": 0.0}, seeds=seeds, missing={("mil", 0, 1)} if len(seeds) == 1 else ())
    shares = loss_shares(of)
    for each in of.approaches:
        own = [share for share in shares if share.label == each.label]
        assert sum(share.share for share in own) == pytest.approx(each.result.estimate.score)
        assert sum(share.prior_share for share in own) == pytest.approx(each.result.prior)
        labels = (of.split.grades[each.held_out] >= 0).sum()
        assert sum(share.rows for share in own if share.condition != "any_severe_spinal") == labels


def test_a_cell_holds_the_mean_loss_of_its_labels(read) -> None:
    of = read({"mil": 2.0})
    (each,) = of.approaches
    share = next(s for s in loss_shares(of) if (s.condition, s.level, s.grade) == ("foraminal", "l4_l5", 1))
    losses = [
        -np.log(each.mean[study, target, 1])
        for target in (8, 13)  # left and right
        for study in np.flatnonzero(of.split.grades[:, target] == 1)
    ]
    assert share.rows == len(losses)
    assert share.loss == pytest.approx(np.mean(losses))
    assert share.interval[0] < share.loss < share.interval[1]
