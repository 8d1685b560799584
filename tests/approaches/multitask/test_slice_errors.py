from __future__ import annotations

import numpy as np

from bench.approaches.multitask.slice_errors import slice_errors
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2


def test_far_errors_count_as_two_and_frequencies_sum_to_one() -> None:
    found = slice_errors({SAGITTAL_T2: {-3: 0.1, -2: 0.1, 0: 0.5, 1: 0.3}, AXIAL_T2: {0: 1.0}})
    values, chances = found[SAGITTAL_T2]
    np.testing.assert_array_equal(values, [-2, -1, 0, 1, 2])
    np.testing.assert_allclose(chances, [0.2, 0, 0.5, 0.3, 0])
    np.testing.assert_allclose(found[AXIAL_T2][1], [0, 0, 1, 0, 0])


def test_a_kind_without_any_measured_error_is_absent() -> None:
    assert slice_errors({SAGITTAL_T1: {}}) == {}
