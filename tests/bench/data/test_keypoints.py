from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from bench.data.cohort import Cohort
from bench.data.keypoints import Keypoints, read_keypoints
from bench.targets import POINT_COLUMNS, TARGET_INDEX

CANAL, LEFT = "Spinal Canal Stenosis", "Left Neural Foraminal Narrowing"


def read(study, *rows: tuple) -> tuple[Keypoints, list[str]]:
    notes: list[str] = []
    points = pd.DataFrame([(1, *row) for row in rows], columns=list(POINT_COLUMNS))
    return read_keypoints(Cohort((study,), points=points), lambda _, text: notes.append(text)), notes


def test_a_point_is_found_by_instance_number_in_anatomical_order(study) -> None:
    keypoints, notes = read(study, (20, 11, CANAL, "L4/L5", 12.5, 30.0))
    target = TARGET_INDEX["spinal_canal_stenosis_l4_l5"]
    assert keypoints.slices[0, target] == 0  # instances run the other way
    assert keypoints.known.sum() == 1
    np.testing.assert_array_equal(keypoints.pixels[0, target], [12.5, 30.0])
    assert notes == []


def test_points_survive_the_way_to_a_table_and_back(study) -> None:
    rows = [(20, 3, CANAL, "L1/L2", 1.0, 2.0), (30, 9, LEFT, "L5/S1", 3.0, 4.5)]
    keypoints, _ = read(study, *rows)
    assert list(keypoints.table([study]).itertuples(index=False, name=None)) == [(1, *row) for row in rows]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((99, 1, CANAL, "L1/L2", 1.0, 1.0), "no series 99"),
        ((20, 40, CANAL, "L1/L2", 1.0, 1.0), "no slice with instance number 40"),
        ((30, 1, CANAL, "L1/L2", 1.0, 1.0), "is Sagittal T1, not Sagittal T2/STIR"),
        ((20, 1, CANAL, "L1/L2", 80.0, 1.0), r"\(80.0, 1.0\) lies outside the 80 x 100 image"),
        ((20, 1, CANAL, "L1/L2", 1.0, -3.0), "lies outside"),
        ((20, 1, CANAL, "L1/L2", float("nan"), 1.0), "lies outside"),
    ],
)
def test_a_point_that_cannot_be_used_is_left_out_and_noted(study, row, why) -> None:
    keypoints, notes = read(study, row)
    assert not keypoints.known.any()
    assert len(notes) == 1
    assert re.search(why, notes[0])
    assert "spinal_canal_stenosis_l1_l2" in notes[0]


def test_the_world_of_a_point(study) -> None:
    keypoints, _ = read(study, (20, 6, CANAL, "L1/L2", 39.5, 49.5))
    np.testing.assert_allclose(keypoints.world([study])[0, 0], [0, 0, 0], atol=1e-9)


def test_true_points_come_before_located_ones() -> None:
    true, located = Keypoints.none(1), Keypoints.none(1)
    true.set(0, 0, 20, 1, (1, 1))
    located.set(0, 0, 20, 2, (2, 2))
    located.set(0, 1, 20, 3, (3, 3))
    both = true.completed_by(located)
    assert both.slices[0, :3].tolist() == [1, 3, -1]
    np.testing.assert_array_equal(both.pixels[0, :2], [[1, 1], [3, 3]])
