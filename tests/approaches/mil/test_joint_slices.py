"""A level's slices are found jointly: what one network mistakes, the others and the usual distances correct."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.approaches.mil.joint_slices import joint_slices, lateral_distances
from bench.data.keypoints import Keypoints
from bench.imaging.study import Series, Study
from bench.targets import SAGITTAL_T1, SAGITTAL_T2, indices

SPINAL, LEFT_FORAMINA, RIGHT_FORAMINA = indices("spinal"), indices("foraminal", "left"), indices("foraminal", "right")
# 11 slices 4 mm apart, from the patient's right to the left, the middle one at 0
CANAL, LEFT, RIGHT = 5, 9, 1
USUAL = np.tile([16.0, 3.0], (5, 2, 1))
UNKNOWN = np.full((5, 2, 2), np.nan)


def sure(*places: int) -> np.ndarray:
    """All probabilities on some slices, the first the likeliest."""
    probabilities = np.full(11, 1e-6)
    for order, place in enumerate(places):
        probabilities[place] = 1 / (1 + order)
    return probabilities / probabilities.sum()


def probabilities(canal: np.ndarray, left: np.ndarray, right: np.ndarray) -> dict[int, np.ndarray]:
    groups = ((SPINAL, canal), (LEFT_FORAMINA, left), (RIGHT_FORAMINA, right))
    return {target: one for targets, one in groups for target in targets}


def found(study: Study, distances: np.ndarray, *networks: np.ndarray) -> list[int]:
    slices = joint_slices(probabilities(*networks), study.get(20), study.get(30), distances)
    assert np.isnan(slices[15:]).all()
    return [int(slices[target]) for target in (2, 7, 12)]


def test_where_all_agree_nothing_changes(study: Study) -> None:
    assert found(study, USUAL, sure(CANAL), sure(LEFT), sure(RIGHT)) == [CANAL, LEFT, RIGHT]


@pytest.mark.parametrize(("odd", "away"), [(0, -3), (0, 3), (1, -3), (2, 3)])
def test_a_network_that_is_sure_and_wrong_is_put_right_by_the_others(study: Study, odd: int, away: int) -> None:
    right = [CANAL, LEFT, RIGHT]
    places = list(right)
    places[odd] += away
    assert found(study, USUAL, *(sure(place) for place in places)) == right
    assert found(study, UNKNOWN, *(sure(place) for place in places)) == places


def test_every_level_and_side_has_its_own_distance_and_every_series_its_own_slices(series_of) -> None:
    canal = series_of(20, SAGITTAL_T2, count=9, gap=4.0)  # x = -16 to 16
    foramina = series_of(30, SAGITTAL_T1, count=20, gap=3.0, position=(-30.0, 0.0, 0.0))  # x = -30 to 27
    distances = np.stack(
        [[[12.0 + 3 * level, 2.0], [15.0 + 3 * level, 2.0]] for level in range(5)]
    )  # canal at 0: left foramen at 12 to 24, right one at -15 to -27
    unsure = np.full(20, 1 / 20)
    slices = joint_slices(probabilities(np.eye(9)[4], unsure, unsure), canal, foramina, distances)
    assert slices[:15].tolist() == [4] * 5 + [14, 15, 16, 17, 18] + [5, 4, 3, 2, 1]
    # and the other way round: the canal where two sure foramina put it
    sure_ones = {target: np.eye(20)[14 + level] for level, target in enumerate(LEFT_FORAMINA)} | {
        target: np.eye(20)[5 - level] for level, target in enumerate(RIGHT_FORAMINA)
    }
    from_foramina = joint_slices(dict.fromkeys(SPINAL, np.full(9, 1 / 9)) | sure_ones, canal, foramina, distances)
    assert from_foramina[:5].tolist() == [4] * 5


def test_a_series_that_ends_before_a_foramen_says_nothing_of_the_canal(series_of) -> None:
    canal = series_of(20, SAGITTAL_T2, count=15)  # x = -28 to 28
    right_half = series_of(30, SAGITTAL_T1, count=8, position=(-28.0, 0.0, 0.0))  # to 0
    sure_canal, edge, right = np.eye(15)[7], np.eye(8)[7], np.eye(8)[3]
    slices = joint_slices(probabilities(sure_canal, edge, right), canal, right_half, USUAL)
    assert (slices[:5] == 7).all()
    assert (slices[10:15] == 3).all()
    one = series_of(30, SAGITTAL_T1, count=1, position=(16.0, 0.0, 0.0))
    assert (joint_slices(probabilities(sure_canal, np.ones(1), np.ones(1)), canal, one, USUAL)[:5] == 7).all()


@pytest.mark.parametrize("shift", [-30.0, 0.0, 30.0])
def test_oblique_slices_are_compared_on_one_line_through_the_patient(series_of, shift: float) -> None:
    """Sagittal slices turned by 12 degrees, the T1 images' centre before or behind that of the T2 ones."""
    angle = np.radians(12)
    along, normal = np.array([np.sin(angle), np.cos(angle), 0.0]), np.array([np.cos(angle), -np.sin(angle), 0.0])
    directions = (tuple(along), (0.0, 0.0, -1.0))

    def turned(number: int, description: str, moved: float) -> Series:
        series = series_of(number, description, directions=directions)
        corner = (moved - 79.0) * along + np.array([0.0, 0.0, 99.0])
        return replace(series, positions=corner + np.arange(-5, 6)[:, None] * 4.0 * normal)

    canal, foramina = turned(20, SAGITTAL_T2, 0.0), turned(30, SAGITTAL_T1, shift)
    unsure = np.full(11, 1 / 11)
    usual = np.tile([4 * 4.0 / np.cos(angle), 1.0], (5, 2, 1))  # four slices, measured along x
    slices = joint_slices(probabilities(np.eye(11)[5], unsure, unsure), canal, foramina, usual)
    assert (slices[5:10] == 9).all()
    assert (slices[10:15] == 1).all()


def test_slices_that_are_not_sagittal_at_all_are_found_alone(series_of) -> None:
    coronal = series_of(30, SAGITTAL_T1, directions=((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)))
    slices = joint_slices(probabilities(sure(2), sure(9), sure(9)), series_of(20, SAGITTAL_T2), coronal, USUAL)
    assert slices[[0, 5, 10]].tolist() == [2, 9, 9]


def test_a_foramen_that_is_seen_on_both_sides_is_its_own(study: Study) -> None:
    assert found(study, USUAL, sure(CANAL), sure(RIGHT, LEFT), sure(LEFT, RIGHT)) == [CANAL, LEFT, RIGHT]


def test_a_broader_patient_keeps_the_networks_slices(study: Study) -> None:
    assert found(study, USUAL, sure(CANAL), sure(LEFT + 1), sure(RIGHT - 1)) == [CANAL, LEFT + 1, RIGHT - 1]


def test_with_a_series_missing_the_others_stand_alone(study: Study) -> None:
    alone = {target: one for target, one in probabilities(sure(2), sure(8), sure(3)).items() if target >= 5}
    slices = joint_slices(alone, None, study.get(30), USUAL)
    assert np.isnan(slices[:5]).all()
    assert (slices[5:10] == 8).all()
    assert (slices[10:15] == 3).all()
    assert np.isnan(joint_slices({}, None, None, USUAL)).all()


def marked(study: Study, places: list[tuple[int, int, int]]) -> tuple[list[Study], Keypoints]:
    points = Keypoints.none(len(places))
    for row, slices in enumerate(places):
        for targets, at, series in zip((SPINAL, LEFT_FORAMINA, RIGHT_FORAMINA), slices, (20, 30, 30), strict=True):
            for target in targets:
                points.set(row, target, series, at, (40.0, 50.0))
    return [study] * len(places), points


def test_distances_are_learnt_from_the_annotators_points(study: Study) -> None:
    distances = lateral_distances(*marked(study, [(5, 9, 1), (5, 8, 1), (5, 10, 1)]))
    np.testing.assert_allclose(distances[..., 0], 16.0)
    # off the medians by 0, -4 and 4 mm on the left, by nothing on the right
    np.testing.assert_allclose(distances[..., 1], np.sqrt(32 / 6))
    np.testing.assert_allclose(lateral_distances(*marked(study, [(5, 9, 1)] * 3))[..., 1], 1.0)  # none to be seen


def test_nothing_is_known_of_a_level_with_fewer_than_three_studies(study: Study) -> None:
    studies, points = marked(study, [(5, 9, 1)] * 3)
    points.slices[0, 7] = -1  # one left foramen of L3/L4 unmarked
    distances = lateral_distances(studies, points)
    assert np.isnan(distances[2, 0]).all()
    assert not np.isnan(distances[2, 1]).any()
    assert not np.isnan(distances[[0, 1, 3, 4]]).any()
    assert np.isnan(lateral_distances(*marked(study, [(5, 9, 1)] * 2))).all()
