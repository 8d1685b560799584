"""Distortions and affine changes: points move exactly with the pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.training.augmentation import ShiftScaleRotate
from bench.training.augmentation.distortion import (
    ElasticDistortion,
    GridDistortion,
    OpticalDistortion,
    displacement,
    distort,
)
from bench.training.augmentation.recipe import Augmentation, Distortion, augment
from bench.training.augmentation.warp import affine_warp

STRONG = {
    "optical": (distort, OpticalDistortion(limit=0.5, probability=1.0)),
    "grid": (distort, GridDistortion(steps=5, limit=0.8, probability=1.0)),
    "elastic": (distort, ElasticDistortion(strength=0.017, points=7, probability=1.0)),
    "affine": (affine_warp, ShiftScaleRotate(shift=0.2, scale=0.3, rotate=45, probability=1.0)),
    "recipe": (
        augment,
        Augmentation(
            distortion=Distortion(probability=1.0, optical=OpticalDistortion(limit=0.4), elastic=ElasticDistortion()),
            affine=ShiftScaleRotate(probability=1.0),
        ),
    ),
}


def ramps(count: int, height: int, width: int) -> Tensor:
    """(B, 2, H, W) images whose values are the shares x and y of their own pixels."""
    y, x = ((torch.arange(size) + 0.5) / size for size in (height, width))
    return torch.stack(torch.meshgrid(x, y, indexing="xy")).expand(count, 2, height, width).clone()


@pytest.mark.parametrize("name", STRONG)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([(64, 64), (60, 90), (90, 48)]))
@settings(max_examples=25, deadline=None)
def test_a_point_lies_on_the_pixel_that_it_lay_on(name, seed, size) -> None:
    """On images that show their own coordinates, the pixel at the new place says where the point was: to 0.02 px."""
    function, change = STRONG[name]
    random = np.random.default_rng(seed)
    points = torch.from_numpy(random.uniform(0.1, 0.9, size=(4, 20, 2)).astype(np.float32))
    points[0, 0] = torch.nan
    images, moved = function(ramps(4, *size), points, change, random)
    assert moved[0, 0].isnan().all()
    values = F.grid_sample(images, 2 * moved[:, :, None].nan_to_num(0.5) - 1, align_corners=False)[..., 0].mT
    edge = torch.tensor([2 / size[1], 2 / size[0]])  # pixels there are mixed with the dark outside
    inside = ((moved > edge) & (moved < 1 - edge)).all(dim=2)
    assert inside.float().mean() > 0.4
    pixels = (values - points).abs()[inside] * torch.tensor([size[1], size[0]])
    assert pixels.max() < 0.02


@pytest.mark.parametrize("name", STRONG)
def test_a_bright_dot_is_found_where_its_point_says(name) -> None:
    function, change = STRONG[name]
    random = np.random.default_rng(0)
    points = torch.from_numpy(random.uniform(0.3, 0.7, size=(12, 1, 2)).astype(np.float32))
    y, x = torch.arange(96) + 0.5, torch.arange(128) + 0.5
    squared = (x - points[:, :, None, :1] * 128) ** 2 + (y[:, None] - points[:, :, None, 1:] * 96) ** 2
    images, moved = function((-squared / 8).exp(), points, change, random)
    brightest = images.flatten(1).argmax(dim=1)
    found = torch.stack([brightest % 128, brightest // 128], dim=1) + 0.5
    away = (found - moved[:, 0] * torch.tensor([128, 96])).abs()
    assert away[~moved.isnan().any(dim=2)[:, 0]].max() <= 1
    assert (moved - points).abs().nan_to_num().max() > 0.002


def test_a_point_that_leaves_the_image_is_unknown() -> None:
    points = torch.tensor([0.02, 0.5]).expand(50, 1, 2).clone()
    change = ShiftScaleRotate(shift=0.3, scale=0.0, rotate=0.0, probability=1.0)
    _, moved = affine_warp(torch.rand(50, 1, 16, 16), points, change, np.random.default_rng(0))
    gone = moved.isnan().any(dim=2)
    assert 0.3 < gone.float().mean() < 0.8
    assert ((moved[~gone] >= 0) & (moved[~gone] <= 1)).all()


def test_unchanged_items_keep_their_points_bit_for_bit() -> None:
    points = torch.rand(40, 3, 2) * 1.2 - 0.1  # also points that lie outside
    images = torch.rand(40, 1, 16, 16)
    change = ElasticDistortion(probability=0.5)
    changed, moved = distort(images, points, change, np.random.default_rng(0))
    same = (changed == images).flatten(1).all(dim=1)
    assert 0.3 < same.float().mean() < 0.7
    assert torch.equal(moved[same], points[same])


def test_a_field_that_would_fold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"would fold the image: give at most 0\.012"):
        ElasticDistortion(strength=0.1, points=10)
    with pytest.raises(ValueError, match="limit"):
        OpticalDistortion(limit=1.0)


@pytest.mark.parametrize("size", [(64, 64), (40, 90)])
def test_no_distortion_folds_at_its_strongest(size) -> None:
    """The area that a pixel is read from stays positive everywhere."""
    y, x = ((2 * torch.arange(pixels) + 1) / pixels - 1 for pixels in size)
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    for name in ("optical", "grid", "elastic"):
        source = places + displacement(200, torch.zeros(1, *size), STRONG[name][1], np.random.default_rng(0))
        along_x, along_y = source.diff(dim=3)[:, :, 1:], source.diff(dim=2)[:, :, :, 1:]
        areas = along_x[:, 0] * along_y[:, 1] - along_x[:, 1] * along_y[:, 0]
        assert areas.min() > 0, name
