"""Canal and foramina of a level are compared in the patient, and the one that strays is moved."""

from __future__ import annotations

import numpy as np
import pytest

from bench.approaches.mil.outlier_check import TRIPLES, correct_outliers, level_offsets
from bench.data.keypoints import Keypoints
from bench.imaging.study import Study

# How canal, left and right foramen of a level lie from their middle in this made-up anatomy: backwards and up, mm.
OFFSETS = np.array([[6.0, -4.0], [-3.0, 2.0], [-3.0, 2.0]])
SLICES = (5, 9, 1)  # of 11, from the patient's right to the left: canal, left and right foramen


def marked(study: Study) -> Keypoints:
    """All sagittal points of one study, the levels 30 mm apart around the centre, all of them where they belong."""
    keypoints = Keypoints.none(1)
    for level, targets in enumerate(TRIPLES):
        for part, target in enumerate(targets):
            series = study.get(20 if part == 0 else 30)
            place = np.array([0.0, OFFSETS[part, 0], 60.0 - 30 * level + OFFSETS[part, 1]])
            pixel = series.plane(SLICES[part]).to_pixel(place)
            keypoints.set(0, int(target), series.series_id, SLICES[part], pixel)
    return keypoints


def known(study: Study) -> np.ndarray:
    """The offsets as learnt from three equal studies."""
    one = marked(study)
    three = Keypoints(np.tile(one.series, (3, 1)), np.tile(one.slices, (3, 1)), np.tile(one.pixels, (3, 1, 1)))
    return level_offsets([study] * 3, three)


def test_offsets_are_learnt_from_the_annotators_points(study: Study) -> None:
    np.testing.assert_allclose(known(study), np.tile(OFFSETS, (5, 1, 1)), atol=1e-9)


def test_nothing_is_known_of_a_level_that_fewer_than_three_studies_have_whole(study: Study) -> None:
    one = marked(study)
    three = Keypoints(np.tile(one.series, (3, 1)), np.tile(one.slices, (3, 1)), np.tile(one.pixels, (3, 1, 1)))
    three.slices[0, 7] = -1  # one left foramen of L3/L4 unmarked
    offsets = level_offsets([study] * 3, three)
    assert np.isnan(offsets[2]).all()
    assert not np.isnan(offsets[[0, 1, 3, 4]]).any()


@pytest.mark.parametrize("target", [0, 7, 14])
def test_a_point_on_the_wrong_level_goes_back_and_stays_on_its_slice(study: Study, target: int) -> None:
    offsets, right, keypoints = known(study), marked(study), marked(study)
    keypoints.pixels[0, target, 1] += 15  # 30 mm down: the next level
    moved = correct_outliers([study], keypoints, offsets, 6.0)
    assert moved == [(0, target)]
    np.testing.assert_allclose(keypoints.pixels, right.pixels, atol=1e-9)
    np.testing.assert_array_equal(keypoints.slices, right.slices)


def test_points_that_stray_less_than_the_limit_stay(study: Study) -> None:
    offsets, keypoints = known(study), marked(study)
    keypoints.pixels[0, 3, 0] += 2.5  # 5 mm
    before = keypoints.pixels.copy()
    assert correct_outliers([study], keypoints, offsets, 6.0) == []
    np.testing.assert_array_equal(keypoints.pixels, before)


def test_three_that_all_disagree_are_left_alone(study: Study) -> None:
    offsets, keypoints = known(study), marked(study)
    keypoints.pixels[0, 2, 1] += 15
    keypoints.pixels[0, 7, 1] -= 15
    before = keypoints.pixels.copy()
    assert correct_outliers([study], keypoints, offsets, 6.0) == []
    np.testing.assert_array_equal(keypoints.pixels, before)


def test_a_level_with_an_unknown_point_or_unknown_offsets_is_left_alone(study: Study) -> None:
    offsets, keypoints = known(study), marked(study)
    keypoints.pixels[0, 0, 1] += 15
    keypoints.slices[0, 5] = -1
    assert correct_outliers([study], keypoints, offsets, 6.0) == []
    keypoints = marked(study)
    keypoints.pixels[0, 0, 1] += 15
    assert correct_outliers([study], keypoints, np.full_like(offsets, np.nan), 6.0) == []
