"""The network of stages 1b and 1c: a slice in, P points out, each as shares of the image's width and height."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.training.backbones import encoder, feature_maps, num_features

from .config import PointNetwork

_MAP_WIDTH = 48
_MAP_STRIDE = 4
_SPREAD = 0.02  # of a point in its target map, as a share of the image


class PooledPoints(nn.Module):
    """As the write-up: the encoder's mean-pooled features, a linear layer a point, a sigmoid."""

    def __init__(self, config: PointNetwork, channels: int, points: int) -> None:
        super().__init__()
        self.encoder = encoder(config.backbone, channels=channels, pretrained=config.pretrained, image_size=config.size)
        features = num_features(self.encoder)
        self.heads = nn.ModuleList(nn.Linear(features, 2) for _ in range(points))

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, P, 2) in 0..1."""
        features = self.encoder(images).float()
        return torch.stack([head(features) for head in self.heads], dim=1).sigmoid()


class HeatmapPoints(nn.Module):
    """The mean position under a softmax over a map of stride 4 that joins the encoder's finer and coarser features.

    A coordinate that is read off a map moves with the image by construction, which a pooled head has to learn from
    many examples.
    """

    def __init__(self, config: PointNetwork, channels: int, points: int) -> None:
        super().__init__()
        self.map_loss = config.map_loss
        self.encoder = encoder(
            config.backbone,
            channels=channels,
            pretrained=config.pretrained,
            image_size=config.size,
            features_only=True,
        )
        levels = feature_maps(self.encoder)
        self.used = [index for index, (stride, _) in enumerate(levels) if stride >= _MAP_STRIDE]
        self.lateral = nn.ModuleList(nn.Conv2d(levels[index][1], _MAP_WIDTH, 1) for index in self.used)
        self.maps = nn.Sequential(
            nn.BatchNorm2d(_MAP_WIDTH), nn.ReLU(), nn.Conv2d(_MAP_WIDTH, _MAP_WIDTH, 3, padding=1),
            nn.BatchNorm2d(_MAP_WIDTH), nn.ReLU(), nn.Conv2d(_MAP_WIDTH, points, 1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, P, 2) in 0..1."""
        weights, centres = self.heatmaps(images)
        return weights @ centres

    def heatmaps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (B, P, h * w) of the map's cells, and the cells' centres (h * w, 2) in 0..1."""
        features = self.encoder(images)
        size = features[self.used[0]].shape[-2:]
        joined = sum(
            F.interpolate(lateral(features[index]), size=size, mode="bilinear", align_corners=False)
            for index, lateral in zip(self.used, self.lateral, strict=True)
        )
        weights = self.maps(joined).float().flatten(2).softmax(dim=2)  # (B, P, h * w)
        return weights, _centres(size, weights)


def heatmap_loss(weights: Tensor, centres: Tensor, points: Tensor) -> Tensor:
    """Cross entropy of a map towards a Gaussian around the point; 0 where the point is unknown.

    Args:
        weights: (B, P, C) of the map's cells, summing to 1.
        centres: (C, 2) of the cells.
        points: (B, P, 2) true points in 0..1, NaN where unknown.
    """
    known = torch.isfinite(points).all(dim=-1)
    distance = (torch.nan_to_num(points)[:, :, None] - centres).square().sum(dim=-1)
    target = (-distance / (2 * _SPREAD**2)).softmax(dim=-1)
    losses = -(target * weights.clamp(min=1e-9).log()).sum(dim=-1)
    return (losses * known).sum() / known.sum().clamp(min=1)


def _centres(size: torch.Size, like: Tensor) -> Tensor:
    """(h * w, 2) x and y of the cells' centres in 0..1."""
    height, width = size
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) / height
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) / width
    return torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=1)


def build(config: PointNetwork, *, channels: int, points: int) -> nn.Module:
    """An untrained network (its encoder may carry pretrained weights)."""
    return (HeatmapPoints if config.head == "heatmap" else PooledPoints)(config, channels, points)
