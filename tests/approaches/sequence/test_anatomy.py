from __future__ import annotations

import numpy as np
import torch

from bench.approaches.sequence.anatomy import USUAL, measure
from bench.targets import indices


def points_of(studies: int = 6) -> np.ndarray:
    points = np.full((studies, 25, 3), np.nan)
    heights = np.array([50.0, 20, -10, -40, -70])
    for study in range(studies):
        shift = (study - (studies - 1) / 2) * np.array([1.0, 4, 8])
        canal = np.stack([np.zeros(5), np.full(5, 20.0), heights], axis=1) + shift
        points[study, list(indices("spinal"))] = canal
        for condition, offset in (("foraminal", (17, -5, 9)), ("subarticular", (10, -4, 1))):
            for side, sign in (("left", 1), ("right", -1)):
                points[study, list(indices(condition, side))] = canal + np.array(offset) * [sign, 1, 1]
    return points


def test_places_and_offsets_are_those_of_the_points() -> None:
    anatomy = measure(points_of())
    np.testing.assert_allclose(anatomy.levels[:, 2], [50, 20, -10, -40, -70], atol=1e-4)
    np.testing.assert_allclose(anatomy.offsets, [[0, 0, 0], [17, -5, 9], [10, -4, 1]], atol=1e-4)
    assert anatomy.spreads[2] > anatomy.spreads[1] > anatomy.spreads[0]


def test_without_points_it_is_the_usual_anatomy() -> None:
    anatomy = measure(np.full((3, 25, 3), np.nan))
    for name in ("levels", "spreads", "offsets"):
        assert torch.equal(getattr(anatomy, name), getattr(USUAL, name))


def test_what_no_point_tells_is_usual() -> None:
    points = points_of()
    points[:, list(indices("subarticular"))] = np.nan
    points[:, 4] = np.nan
    anatomy = measure(points)
    assert torch.equal(anatomy.offsets[2], USUAL.offsets[2])
    assert torch.equal(anatomy.levels[4], USUAL.levels[4])
    np.testing.assert_allclose(anatomy.offsets[1], [17, -5, 9], atol=1e-4)
