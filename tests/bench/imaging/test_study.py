from __future__ import annotations

import numpy as np
import pytest

from bench.imaging.study import Study
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2


def test_the_main_series_is_the_longest_and_of_equals_the_first(series_of) -> None:
    study = Study(1, tuple(series_of(number, SAGITTAL_T2, count=count) for number, count in ((1, 9), (2, 15), (3, 15))))
    main = study.main_series(SAGITTAL_T2)
    assert main is not None
    assert main.series_id == 2
    assert study.main_series(AXIAL_T2) is None


def test_slices_near_a_point_come_from_all_series_the_nearest_first(series_of) -> None:
    # slices at z = 8, 4, 0, -4, -8 and at z = 1
    study = Study(1, (series_of(1, AXIAL_T2, count=5), series_of(2, AXIAL_T2, count=1, position=(0.0, 0.0, 1.0))))
    near = study.slices_within((0.0, 0.0, 0.4), AXIAL_T2, 4.0)
    assert [(one.series.series_id, one.slice_index) for one in near] == [(1, 2), (2, 0), (1, 1)]
    assert [one.distance_mm for one in near] == pytest.approx([0.4, 0.6, 3.6])
    assert study.nearest_slice((0.0, 0.0, 0.4), AXIAL_T2) == near[0]
    assert study.slices_within((0.0, 0.0, 0.4), SAGITTAL_T1, 4.0) == []
    assert study.slices_within(np.array([0.0, 0.0, 50.0]), AXIAL_T2, 4.0) == []
