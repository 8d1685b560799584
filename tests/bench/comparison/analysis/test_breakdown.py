"""Differences by part, condition and level."""

import numpy as np
import pytest

from bench.comparison.analysis.breakdown import differences_by
from bench.metric import PARTS
from bench.targets import LEVELS


def test_parts_average_to_the_whole_difference(read) -> None:
    of = read({"mil": 2.0, "other": 1.0}, studies=60)
    (pair,) = of.comparison.differences
    found = differences_by(of)
    parts = [each.paired.difference for each in found if each.by == "part"]
    assert len(parts) == len(PARTS)
    assert np.mean(parts) == pytest.approx(pair.paired.difference)
    assert [each.name for each in found if each.by == "level"] == list(LEVELS)
    assert sum(each.by == "condition" for each in found) == 5


def test_a_better_level_is_found_where_it_is(read) -> None:
    of = read({"mil": 2.0, "other": 2.0}, studies=60)
    worse = of.named("other-quick").pooled.probabilities[0]
    worse[:, 3::5] = 1 / 3  # L4/L5 of every condition
    levels = {each.name: each for each in differences_by(of) if each.by == "level"}
    sign = 1 if levels["l4_l5"].first == "other-quick" else -1
    assert sign * levels["l4_l5"].paired.difference > 0.3
    assert levels["l4_l5"].paired.p < 0.001
    assert abs(levels["l1_l2"].paired.difference) < 0.2
