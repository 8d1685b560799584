from __future__ import annotations

import numpy as np
import pytest

from bench.approaches.sequence.spine_column import spine_extent


def sagittal(spine: slice, width: int = 200) -> np.ndarray:
    """Dark air in front, grey muscle, a column of bright vertebrae, very bright fat behind."""
    image = np.full((150, width), 60.0)
    image[:, :20] = 0
    image[:, spine] = 120 + 20 * np.sin(np.arange(spine.stop - spine.start) / 4)
    image[:, -25:] = 255
    return image


@pytest.mark.parametrize("first", [70, 85, 100])
def test_the_column_lies_within_the_part_that_is_shown(first: int) -> None:
    left, right, top, bottom = spine_extent(sagittal(slice(first, first + 40)))
    assert left * 200 <= first + 4
    assert right * 200 >= first + 36
    assert (top, bottom) == (0.1, 0.9)


def test_the_part_is_at_least_a_third_of_the_image_and_half_of_what_is_not_dark() -> None:
    left, right, *_ = spine_extent(sagittal(slice(90, 94)))
    assert right - left >= max(1 / 3, 0.9 / 2) - 1e-6
    assert 0 <= left < right <= 1


@pytest.mark.parametrize("image", [np.zeros((40, 30)), np.full((40, 30), 9.0), np.eye(30)])
def test_odd_images_still_give_a_part(image) -> None:
    left, right, *_ = spine_extent(image)
    assert 0 <= left < right <= 1
    assert right - left >= 1 / 3 - 1e-9
