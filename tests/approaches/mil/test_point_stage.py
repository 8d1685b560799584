"""Stages 1b and 1c: which slices a network is shown."""

from __future__ import annotations

import numpy as np
import pytest

from bench.approaches.mil.point_stage import sagittal_slides, sides, slide_crops
from bench.approaches.mil.slice_stage import tasks
from bench.data.keypoints import Keypoints


def test_the_neighbours_of_a_slice_run_in_its_own_order_and_repeat_at_the_ends(study) -> None:
    series = [study.get(30)] * 4
    matrices = np.zeros((4, 2, 3))
    crops = slide_crops(series, [5, 5, 0, 10], matrices, 1, [False, True, True, False])
    assert crops.slices.tolist() == [[4, 5, 6], [6, 5, 4], [1, 0, 0], [9, 10, 10]]


@pytest.mark.parametrize(("mirror", "reversed_sides"), [(True, {"left"}), (False, set())])
def test_mirrored_a_left_foramen_is_shown_as_a_right_one(study, mirror: bool, reversed_sides: set[str]) -> None:
    foramina = tasks(mirror)[1]
    marks = Keypoints.none(1)
    marks.set(0, 7, 30, 8, (41, 51))  # left
    marks.set(0, 12, 30, 2, (42, 52))  # right
    heads = [0, 0] if mirror else [0, 5]
    slides = sagittal_slides([study], marks, foramina, heads)
    named = {("left" if slide.candidates.tolist() == [8] else "right"): slide for slide in slides}
    assert {name for name, slide in named.items() if slide.reverse} == reversed_sides
    assert {targets for side in sides(foramina) for targets in side.targets} == set(range(5, 15))
    assert all(not side.reverse for side in sides(tasks(mirror)[0]))
