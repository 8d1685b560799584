"""What blur, noise, dropout and the choice among several do, each held against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from bench.training.augmentation.blur import (
    GaussianBlur,
    MedianBlur,
    MotionBlur,
    gaussian_blur,
    median_blur,
    motion_blur,
)
from bench.training.augmentation.dropout import CoarseDropout, coarse_dropout
from bench.training.augmentation.noise import GaussianNoise, RicianNoise, gaussian_noise, rician_noise
from bench.training.augmentation.recipe import Augmentation, Degradation, augment

RANDOM = np.random.default_rng


def test_gaussian_blur_is_scipys() -> None:
    image = torch.rand(1, 1, 30, 40, generator=torch.Generator().manual_seed(0))
    result = gaussian_blur(image, GaussianBlur(sigma=(1.3, 1.3), probability=1.0), RANDOM(0))
    expected = ndimage.gaussian_filter(image[0, 0].numpy().astype(float), 1.3, mode="nearest", radius=4)
    np.testing.assert_allclose(result[0, 0].numpy(), expected, atol=1e-5)


def test_median_blur_is_scipys() -> None:
    images = torch.rand(8, 1, 30, 40, generator=torch.Generator().manual_seed(0))
    results = median_blur(images, MedianBlur(size=5, probability=1.0), RANDOM(0))
    seen = set()
    for image, result in zip(images[:, 0].numpy(), results[:, 0].numpy(), strict=True):
        sizes = [size for size in (3, 5) if np.array_equal(result, ndimage.median_filter(image, size, mode="nearest"))]
        seen.update(sizes)
        assert len(sizes) == 1
    assert seen == {3, 5}


def test_motion_blur_spreads_a_dot_along_one_line_and_keeps_its_sum() -> None:
    dots = torch.zeros(50, 2, 21, 21)
    dots[:, :, 10, 10] = 1
    result = motion_blur(dots, MotionBlur(length=(7.0, 7.0), probability=1.0), RANDOM(0))
    torch.testing.assert_close(result.sum(dim=(2, 3)), torch.ones(50, 2))
    places = torch.arange(21.0) - 10
    xx, yy = (result[:, 0] * places**2).sum(dim=(1, 2)), (result[:, 0] * places[:, None] ** 2).sum(dim=(1, 2))
    xy = (result[:, 0] * places * places[:, None]).sum(dim=(1, 2))
    spread = torch.linalg.eigvalsh(torch.stack([xx, xy, xy, yy], dim=1).reshape(50, 2, 2))  # (50, 2): across, along
    assert spread[:, 1].min() > 2.5
    assert spread[:, 0].max() < 0.5
    assert (xy > 0.5).any()
    assert (xy < -0.5).any()


def test_noise_has_the_strength_that_was_drawn() -> None:
    grey = torch.full((30, 2, 60, 60), 0.5)
    spread = gaussian_noise(grey, GaussianNoise(sigma=(0.02, 0.08), probability=1.0), RANDOM(0)).std(dim=(2, 3))
    assert spread.min() > 0.019
    assert spread.max() < 0.083
    torch.testing.assert_close(spread[:, 0], spread[:, 1], rtol=0.1, atol=0)  # one strength per item
    assert spread[:, 0].std() > 0.01


def test_rician_noise_lifts_the_dark() -> None:
    dark = torch.full((1, 1, 200, 200), 1e-6)
    result = rician_noise(dark, RicianNoise(sigma=(0.1, 0.1), probability=1.0), RANDOM(0))
    assert float(result.mean()) == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.02)  # Rayleigh


def test_dropout_blanks_so_many_rectangles_of_that_size() -> None:
    white = torch.ones(100, 2, 100, 200)
    dropout = CoarseDropout(holes=(1, 3), size=(0.1, 0.1), probability=1.0)
    result = coarse_dropout(white, dropout, RANDOM(0))
    blank = (result == 0).float()
    assert set(result.unique().tolist()) == {0.0, 1.0}
    numbers = [ndimage.label(one[0].numpy())[1] for one in blank]
    assert set(numbers) == {1, 2, 3}
    single = blank[[number == 1 for number in numbers]].sum(dim=(2, 3))
    assert (single >= 10 * 20).all()
    assert float(single.median()) == 10 * 20
    assert blank[:, 0].mean(dim=0).gt(0).float().mean() > 0.7  # anywhere in the image


def test_one_of_several_is_chosen_by_weight_and_never_two() -> None:
    grey = torch.full((600, 1, 16, 16), 0.5)
    grey[:, :, 8, 8] = 1.0
    choice = Degradation(
        probability=0.8,
        median_blur=MedianBlur(size=3, probability=0.3),
        gaussian_noise=GaussianNoise(probability=0.9),
    )
    result, _ = augment(grey, None, Augmentation(degradation=choice), RANDOM(0))
    even = (result == 0.5).flatten(1).all(dim=1)
    same = (result == grey).flatten(1).all(dim=1)
    noisy = ~even & ~same
    assert even.float().mean().item() == pytest.approx(0.2, abs=0.05)
    assert same.float().mean().item() == pytest.approx(0.2, abs=0.05)
    assert (result[noisy][:, 0, 8, 8] > 0.8).all()  # what is noisy was not smoothed as well
