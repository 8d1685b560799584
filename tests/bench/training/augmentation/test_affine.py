from __future__ import annotations

import numpy as np

from bench.training.augmentation import ShiftScaleRotate, shift_scale_rotate

WHOLE = np.array([[30.0, 0, 100], [0, 20.0, 50]])


def changed(affine: ShiftScaleRotate, count: int = 400) -> np.ndarray:
    return shift_scale_rotate(np.tile(WHOLE, (count, 1, 1)), affine, np.random.default_rng(0))


def test_no_change_at_probability_zero() -> None:
    np.testing.assert_array_equal(changed(ShiftScaleRotate(probability=0.0)), np.tile(WHOLE, (400, 1, 1)))


def test_a_share_is_changed() -> None:
    same = (changed(ShiftScaleRotate(probability=0.5)) == WHOLE).all(axis=(1, 2))
    assert 0.4 < same.mean() < 0.6


def test_rotation_and_scale_keep_angles_and_stay_within_their_range() -> None:
    maps = changed(ShiftScaleRotate(shift=0.0, scale=0.1, rotate=20.0, probability=1.0))
    along_a, along_b = maps[:, :, 0], maps[:, :, 1]
    np.testing.assert_allclose((along_a * along_b).sum(axis=1), 0, atol=1e-9)
    scales = np.linalg.norm(along_a, axis=1) / 30
    np.testing.assert_allclose(scales, np.linalg.norm(along_b, axis=1) / 20)
    assert 0.9 <= scales.min() < 0.91
    assert 1.09 < scales.max() <= 1.1
    angles = np.rad2deg(np.arctan2(along_a[:, 1], along_a[:, 0]))
    assert -20 <= angles.min() < -19
    assert 19 < angles.max() <= 20
    np.testing.assert_allclose(maps[:, :, 2], np.tile(WHOLE[:, 2], (400, 1)))


def test_shift_is_a_share_of_the_crop() -> None:
    maps = changed(ShiftScaleRotate(shift=0.1, scale=0.0, rotate=0.0, probability=1.0))
    moved = np.abs(maps[:, :, 2] - WHOLE[:, 2]).max(axis=0)
    np.testing.assert_allclose(moved, [0.1 * 60, 0.1 * 40], rtol=0.02)
