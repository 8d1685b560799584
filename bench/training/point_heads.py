"""Networks that find P points on an image, each as fractions 0..1 of its width and height, and their heads.

`RegressionHead` regresses coordinates from pooled features. `HeatmapHead` reads them off a map, whose mean position
moves with the image by construction: it learns from far fewer examples. Both can stand on a backbone that other heads
share; `point_network` builds a network of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.training.backbones import Pretrained, encoder, feature_maps, num_features
from bench.training.losses import point_loss
from bench.training.precision import float32

HeadName = Literal["pooled", "heatmap"]
_MAP_WIDTH = 48
_MAP_STRIDE = 4
_SPREAD = 0.02  # of a point in its target map, as a fraction of the image


class RegressionHead(nn.Module):
    """A linear layer and a sigmoid per point."""

    def __init__(self, features: int, points: int) -> None:
        super().__init__()
        self.points = nn.ModuleList(nn.Linear(features, 2) for _ in range(points))

    def forward(self, features: Tensor) -> Tensor:
        """Pooled features (B, F) to x and y (B, P, 2) in 0..1."""
        with float32(features.device.type):  # bf16 resolves 2 pixels of 512
            features = features.float()
            return torch.stack([point(features) for point in self.points], dim=1).sigmoid()  # (B, P, 2)


class HeatmapHead(nn.Module):
    """The mean position under a softmax over a map that joins a backbone's finer and coarser features.

    Args:
        maps: (stride, channels) of the backbone's feature maps, see `bench.training.backbones.feature_maps`. The map
            has the size of the first of stride 4 or more.
        points: how many points.
    """

    def __init__(self, maps: Sequence[tuple[int, int]], points: int) -> None:
        super().__init__()
        self.used = [index for index, (stride, _) in enumerate(maps) if stride >= _MAP_STRIDE]
        self.lateral = nn.ModuleList(nn.Conv2d(maps[index][1], _MAP_WIDTH, 1) for index in self.used)
        self.maps = nn.Sequential(
            nn.BatchNorm2d(_MAP_WIDTH), nn.ReLU(), nn.Conv2d(_MAP_WIDTH, _MAP_WIDTH, 3, padding=1),
            nn.BatchNorm2d(_MAP_WIDTH), nn.ReLU(), nn.Conv2d(_MAP_WIDTH, points, 1),
        )  # fmt: skip

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps (B, C_i, h_i, w_i) to x and y (B, P, 2) in 0..1."""
        return mean_positions(*self.heatmaps(features))

    def heatmaps(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Weights (B, P, h * w) of the map's cells, and the cells' centres (h * w, 2) in 0..1, both in float32."""
        size = features[self.used[0]].shape[-2:]
        joined = sum(
            F.interpolate(lateral(features[index]), size=size, mode="bilinear", align_corners=False)
            for index, lateral in zip(self.used, self.lateral, strict=True)
        )  # (B, 48, h, w)
        states = self.maps[:-1](joined)  # (B, 48, h, w)
        with float32(states.device.type):  # logits that are rounded to bf16 would already move the point
            weights = self.maps[-1](states.float()).flatten(2).softmax(dim=2)  # (B, P, h * w)
        return weights, cell_centres(size, weights)


class PooledPoints(nn.Module):
    """A backbone with mean-pooled features and a `RegressionHead`."""

    def __init__(
        self,
        backbone: str,
        *,
        channels: int,
        points: int,
        image_size: tuple[int, int] | None = None,
        pretrained: Pretrained = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder(backbone, channels=channels, pretrained=pretrained, image_size=image_size)
        self.head = RegressionHead(num_features(self.encoder), points)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, P, 2) in 0..1."""
        return self.head(self.encoder(images))

    def loss(self, images: Tensor, points: Tensor) -> dict[str, Tensor]:
        """L1 towards true points (B, P, 2) in 0..1, NaN where unknown."""
        return {"loss": point_loss(self(images), points)}


class HeatmapPoints(nn.Module):
    """A backbone with feature maps and a `HeatmapHead`.

    Args:
        backbone, channels, points, image_size, pretrained: the network, see `bench.training.backbones.encoder`.
        map_loss: weight of `heatmap_loss` beside L1 in `loss`.
    """

    def __init__(
        self,
        backbone: str,
        *,
        channels: int,
        points: int,
        image_size: tuple[int, int] | None = None,
        pretrained: Pretrained = False,
        map_loss: float = 0.0,
    ) -> None:
        super().__init__()
        self.map_loss = map_loss
        self.encoder = encoder(
            backbone, channels=channels, pretrained=pretrained, image_size=image_size, features_only=True
        )
        self.head = HeatmapHead(feature_maps(self.encoder), points)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, P, 2) in 0..1."""
        return self.head(self.encoder(images))

    def loss(self, images: Tensor, points: Tensor) -> dict[str, Tensor]:
        """L1 towards true points (B, P, 2) in 0..1, NaN where unknown, and the maps' cross entropy at its weight."""
        weights, centres = self.head.heatmaps(self.encoder(images))
        distance = point_loss(mean_positions(weights, centres), points)
        return {"loss": distance + self.map_loss * heatmap_loss(weights, centres, points), "distance": distance}


def point_network(
    head: HeadName,
    backbone: str,
    *,
    channels: int,
    points: int,
    image_size: tuple[int, int] | None = None,
    pretrained: Pretrained = False,
    map_loss: float = 0.0,
) -> PooledPoints | HeatmapPoints:
    """An untrained network (its encoder may carry pretrained weights) with the head of this name."""
    if head == "pooled":
        return PooledPoints(backbone, channels=channels, points=points, image_size=image_size, pretrained=pretrained)
    return HeatmapPoints(
        backbone, channels=channels, points=points, image_size=image_size, pretrained=pretrained, map_loss=map_loss
    )


def mean_positions(weights: Tensor, centres: Tensor) -> Tensor:
    """(B, P, 2) mean position under weights (B, P, C) of cells with centres (C, 2), in float32 also under autocast."""
    with float32(weights.device.type):
        return weights.float() @ centres.float()


def heatmap_loss(weights: Tensor, centres: Tensor, points: Tensor) -> Tensor:
    """Cross entropy of a map towards a Gaussian around the point; 0 where the point is unknown.

    Args:
        weights: (B, P, C) of the map's cells, summing to 1.
        centres: (C, 2) of the cells.
        points: (B, P, 2) true points in 0..1, NaN where unknown.
    """
    known = torch.isfinite(points).all(dim=-1)  # (B, P)
    distance = (torch.nan_to_num(points)[:, :, None] - centres).square().sum(dim=-1)  # (B, P, C)
    target = (-distance / (2 * _SPREAD**2)).softmax(dim=-1)
    losses = -(target * weights.clamp(min=1e-9).log()).sum(dim=-1)  # (B, P)
    return (losses * known).sum() / known.sum().clamp(min=1)


def cell_centres(size: torch.Size, like: Tensor) -> Tensor:
    """(h * w, 2) x and y of the centres of a map's cells in 0..1, in the number format and place of ``like``."""
    height, width = size
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) / height
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) / width
    return torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=1)
