"""What holds for every change, whatever it does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.training.augmentation import BrightnessContrast, ShiftScaleRotate, brightness_contrast
from bench.training.augmentation.blur import (
    GaussianBlur,
    MedianBlur,
    MotionBlur,
    gaussian_blur,
    median_blur,
    motion_blur,
)
from bench.training.augmentation.distortion import ElasticDistortion, GridDistortion, OpticalDistortion, distort
from bench.training.augmentation.dropout import CoarseDropout, coarse_dropout
from bench.training.augmentation.noise import GaussianNoise, RicianNoise, gaussian_noise, rician_noise
from bench.training.augmentation.recipe import Augmentation, Degradation, Distortion, augment
from bench.training.augmentation.warp import affine_warp

Change = Callable[[Tensor, float, np.random.Generator], Tensor]


def by(function, config) -> Change:
    return lambda images, chance, random: function(images, config(probability=chance), random)


def moving(function, config) -> Change:
    return lambda images, chance, random: function(images, None, config(probability=chance), random)[0]


def everything(images: Tensor, chance: float, random: np.random.Generator) -> Tensor:
    return augment(images, None, recipe(chance), random)[0]


def recipe(chance: float) -> Augmentation:
    return Augmentation(
        intensity=BrightnessContrast(probability=chance),
        degradation=Degradation(
            probability=chance,
            gaussian_blur=GaussianBlur(),
            motion_blur=MotionBlur(),
            median_blur=MedianBlur(),
            gaussian_noise=GaussianNoise(),
            rician_noise=RicianNoise(),
        ),
        distortion=Distortion(
            probability=chance, optical=OpticalDistortion(), grid=GridDistortion(), elastic=ElasticDistortion()
        ),
        affine=ShiftScaleRotate(probability=chance),
        dropout=CoarseDropout(probability=chance),
    )


CHANGES: dict[str, Change] = {
    "brightness": by(brightness_contrast, BrightnessContrast),
    "gaussian blur": by(gaussian_blur, GaussianBlur),
    "motion blur": by(motion_blur, MotionBlur),
    "median blur": by(median_blur, MedianBlur),
    "gaussian noise": by(gaussian_noise, GaussianNoise),
    "rician noise": by(rician_noise, RicianNoise),
    "dropout": by(coarse_dropout, CoarseDropout),
    "optical": moving(distort, OpticalDistortion),
    "grid": moving(distort, GridDistortion),
    "elastic": moving(distort, ElasticDistortion),
    "affine": moving(affine_warp, ShiftScaleRotate),
    "recipe": everything,
}
NOISE = {"gaussian noise", "rician noise", "recipe"}
every_change = pytest.mark.parametrize("name", CHANGES)


def images(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@every_change
def test_probability_zero_is_the_identity_bit_for_bit(name) -> None:
    batch = images(6, 3, 20, 24)
    assert torch.equal(CHANGES[name](batch, 0.0, np.random.default_rng(0)), batch)


@every_change
def test_the_input_is_left_alone_and_the_output_stays_in_range(name) -> None:
    batch = images(6, 3, 20, 24)
    before = batch.clone()
    result = CHANGES[name](batch, 1.0, np.random.default_rng(0))
    assert torch.equal(batch, before)
    assert result.shape == batch.shape
    assert result.dtype is batch.dtype
    assert result.min() >= 0
    assert result.max() <= 1 + 1e-6
    assert (result != batch).flatten(1).any(dim=1).all()


@every_change
def test_a_share_of_the_items_changes(name) -> None:
    batch = images(200, 1, 20, 24)
    share = (CHANGES[name](batch, 0.3, np.random.default_rng(0)) != batch).flatten(1).any(dim=1).float().mean()
    expected = 1 - 0.7**5 if name == "recipe" else 0.3
    assert abs(share - expected) < 0.12


@every_change
def test_the_same_generator_gives_the_same_change(name) -> None:
    batch = images(6, 3, 20, 24)
    first, second, other = (CHANGES[name](batch, 0.9, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@every_change
def test_all_images_of_an_item_change_alike(name) -> None:
    batch = images(8, 1, 20, 24).repeat(1, 4, 1, 1)
    result = CHANGES[name](batch, 1.0, np.random.default_rng(0))
    spread = (result - result[:, :1]).abs()
    if name in NOISE:  # of one strength, but not the same on every image
        assert spread.max() > 0
    else:
        torch.testing.assert_close(spread, torch.zeros_like(spread), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "median blur"])  # 3 x 3: nothing to draw
def test_items_change_differently_from_each_other(name) -> None:
    batch = images(1, 2, 20, 24).repeat(6, 1, 1, 1)
    result = CHANGES[name](batch, 1.0, np.random.default_rng(0)).flatten(1)
    distinct = {tuple(np.round(row, 4)) for row in result.numpy()}
    assert len(distinct) >= 5


@every_change
def test_what_is_blank_stays_blank(name) -> None:
    batch = images(8, 3, 20, 24)
    batch[2] = 0  # an item without images
    batch[:, 1] = 0  # an image that is missing in all
    if name == "brightness":  # keeps missing images only where asked
        result = brightness_contrast(
            batch, BrightnessContrast(probability=1.0), np.random.default_rng(0), by_image=True
        )
    else:
        result = CHANGES[name](batch, 1.0, np.random.default_rng(0))
    assert not result[2].any()
    assert not result[:, 1].any()
    assert result[3, 0].any()


@every_change
@pytest.mark.parametrize("shape", [(2, 20, 24), (2, 3, 20, 24), (2, 5, 3, 20, 24)])
def test_items_may_have_any_number_of_dimensions(name, shape) -> None:
    batch = images(*shape)
    flat = batch.reshape(2, -1, 20, 24)
    first, second = (CHANGES[name](one, 1.0, np.random.default_rng(4)) for one in (batch, flat))
    torch.testing.assert_close(first.reshape(flat.shape), second)


@every_change
def test_an_empty_batch_comes_back(name) -> None:
    assert CHANGES[name](images(0, 3, 20, 24), 1.0, np.random.default_rng(0)).shape == (0, 3, 20, 24)
