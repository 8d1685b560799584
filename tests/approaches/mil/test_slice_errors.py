from __future__ import annotations

import numpy as np
import pytest

from bench.approaches.mil import slice_errors
from bench.data.keypoints import Keypoints


def test_frequencies_are_symmetric_and_far_misses_count_as_two() -> None:
    assert slice_errors.frequencies([0, 0, 1, -7]) == pytest.approx([1 / 8, 1 / 8, 4 / 8, 1 / 8, 1 / 8])


def test_with_nothing_held_out_frequencies_are_assumed() -> None:
    assert slice_errors.frequencies([]) == list(slice_errors.ASSUMED)
    assert sum(slice_errors.ASSUMED) == pytest.approx(1)


def test_differences_compare_slices_of_one_series_alone() -> None:
    true, found = Keypoints.none(1), Keypoints.none(1)
    true.set(0, 0, 20, 5, (1, 1))
    found.set(0, 0, 20, 7, (1, 1))
    true.set(0, 1, 20, 5, (1, 1))  # not found
    found.set(0, 2, 20, 5, (1, 1))  # not marked
    true.set(0, 15, 10, 5, (1, 1))
    found.set(0, 15, 11, 9, (1, 1))  # on another series
    true.set(0, 10, 30, 8, (1, 1))
    found.set(0, 10, 30, 8, (1, 1))
    assert slice_errors.differences(true, found) == {"canal": [2], "foramina": [0], "recesses": []}


def test_drawn_shifts_follow_their_frequencies() -> None:
    drawn = slice_errors.draw([0.1, 0.2, 0.4, 0.2, 0.1], 20_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn + 2) / 20_000, [0.1, 0.2, 0.4, 0.2, 0.1], atol=0.01)
