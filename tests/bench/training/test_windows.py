from __future__ import annotations

import numpy as np
import pytest

from bench.approaches.mil.config import DepthNetwork, Window, Windows
from bench.imaging.study import Study
from bench.targets import AXIAL_T2, SAGITTAL_T2
from bench.training.windows import around, main_series, pixels_to_shares, shares_to_pixels, whole


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


def test_an_extent_that_shows_nothing_is_refused() -> None:
    schedule = {"epochs": 1, "batch_size": 1, "learning_rate": 1e-3}
    for extent in ([0.5, 0.5, 0.0, 1.0], [0.0, 1.2, 0.0, 1.0], [0.0, 1.0, 0.9, 0.1]):
        with pytest.raises(ValueError, match="left < right and top < bottom"):
            DepthNetwork(extent=extent, schedule=schedule)
    with pytest.raises(ValueError, match="leave extent out"):
        DepthNetwork(extent=[0.2, 0.8, 0.0, 1.0], predicts="point", schedule=schedule)


def test_shares_and_pixels_are_inverses(study) -> None:
    matrix = whole(study.get(20), 0, flip=True)
    shares = np.array([[0.25, 0.5], [1.0, 0.0]])
    pixels = shares_to_pixels(matrix, shares)
    np.testing.assert_allclose(pixels, [[59.5, 49.5], [-0.5, -0.5]])
    np.testing.assert_allclose(pixels_to_shares(matrix[None], pixels[None])[0], shares)


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


def test_the_canal_s_axial_window_moves_inward(series_of) -> None:
    series = series_of(10, AXIAL_T2, shape=(512, 512))
    window = Windows().canal_axial
    right = around(series, 0, np.array([200.0, 300.0]), window, level=0, left=False, flip=False)
    left = around(series, 0, np.array([300.0, 300.0]), window, level=0, left=True, flip=False)
    assert right[0, 2] == 220
    assert left[0, 2] == 280


def test_the_longest_series_of_a_kind_is_looked_at(series_of) -> None:
    study = Study(1, tuple(series_of(number, SAGITTAL_T2, count=count) for number, count in ((1, 9), (2, 15), (3, 15))))
    assert main_series(study, SAGITTAL_T2).series_id == 2
    assert main_series(study, AXIAL_T2) is None
