from __future__ import annotations

import numpy as np
import torch

from bench.training.augmentation import BrightnessContrast, brightness_contrast


def test_brightness_changes_a_bag_alike_and_leaves_blank_bags_blank() -> None:
    images = torch.rand(200, 5, 4, 4) * 0.2 + 0.4
    images[3] = 0
    result = brightness_contrast(
        images, BrightnessContrast(brightness=0.1, contrast=0.0, probability=0.5), np.random.default_rng(0)
    )
    difference = (result - images).flatten(1)
    torch.testing.assert_close(difference.min(dim=1).values, difference.max(dim=1).values, atol=1e-5, rtol=0)
    assert not result[3].any()
    assert 0.35 < (difference.abs().amax(dim=1) > 0).float().mean() < 0.65
    assert difference.abs().max() <= 0.1 + 1e-6


def test_brightness_stays_within_the_range() -> None:
    images = torch.rand(50, 1, 4, 4)
    result = brightness_contrast(
        images, BrightnessContrast(brightness=0.9, contrast=0.9, probability=1.0), np.random.default_rng(0)
    )
    assert result.min() >= 0
    assert result.max() <= 1


def test_by_image_a_blank_slice_stays_blank_and_counts_for_nothing() -> None:
    full = torch.rand(20, 3, 4, 4) * 0.2 + 0.4
    padded = torch.cat([full, torch.zeros(20, 2, 4, 4)], dim=1)
    intensity = BrightnessContrast(probability=1.0)
    alone = brightness_contrast(full, intensity, np.random.default_rng(0))
    beside = brightness_contrast(padded, intensity, np.random.default_rng(0), by_image=True)
    torch.testing.assert_close(beside[:, :3], alone)
    assert not beside[:, 3:].any()
