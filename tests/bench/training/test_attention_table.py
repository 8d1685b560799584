from __future__ import annotations

import numpy as np
import pytest

from bench.targets import TARGETS, row_id
from bench.training.attention_table import SliceAttention, attention_table
from bench.training.crops import BLANK


def test_weights_of_all_that_was_shown_sum_to_one_per_target(study) -> None:
    sagittal, axial = SliceAttention.empty(1, 3), SliceAttention.empty(1, 2)
    rows = np.array([0])
    sagittal.set(rows, [2], np.array([20]), np.array([[0, 0, 1]]), np.array([[0.2, 0.3, 0.5]]))
    axial.set(rows, [2, 15], np.array([[10, 10], [10, BLANK]]), np.array([[4, 5], [6, 0]]), np.full((2, 2), 0.5))
    table = attention_table([study], [sagittal, axial])
    canal = table[table["row_id"] == row_id(1, TARGETS[2])]
    # a slice that was shown twice counts once, with both weights; instance numbers run against anatomical order
    assert canal.values.tolist() == [
        [row_id(1, TARGETS[2]), 10, 37, 0.25],
        [row_id(1, TARGETS[2]), 10, 36, 0.25],
        [row_id(1, TARGETS[2]), 20, 11, 0.25],
        [row_id(1, TARGETS[2]), 20, 10, 0.25],
    ]
    recess = table[table["row_id"] == row_id(1, TARGETS[15])]
    assert recess[["series_id", "instance_number", "weight"]].values.tolist() == [[10, 35, 1.0]]  # a blank is no slice
    assert len(table) == 5


def test_networks_may_be_added_up(study) -> None:
    parts = []
    for weights in ([0.9, 0.1], [0.5, 0.5]):
        one = SliceAttention.empty(1, 2)
        one.set(np.array([0]), [0], np.array([20]), np.array([[3, 4]]), np.array([weights]))
        parts.append(one)
    assert attention_table([study], parts)["weight"].tolist() == pytest.approx([0.7, 0.3])
    assert attention_table([study], []).empty
