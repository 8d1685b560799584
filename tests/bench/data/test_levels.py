from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.data.keypoints import Keypoints
from bench.data.levels import axial_slices, level_positions
from bench.targets import AXIAL_T2, LEVELS, indices

CANAL, LEFT, RIGHT = indices("spinal"), indices("foraminal", "left"), indices("foraminal", "right")


@pytest.fixture
def keypoints() -> Keypoints:
    """L1/L2 by its canal, L2/L3 by both foramina, L3/L4 by the right one; nothing of the others."""
    points = Keypoints.none(1)
    points.set(0, CANAL[0], 20, 5, (39.5, 19.5))  # z = 60
    points.set(0, LEFT[0], 30, 8, (39.5, 90.0))  # not asked, since the canal is known
    points.set(0, LEFT[1], 30, 8, (39.5, 34.5))  # z = 30
    points.set(0, RIGHT[1], 30, 2, (39.5, 44.5))  # z = 10
    points.set(0, RIGHT[2], 30, 2, (39.5, 49.5))  # z = 0
    return points


def test_a_level_lies_at_its_canal_point_else_between_its_foramina(study, keypoints) -> None:
    positions = level_positions([study], keypoints)[0]
    np.testing.assert_allclose(positions[:3], [[0, 0, 60], [0, 0, 20], [-12, 0, 0]], atol=1e-9)
    assert np.isnan(positions[3:]).all()


def test_the_nearest_axial_slice_is_taken_and_what_is_assumed_is_noted(study, keypoints) -> None:
    notes: list[str] = []
    (chosen,) = axial_slices([study], keypoints, lambda _, text: notes.append(text))
    places = [None if one is None else (one.series.series_id, one.slice_index) for one in chosen]
    assert places == [(10, 5), (10, 15), (10, 20), None, None]  # 41 slices from z = 80 down to -80
    assert [text.split(":")[0] for text in notes] == [
        "axial slice of l2_l3 chosen by the foramina, for want of a canal point",
        "axial slice of l3_l4 chosen by the foramina, for want of a canal point",
        "no sagittal point of l4_l5",
        "no sagittal point of l5_s1",
    ]


def test_a_far_slice_is_noted_and_without_an_axial_series_there_is_none(study, series_of, keypoints) -> None:
    notes: list[str] = []
    low = replace(study, series=(*study.series[1:], series_of(10, AXIAL_T2, count=3, position=(0.0, 0.0, 48.0))))
    (chosen,) = axial_slices([low], keypoints, lambda _, text: notes.append(text))
    assert chosen[0] is not None
    assert chosen[0].distance_mm == pytest.approx(12.0)
    assert notes[0] == f"nearest axial slice to {LEVELS[0]} is 12 mm away"
    notes.clear()
    bare = replace(study, series=study.series[1:])
    assert axial_slices([bare], keypoints, lambda _, text: notes.append(text)) == [[None] * 5]
    assert notes == [f"no {AXIAL_T2}: no axial slice of any level"]
