from __future__ import annotations

import numpy as np
import pytest

from bench.approaches.mil import slice_errors
from bench.data.keypoints import Keypoints


def bag(centre: int, moved: int, length: int = 20, size: int = 5) -> tuple[list[int], int]:
    slices, place = slice_errors.bag_slices(np.array([centre]), np.array([moved]), np.array([length]), size)
    return slices[0].tolist(), int(place[0])


@pytest.mark.parametrize("moved", [-2, -1, 0, 1, 2])
def test_the_marked_slice_stands_where_it_is_said_to(moved: int) -> None:
    slices, place = bag(10, moved)
    assert slices == list(range(8 + moved, 13 + moved))
    assert place == 2 - moved  # moved on by one, the marked slice is one place before the middle
    assert slices[place] == 10


@pytest.mark.parametrize(("centre", "moved"), [(0, -2), (0, 0), (0, 2), (1, -1), (19, 2), (19, 0), (18, 1)])
def test_at_the_end_of_a_series_the_last_slice_is_repeated(centre: int, moved: int) -> None:
    slices, place = bag(centre, moved)
    assert len(slices) == 5
    assert min(slices) >= 0
    assert max(slices) <= 19
    assert slices == sorted(slices)
    assert slices[place] == centre


def test_a_series_of_one_slice() -> None:
    assert bag(0, 2, length=1) == ([0] * 5, 2)


def test_a_slice_outside_its_bag_is_nowhere() -> None:
    slices, place = bag(10, 2, size=3)
    assert slices == [11, 12, 13]
    assert place == -1


def test_frequencies_are_symmetric_and_far_misses_count_as_two() -> None:
    assert slice_errors.frequencies([0, 0, 1, -7]) == pytest.approx([1 / 8, 1 / 8, 4 / 8, 1 / 8, 1 / 8])


def test_with_nothing_held_out_frequencies_are_assumed() -> None:
    assert slice_errors.frequencies([]) == list(slice_errors.ASSUMED)
    assert sum(slice_errors.ASSUMED) == pytest.approx(1)


def test_misses_compare_slices_of_one_series_alone() -> None:
    true, found = Keypoints.none(1), Keypoints.none(1)
    true.set(0, 0, 20, 5, (1, 1))
    found.set(0, 0, 20, 7, (1, 1))
    true.set(0, 1, 20, 5, (1, 1))  # not found
    found.set(0, 2, 20, 5, (1, 1))  # not marked
    true.set(0, 15, 10, 5, (1, 1))
    found.set(0, 15, 11, 9, (1, 1))  # on another series
    true.set(0, 10, 30, 8, (1, 1))
    found.set(0, 10, 30, 8, (1, 1))
    assert slice_errors.misses(true, found) == {"canal": [2], "foramina": [0], "recesses": []}


def test_drawn_shifts_follow_their_frequencies() -> None:
    drawn = slice_errors.draw([0.1, 0.2, 0.4, 0.2, 0.1], 20_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn + 2) / 20_000, [0.1, 0.2, 0.4, 0.2, 0.1], atol=0.01)
