"""Features of each slice: three scales of a timm backbone, projected and joined, for the slice and for its cells."""

from __future__ import annotations

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.errors import UsageError
from bench.training.backbones import encoder, feature_maps

from .config import Network

_DROPOUT = 0.1


class SliceFeatures(nn.Module):
    """One vector per slice; beside it one per cell of the finest map, if cells are wanted."""

    def __init__(self, config: Network, sizes: Collection[tuple[int, int]]) -> None:
        super().__init__()
        network = _backbone(config, next(iter(sizes)))
        if len(sizes) > 1 and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
            raise UsageError(
                f"{config.backbone} has batch norms and would see images of {len(sizes)} sizes ({_text(sizes)}) in "
                "turn, whose statistics differ. Give all scans one size, set network.separate, or choose a backbone "
                "without batch norms."
            )
        self.backbone = network
        channels = [channels for _, channels in feature_maps(network)]
        self.projections = nn.ModuleList(
            nn.Linear(wide, narrow) for wide, narrow in zip(channels, config.widths, strict=True)
        )
        width = config.width
        self.joined = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(width, width))
        cells = [nn.Conv2d(wide, config.cells, 1) for wide in channels] if config.cells else []
        self.cells = nn.ModuleList(cells)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Slices (N, H, W) in 0..1 to features (N, F), and cells (N, h, w, C) or None."""
        pixels = (images[:, None] * 2 - 1).contiguous(memory_format=torch.channels_last)  # (N, 1, H, W)
        maps = self.backbone(pixels)  # by scale (N, channels, h, w), the finest first
        pooled = [project(one.mean(dim=(2, 3))) for project, one in zip(self.projections, maps, strict=True)]
        features = self.joined(torch.cat(pooled, dim=1)).float()  # (N, F)
        if not len(self.cells):
            return features, None
        finest = maps[0].shape[2:]
        cells = self.cells[0](maps[0])  # (N, C, h, w)
        for project, one in zip(self.cells[1:], maps[1:], strict=True):
            cells = cells + F.interpolate(project(one), size=finest, mode="bilinear", align_corners=False)
        return features, cells.movedim(1, -1).float()


def _backbone(config: Network, size: tuple[int, int]) -> nn.Module:
    """The timm network that returns the chosen scales; those beyond the coarsest of them are left out."""
    options = {"image_size": size, "features_only": True, **config.options}
    count = len(feature_maps(encoder(config.backbone, **options)))
    indices = tuple(sorted(scale % count for scale in config.scales))
    return encoder(config.backbone, pretrained=config.pretrained, out_indices=indices, **options)


def _text(sizes: Collection[tuple[int, int]]) -> str:
    return ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
