"""The localiser's network: a backbone per kind of image, or shared, and a keypoint head per kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2
from bench.training.backbones import encoder, feature_maps, num_features
from bench.training.losses import point_loss
from bench.training.point_heads import HeatmapHead, heatmap_loss, mean_positions
from bench.training.precision import float32

from .batch_norm import BatchNorm
from .keypoint_config import LocatorNetwork, Sharing
from .views import POINTS_PER_VIEW

Losses = dict[str, Tensor]
KEYS = {SAGITTAL_T2: "t2", SAGITTAL_T1: "t1", AXIAL_T2: "axial"}
CHANNELS = 3  # neighbouring slices


def encoder_key(kind: str, sharing: Sharing) -> str:
    """The name of the backbone that images of a kind go through."""
    if sharing == "one":
        return "all"
    if sharing == "plane":
        return "axial" if kind == AXIAL_T2 else "sagittal"
    return KEYS[kind]


class MlpHead(nn.Module):
    """Points regressed from pooled features by linear layers with batch norm, ReLU and dropout.

    The last layer is linear, as in the write-up, and starts near the middle of the image: it gives shares of width and
    height minus one half, where the write-up's gave raw pixels, which start far from any point.
    """

    def __init__(self, features: int, hidden: Sequence[int], points: int, dropout: float) -> None:
        super().__init__()
        self.layers = hidden_layers(features, hidden, dropout)
        self.last = nn.Linear(hidden[-1] if hidden else features, 2 * points)

    def forward(self, features: Tensor) -> Tensor:
        """(B, F) to (B, P, 2) shares 0..1 (and beyond)."""
        with float32(features.device.type):
            return self.last(self.layers(features.float())).reshape(len(features), -1, 2) + 0.5


def encoded_by(backbone: nn.Module, images: Tensor) -> Any:
    """What a backbone makes of images (B, C, H, W).

    A single one is shown twice in training: batch norms need two values per channel, and the last map of a small image
    is one pixel.
    """
    if not backbone.training or len(images) > 1:
        return backbone(images)
    encoded = backbone(images.repeat(2, 1, 1, 1))
    return [one[:1] for one in encoded] if isinstance(encoded, list) else encoded[:1]


def hidden_layers(features: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers, each with batch norm, ReLU and dropout."""
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(features, size), BatchNorm(size), nn.ReLU(), nn.Dropout(dropout)]
        features = size
    return nn.Sequential(*layers)


class Locator(nn.Module):
    """Frames in, points out.

    Args:
        config: of the network.
    """

    def __init__(self, config: LocatorNetwork) -> None:
        super().__init__()
        self.config = config
        heatmap = config.head == "heatmap"
        self.encoders = nn.ModuleDict()
        for kind in KEYS:
            key = encoder_key(kind, config.sharing)
            if key not in self.encoders:
                self.encoders[key] = encoder(
                    config.backbone,
                    channels=CHANNELS,
                    pretrained=config.pretrained,
                    image_size=self.size(kind),
                    features_only=heatmap,
                )
        heads = {}
        for kind, name in KEYS.items():
            backbone = self.encoders[encoder_key(kind, config.sharing)]
            points = POINTS_PER_VIEW[kind]
            hidden = config.axial_hidden if kind == AXIAL_T2 else config.hidden
            heads[name] = (
                HeatmapHead(feature_maps(backbone), points)
                if heatmap
                else MlpHead(num_features(backbone), hidden, points, config.dropout)
            )
        self.heads = nn.ModuleDict(heads)

    def size(self, kind: str) -> tuple[int, int]:
        """(H, W) of a frame of this kind."""
        return self.config.axial_size if kind == AXIAL_T2 else self.config.sagittal_size

    def forward(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """By kind: frames (B, 3, H, W) to points (B, P, 2) as shares 0..1 of width and height."""
        return {kind: self.heads[KEYS[kind]](features) for kind, features in self._features(images).items()}

    def loss(self, images: Mapping[str, Tensor], points: Mapping[str, Tensor]) -> tuple[Losses, dict[str, Tensor]]:
        """The loss towards true points (B, P, 2), NaN where unknown, and the predicted points with their gradient.

        ``heatmap``: L1 as a share of the image, and the map's cross entropy. ``mlp``: squared pixels, as in the
        write-up. The mean over all known coordinates of all kinds; 0 where there is none. ``distance`` is the mean
        error in pixels.
        """
        predicted: dict[str, Tensor] = {}
        maps: list[Tensor] = []
        for kind, features in self._features(images).items():
            head = self.heads[KEYS[kind]]
            if isinstance(head, HeatmapHead):
                weights, centres = head.heatmaps(features)
                predicted[kind] = mean_positions(weights, centres)
                maps.append(heatmap_loss(weights, centres, points[kind]))
            else:
                predicted[kind] = head(features)
        if not predicted:
            zero = torch.stack([parameter.sum() for parameter in self.heads.parameters()]).sum() * 0
            return {"loss": zero, "distance": zero}, predicted
        known = {kind: points[kind] for kind in predicted}
        found, true = (self._joined(shares, pixels=True) for shares in (predicted, known))
        losses = {"distance": point_loss(found, true).detach()}
        if not maps:
            return {"loss": point_loss(found, true, kind="squared"), **losses}, predicted
        shares, wanted = (self._joined(one, pixels=False) for one in (predicted, known))
        total = point_loss(shares, wanted) + self.config.map_loss * torch.stack(maps).mean()
        return {"loss": total, **losses}, predicted

    def _joined(self, points: Mapping[str, Tensor], *, pixels: bool) -> Tensor:
        """(M, 2) the points of all kinds, in pixels of their frames or as shares."""
        flat = []
        for kind, one in points.items():
            height, width = self.size(kind) if pixels else (1, 1)
            flat.append(one.reshape(-1, 2) * one.new_tensor([width, height]))
        return torch.cat(flat)

    def _features(self, images: Mapping[str, Tensor]) -> dict[str, Any]:
        """Backbone features by kind; kinds that share a backbone and a size go through it together.

        So a batch norm sees in training the mixture that its running statistics stand for in prediction.
        """
        features: dict[str, Any] = {}
        groups: dict[tuple[str, torch.Size], list[str]] = {}
        for kind, one in images.items():
            if len(one):
                groups.setdefault((encoder_key(kind, self.config.sharing), one.shape[1:]), []).append(kind)
        for (key, _), kinds in groups.items():
            joined = torch.cat([images[kind] for kind in kinds]).contiguous(memory_format=torch.channels_last)
            encoded = encoded_by(self.encoders[key], joined)
            sizes = [len(images[kind]) for kind in kinds]
            if isinstance(encoded, list):
                parts = zip(*(one.split(sizes) for one in encoded), strict=True)
                features |= {kind: list(part) for kind, part in zip(kinds, parts, strict=True)}
            else:
                features |= dict(zip(kinds, encoded.split(sizes), strict=True))
        return features
