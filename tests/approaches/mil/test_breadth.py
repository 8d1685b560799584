"""A level's slices are found together: what one network mistakes, the others and the usual distances put right."""

from __future__ import annotations

import numpy as np
import pytest

from bench.approaches.mil.breadth import slices_together, usual_breadths
from bench.approaches.mil.marks import Marks
from bench.imaging.study import Study

# 11 slices 4 mm apart, from the patient's right to the left, the middle one at 0
CANAL, LEFT, RIGHT = 5, 9, 1
USUAL = np.tile([16.0, 3.0], (5, 2, 1))
UNKNOWN = np.full((5, 2, 2), np.nan)


def sure(*places: int) -> np.ndarray:
    """All chances on some slices, the first the likeliest."""
    chances = np.full(11, 1e-6)
    for order, place in enumerate(places):
        chances[place] = 1 / (1 + order)
    return chances / chances.sum()


def chances(canal: np.ndarray, left: np.ndarray, right: np.ndarray) -> dict[int, np.ndarray]:
    return {target: one for first, one in ((0, canal), (5, left), (10, right)) for target in range(first, first + 5)}


def found(study: Study, breadths: np.ndarray, *networks: np.ndarray) -> list[int]:
    slices = slices_together(chances(*networks), study.get(20), study.get(30), breadths)
    assert np.isnan(slices[15:]).all()
    return [int(slices[target]) for target in (2, 7, 12)]


def test_where_all_agree_nothing_changes(study: Study) -> None:
    assert found(study, USUAL, sure(CANAL), sure(LEFT), sure(RIGHT)) == [CANAL, LEFT, RIGHT]


@pytest.mark.parametrize("odd", [0, 1, 2])
@pytest.mark.parametrize("away", [-3, 3])
def test_a_network_that_is_sure_and_wrong_is_put_right_by_the_others(study: Study, odd: int, away: int) -> None:
    right = [CANAL, LEFT, RIGHT]
    places = list(right)
    places[odd] = int(np.clip(right[odd] + away, 0, 10))
    if abs(places[odd] - right[odd]) == 3:
        assert found(study, USUAL, *(sure(place) for place in places)) == right
    assert found(study, UNKNOWN, *(sure(place) for place in places)) == places


def test_a_foramen_that_is_seen_on_both_sides_is_its_own(study: Study) -> None:
    assert found(study, USUAL, sure(CANAL), sure(RIGHT, LEFT), sure(LEFT, RIGHT)) == [CANAL, LEFT, RIGHT]


def test_a_broader_patient_keeps_the_networks_slices(study: Study) -> None:
    assert found(study, USUAL, sure(CANAL), sure(LEFT + 1), sure(RIGHT - 1)) == [CANAL, LEFT + 1, RIGHT - 1]


def test_with_a_series_missing_the_others_stand_alone(study: Study) -> None:
    alone = {target: one for target, one in chances(sure(2), sure(8), sure(3)).items() if target >= 5}
    slices = slices_together(alone, None, study.get(30), USUAL)
    assert np.isnan(slices[:5]).all()
    assert (slices[5:10] == 8).all()
    assert (slices[10:15] == 3).all()
    assert np.isnan(slices_together({}, None, None, USUAL)).all()


def marks(study: Study, places: list[tuple[int, int, int]]) -> tuple[list[Study], Marks]:
    points = Marks.none(len(places))
    for row, slices in enumerate(places):
        for first, at, series in zip((0, 5, 10), slices, (20, 30, 30), strict=True):
            for target in range(first, first + 5):
                points.set(row, target, series, at, (40.0, 50.0))
    return [study] * len(places), points


def test_breadths_are_learnt_from_the_annotators_points(study: Study) -> None:
    breadths = usual_breadths(*marks(study, [(5, 9, 1), (5, 8, 1), (5, 10, 1)]))
    np.testing.assert_allclose(breadths[..., 0], 16.0)
    # off the medians by 0, -4 and 4 mm on the left, by nothing on the right
    np.testing.assert_allclose(breadths[..., 1], np.sqrt(32 / 6))
    np.testing.assert_allclose(usual_breadths(*marks(study, [(5, 9, 1)] * 3))[..., 1], 1.0)  # none to be seen


def test_nothing_is_known_of_a_level_with_fewer_than_three_studies(study: Study) -> None:
    studies, points = marks(study, [(5, 9, 1)] * 3)
    points.slices[0, 7] = -1  # one left foramen of L3/L4 unmarked
    breadths = usual_breadths(studies, points)
    assert np.isnan(breadths[2, 0]).all()
    assert not np.isnan(breadths[2, 1]).any()
    assert not np.isnan(breadths[[0, 1, 3, 4]]).any()
    assert np.isnan(usual_breadths(*marks(study, [(5, 9, 1)] * 2))).all()
