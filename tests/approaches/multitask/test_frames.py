from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.approaches.multitask.frames import FrameConfig, Frames, axial_extent, spine_column
from bench.data.keypoints import Keypoints
from bench.targets import AXIAL_T2, SAGITTAL_T2, indices
from bench.training.windows import WHOLE, pixels_to_relative, relative_to_pixels
from tests.conftest import make_series

SAGITTAL_WAYS = [((0, 1, 0), (0, 0, -1)), ((0, -1, 0), (0, 0, -1)), ((0, 1, 0), (0, 0, 1)), ((0, -1, 0), (0, 0, 1))]


def spine(height: int = 96, width: int = 96, column: int = 60) -> np.ndarray:
    """A slice with a ladder of horizontal bands around one column of pixels, and weak vertical ones elsewhere."""
    image = np.zeros((3, height, width), np.float32)
    image[:, :, ::12] = 0.2
    image[:, ::8, column - 6 : column + 6] = 1.0
    return image


@pytest.mark.parametrize("column", [40, 48, 60])
def test_the_spine_column_is_found_where_horizontal_edges_lie(column: int) -> None:
    assert spine_column(spine(column=column), 300.0) == pytest.approx((column + 0.5) / 96, abs=0.03)


def test_a_blank_series_is_shown_around_its_middle() -> None:
    assert spine_column(np.zeros((3, 96, 96), np.float32), 300.0) == 0.5


@pytest.mark.parametrize("directions", SAGITTAL_WAYS)
def test_a_sagittal_frame_follows_the_column_whichever_way_the_file_runs(context_of, directions) -> None:
    series = make_series(1, SAGITTAL_T2, shape=(96, 96), directions=directions)
    image = (spine(column=60) * 1000).astype(np.uint16)
    shown = image[:, :, :: int(directions[0][1])][:, :: -int(directions[1][2])]
    frames = Frames(FrameConfig(), WHOLE, context_of({1: np.repeat(shown[:1], 11, axis=0)}).volumes)
    left, right, _, _ = frames.extent(series)
    assert left == pytest.approx(60.5 / 96 - 50 / 192, abs=0.03)
    assert right == pytest.approx(min(1, 60.5 / 96 + 65 / 192), abs=0.03)


@given(
    way=st.sampled_from(SAGITTAL_WAYS),
    size=st.tuples(st.integers(40, 700), st.integers(40, 700)),
    spacing=st.floats(0.3, 2),
    column=st.floats(0.2, 0.8),
    flip=st.booleans(),
    axial=st.booleans(),
    points=st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)), min_size=1, max_size=10),
)
def test_points_are_carried_into_the_frame_and_back_exactly(way, size, spacing, column, flip, axial, points) -> None:
    kind = AXIAL_T2 if axial else SAGITTAL_T2
    series = make_series(1, kind, shape=size, spacing=spacing, directions=None if axial else way)
    frames = Frames(FrameConfig(), (0.3, 0.7, 0.2, 0.8), None)  # type: ignore[arg-type]
    width_mm = size[1] * spacing
    frames._extents[1] = max(0.0, column - 50 / width_mm), min(1.0, column + 65 / width_mm), 0.04, 0.96
    pixels = (np.array(points) + 0.5) * [size[1], size[0]] - 0.5
    matrix = frames.matrix(series, 4, flip=flip)
    back = relative_to_pixels(matrix, pixels_to_relative(matrix[None], pixels[None])[0])
    np.testing.assert_allclose(back, pixels, atol=1e-6)


def test_the_axial_region_holds_all_recesses_of_the_training_studies_and_a_margin(three) -> None:
    keypoints = Keypoints.none(2)
    left, right = indices("subarticular", "left")[0], indices("subarticular", "right")[3]
    keypoints.set(0, left, 30, 5, (49.5, 59.5))  # of 80 x 100 pixels
    keypoints.set(1, right, 30, 2, (29.5, 39.5))
    extent = axial_extent([three, three], keypoints, 0.05)
    np.testing.assert_allclose(extent, (30 / 80 - 0.05, 50 / 80 + 0.05, 0.4 - 0.05, 0.6 + 0.05))


def test_without_any_recess_axial_slices_are_shown_whole(three) -> None:
    assert axial_extent([three], Keypoints.none(1), 0.05) == WHOLE


def test_cropping_can_be_left_out(three, context_of) -> None:
    frames = Frames(FrameConfig(crop=False), (0.3, 0.7, 0.2, 0.8), context_of({}).volumes)
    assert all(frames.extent(series) == WHOLE for series in three.series)
