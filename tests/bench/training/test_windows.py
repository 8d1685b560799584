from __future__ import annotations

import numpy as np
import pytest

from bench.approaches.mil.severity_config import Windows
from bench.targets import AXIAL_T2, SAGITTAL_T2
from bench.training.windows import (
    WHOLE,
    Window,
    around,
    around_all,
    axis_signs,
    check_extent,
    pixels_per_unit,
    pixels_to_relative,
    relative_to_pixels,
    visible_only,
    whole,
)


def corners(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Source pixels at the output's left top and right bottom edge."""
    return matrix @ [-1, -1, 1], matrix @ [1, 1, 1]


def test_a_whole_slice_reaches_from_edge_to_edge(study) -> None:
    first, last = corners(whole(study.get(20), 0))
    np.testing.assert_allclose(first, [-0.5, -0.5])
    np.testing.assert_allclose(last, [79.5, 99.5])


def test_images_are_turned_to_show_the_back_on_the_right_and_the_head_on_top(series_of) -> None:
    turned = series_of(21, SAGITTAL_T2, directions=((0, -1, 0), (0, 0, 1)))
    first, last = corners(whole(turned, 0))
    np.testing.assert_allclose(first, [79.5, 99.5])
    np.testing.assert_allclose(last, [-0.5, -0.5])
    axial = series_of(11, AXIAL_T2, directions=((-1, 0, 0), (0, 1, 0)))
    np.testing.assert_allclose(corners(whole(axial, 0))[0], [79.5, -0.5])


def test_a_part_of_a_slice_is_counted_from_the_side_that_is_shown_on_the_left(study, series_of) -> None:
    extent = (0.25, 0.75, 0.1, 0.9)  # of 80 columns and 100 rows
    first, last = corners(whole(study.get(20), 0, extent=extent))
    np.testing.assert_allclose([first, last], [[19.5, 9.5], [59.5, 89.5]])
    turned = series_of(21, SAGITTAL_T2, directions=((0, -1, 0), (0, 0, 1)))
    first, last = corners(whole(turned, 0, extent=(0.0, 0.5, 0.0, 0.25)))
    np.testing.assert_allclose([first, last], [[79.5, 99.5], [39.5, 74.5]])
    first, last = corners(whole(study.get(20), 0, extent=(0.0, 0.5, 0.0, 1.0), flip=True))
    np.testing.assert_allclose([first, last], [[39.5, -0.5], [-0.5, 99.5]])


@pytest.mark.parametrize("extent", [(0.5, 0.5, 0.0, 1.0), (0.0, 1.2, 0.0, 1.0), (0.0, 1.0, 0.9, 0.1)])
def test_an_extent_that_shows_nothing_or_leaves_the_slice_is_refused(extent) -> None:
    check_extent(WHOLE)
    with pytest.raises(ValueError, match="left < right and top < bottom"):
        check_extent(extent)


def test_points_outside_the_image_are_unknown() -> None:
    seen = visible_only(np.array([[0.0, 1.0], [0.5, 1.01], [-0.01, 0.5], [np.nan, 0.5]]))
    np.testing.assert_array_equal(np.isnan(seen).any(axis=1), [False, True, True, True])
    np.testing.assert_array_equal(seen[0], [0.0, 1.0])


def test_relative_coordinates_and_pixels_are_inverses(study) -> None:
    matrix = whole(study.get(20), 0, flip=True)
    relative = np.array([[0.25, 0.5], [1.0, 0.0]])
    pixels = relative_to_pixels(matrix, relative)
    np.testing.assert_allclose(pixels, [[59.5, 49.5], [-0.5, -0.5]])
    np.testing.assert_allclose(pixels_to_relative(matrix[None], pixels[None])[0], relative)


def test_the_write_up_s_canal_window_in_the_512_frame(series_of) -> None:
    series = series_of(20, SAGITTAL_T2, shape=(256, 512))  # a pixel of the frame is 1 column and half a row
    window = Windows().canal_sagittal
    first, last = corners(around(series, 0, np.array([200.0, 100.0]), window, level=0, left=False, flip=False))
    np.testing.assert_allclose(first, [200 - 96, 100 - 20])
    np.testing.assert_allclose(last, [200 + 32, 100 + 20])
    first, last = corners(around(series, 0, np.array([200.0, 100.0]), window, level=4, left=False, flip=False))
    np.testing.assert_allclose([first[1], last[1]], [100 - 20 + 10, 100 + 20 + 10])  # L5/S1: 20 of the frame lower


@pytest.mark.parametrize(("left", "expected"), [(False, (300 - 144, 300 + 48)), (True, (300 - 48, 300 + 144))])
def test_axial_windows_reach_outward_on_either_side(series_of, left, expected) -> None:
    series = series_of(10, AXIAL_T2, shape=(512, 512))
    first, last = corners(
        around(series, 0, np.array([300.0, 300.0]), Windows().side_axial, level=2, left=left, flip=False)
    )
    np.testing.assert_allclose([first[0], last[0]], expected)


def test_a_flipped_right_side_window_shows_what_a_left_one_shows_of_a_mirrored_patient(series_of) -> None:
    series = series_of(10, AXIAL_T2, shape=(100, 100))
    window = Window(reach=(30, 10, 20, 20), unit="mm", size=(10, 10), inward=3)
    point = np.array([35.0, 50.0])
    mirrored = np.array([99 - 35.0, 50.0])
    right = around(series, 0, point, window, level=0, left=False, flip=True)
    left = around(series, 0, mirrored, window, level=0, left=True, flip=False)
    np.testing.assert_allclose(99 - right[0, 2], left[0, 2])
    np.testing.assert_allclose(-right[0, 0], left[0, 0])
    np.testing.assert_allclose(right[1], left[1])


def test_millimetre_windows_follow_the_spacing(series_of) -> None:
    window = Window(reach=(30, 10, 20, 20), unit="mm", size=(10, 10))
    for spacing in (0.5, 2.0):
        series = series_of(20, SAGITTAL_T2, spacing=spacing)
        first, last = corners(around(series, 0, np.array([40.0, 40.0]), window, level=0, left=False, flip=False))
        np.testing.assert_allclose((last - first) * spacing, [40, 40])


def test_windows_in_pixels_are_the_slice_s_own(series_of) -> None:
    window = Window(reach=(30, 10, 20, 25), unit="px", size=(10, 10))
    series = series_of(20, SAGITTAL_T2, spacing=0.7, shape=(300, 200))
    first, last = corners(around(series, 0, np.array([40.0, 50.0]), window))
    np.testing.assert_allclose([first, last], [[10, 30], [50, 75]])


def test_the_canal_s_axial_window_moves_inward(series_of) -> None:
    series = series_of(10, AXIAL_T2, shape=(512, 512))
    window = Windows().canal_axial
    right = around(series, 0, np.array([200.0, 300.0]), window, level=0, left=False, flip=False)
    left = around(series, 0, np.array([300.0, 300.0]), window, level=0, left=True, flip=False)
    assert right[0, 2] == 220
    assert left[0, 2] == 280


@pytest.mark.parametrize("kind", [AXIAL_T2, SAGITTAL_T2])
def test_many_windows_at_once_are_those_of_one_after_the_other(series_of, kind) -> None:
    series = series_of(
        1, kind, shape=(100, 80), spacing=0.7, directions=((-1, 0, 0), (0, 1, 0)) if kind == AXIAL_T2 else None
    )
    window = Window(reach=(30, 18, 20, 25), unit="mm", size=(48, 48), inward=7.0, lower=5.0)
    random = np.random.default_rng(0)
    count = 20
    pixels, levels = random.uniform(0, 80, size=(count, 2)), random.integers(5, size=count)
    left, flip = random.random((2, count)) < 0.5
    signs, units = np.tile(axis_signs(series, 3), (count, 1)), np.tile(pixels_per_unit(series, 3, "mm"), (count, 1))
    found = around_all(pixels, signs, units, window, axial=kind == AXIAL_T2, levels=levels, left=left, flip=flip)
    for row in range(count):
        level, side, turn = int(levels[row]), bool(left[row]), bool(flip[row])
        one = around(series, 3, pixels[row], window, level=level, left=side, flip=turn)
        if kind != AXIAL_T2 and side:  # `inward` is for axial images
            one = around(series, 3, pixels[row], window, level=level, flip=turn)
        np.testing.assert_allclose(found[row], one, atol=1e-9)
