"""A made-up study: regular planes, no pixels beyond a ramp, so that every expected number can be told by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def make_series(
    series_id: int,
    description: str,
    *,
    count: int = 11,
    shape: tuple[int, int] = (100, 80),
    spacing: float = 2.0,
    gap: float = 4.0,
    directions: tuple | None = None,
    position: tuple[float, float, float] | None = None,
) -> Series:
    """Parallel slices around the origin: sagittal ones step to the patient's left, axial ones to the feet."""
    axial = description == AXIAL_T2
    directions = directions or (AXIAL if axial else SAGITTAL)
    step = np.array([0.0, 0.0, -gap]) if axial else np.array([gap, 0.0, 0.0])
    across, down = (np.array(one) for one in directions)
    corner = -(shape[1] - 1) / 2 * spacing * across - (shape[0] - 1) / 2 * spacing * down
    first = corner - (count - 1) / 2 * step if position is None else np.array(position)
    return Series(
        study_id=1,
        series_id=series_id,
        description=description,
        instance_numbers=np.arange(count, 0, -1),
        positions=first + np.arange(count)[:, None] * step,
        orientations=np.tile(np.array(directions), (count, 1, 1)),
        spacings=np.full((count, 2), spacing),
        shapes=np.tile(shape, (count, 1)),
        thickness_mm=gap,
    )


@pytest.fixture
def series_of() -> Callable[..., Series]:
    return make_series


@pytest.fixture
def study() -> Study:
    """Sagittal T2 (20), Sagittal T1 (30) and one axial series (10) with a common centre at the origin."""
    return Study(
        1,
        (
            make_series(10, AXIAL_T2, count=41, shape=(90, 90)),
            make_series(20, SAGITTAL_T2),
            make_series(30, SAGITTAL_T1),
        ),
    )
