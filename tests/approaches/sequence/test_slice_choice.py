from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.approaches.sequence.scan_config import Scan
from bench.approaches.sequence.slice_choice import axial_slices, choose_slices, evenly_spaced, slice_centre
from bench.imaging.study import Study
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2


@pytest.mark.parametrize("count", range(1, 60))
def test_ten_slices_are_those_of_the_published_rule(count: int) -> None:
    step = count / 10
    published = [max(0, int(count / 2 - 4 * step + k * step - 0.50001)) for k in range(10)]
    assert evenly_spaced(count, 10, "published").tolist() == (list(range(count)) if count <= 10 else published)


@pytest.mark.parametrize(("count", "wanted"), [(40, 32), (33, 32), (19, 7), (15, 14)])
@pytest.mark.parametrize("spacing", ["published", "centred"])
def test_other_numbers_are_spread_without_doubles(count: int, wanted: int, spacing) -> None:
    places = evenly_spaced(count, wanted, spacing)
    assert len(set(places.tolist())) == wanted
    assert 0 <= places.min() <= count / wanted
    assert count - 1 - count / wanted <= places.max() < count


def test_centred_slices_leave_out_as_much_at_either_end() -> None:
    assert evenly_spaced(20, 5, "centred").tolist() == [2, 6, 10, 14, 18]
    for count in range(8, 60):
        places = evenly_spaced(count, 7, "centred")
        assert abs(places[0] - (count - 1 - places[-1])) <= 1


def test_axial_slices_of_all_series_run_from_head_to_foot_without_near_duplicates(series_of) -> None:
    upper = series_of(1, AXIAL_T2, count=5, gap=4.0, position=(0.0, 0.0, 40.0))
    lower = series_of(2, AXIAL_T2, count=5, gap=4.0, position=(0.0, 0.0, 25.0))  # overlaps by 1 mm
    slices = axial_slices(Study(1, (lower, upper)))
    heights = [slice_centre(*one)[2] for one in slices]
    assert (np.diff(heights) <= -2.0).all()  # half of 4 mm
    assert [one.series_id for one, _ in slices].count(1) == 4
    assert len(slices) == 9  # 24 lies 1 mm below 25: left out


def test_slices_far_from_the_middle_are_left_out(series_of) -> None:
    study = Study(1, (series_of(1, SAGITTAL_T2, count=11, gap=4.0),))
    chosen = choose_slices(study, SAGITTAL_T2, Scan(slices=10, within_mm=9.0))
    assert [index for _, index in chosen] == [3, 4, 5, 6, 7]


def test_one_slice_and_none(series_of) -> None:
    study = Study(1, (series_of(1, SAGITTAL_T2, count=1),))
    assert len(choose_slices(study, SAGITTAL_T2, Scan(within_mm=9.0))) == 1
    assert choose_slices(study, SAGITTAL_T1, Scan()) == []
    assert choose_slices(study, AXIAL_T2, Scan()) == []


def test_the_series_with_most_slices_is_taken(series_of) -> None:
    study = Study(1, (series_of(1, SAGITTAL_T1, count=3), series_of(2, SAGITTAL_T1, count=9)))
    assert {one.series_id for one, _ in choose_slices(study, SAGITTAL_T1, Scan())} == {2}


def test_unknown_thickness_drops_only_slices_at_one_place(series_of) -> None:
    one = replace(series_of(1, AXIAL_T2, count=4, gap=0.5), thickness_mm=float("nan"))
    assert len(axial_slices(Study(1, (one,)))) == 4
