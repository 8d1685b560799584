"""The 3D ConvNeXt of stage 1a, from scratch, as the first place's code has it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Depthwise (2, 7, 7), GroupNorm per channel, two pointwise layers with four times the width between, residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv3d(width, width, (2, 7, 7), padding=(0, 3, 3), groups=width)
        self.norm = nn.GroupNorm(width, width)
        # Pointwise convolutions, as linear layers over the last axis: several times faster on a CPU.
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, volume: Tensor) -> Tensor:
        """(B, C, D, H, W) to the same."""
        # "same" padding of an even kernel: one slice more behind than before
        changed = self.depthwise(F.pad(volume, (0, 0, 0, 0, 0, 1)))
        channels_last = self.norm(changed).movedim(1, -1)  # (B, D, H, W, C)
        return volume + self.narrow(F.gelu(self.widen(channels_last))).movedim(-1, 1)


class ConvNeXt3d(nn.Module):
    """Stem of (1, 2, 2) to half the first width; four stages that each halve all axes first.

    Args:
        widths, depths: channels and blocks per stage.
        keep_depth: halve only the image axes, so that every slice keeps its own features.
    """

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...], *, keep_depth: bool = False) -> None:
        super().__init__()
        width = widths[0] // 2
        self.stem = nn.Sequential(nn.Conv3d(1, width, (1, 2, 2), (1, 2, 2)), nn.GroupNorm(1, width))
        stride = (1, 2, 2) if keep_depth else (2, 2, 2)
        stages: list[nn.Module] = []
        for wider, blocks in zip(widths, depths, strict=True):
            down = [nn.GroupNorm(1, width), nn.Conv3d(width, wider, stride, stride)]
            stages.append(nn.Sequential(*down, *(Block(wider) for _ in range(blocks))))
            width = wider
        self.stages = nn.Sequential(*stages)
        self.num_features = width

    def forward(self, volume: Tensor) -> Tensor:
        """(B, 1, D, H, W) to feature maps (B, C, D', H / 32, W / 32), where D' is D or D / 16."""
        return self.stages(self.stem(volume))


class DepthNet(nn.Module):
    """From a series to the slice of each of P points.

    Args:
        widths, depths: of the ConvNeXt.
        points: how many points, such as five levels.
        depth: slices of the padded series.
        pooling: ``volume``: the mean over the whole series, then linear heads; ``slice``: a mean and a score per slice.
        coordinates: predict x, y and depth as three numbers in 0..1 instead of a score per slice.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        points: int,
        depth: int,
        *,
        pooling: str = "volume",
        coordinates: bool = False,
    ) -> None:
        super().__init__()
        self.pooling, self.points, self.coordinates = pooling, points, coordinates
        self.encoder = ConvNeXt3d(widths, depths, keep_depth=pooling == "slice")
        outputs = 3 if coordinates else 1 if pooling == "slice" else depth
        self.norm = nn.LayerNorm(self.encoder.num_features)
        self.heads = nn.ModuleList(nn.Linear(self.encoder.num_features, outputs) for _ in range(points))

    def forward(self, volumes: Tensor) -> Tensor:
        """(B, D, H, W) to scores (B, P, D), or coordinates in 0..1 (B, P, 3) as x, y, depth."""
        features = self.encoder(volumes.unsqueeze(1)).float()  # (B, C, D', H', W')
        over = (3, 4) if self.pooling == "slice" else (2, 3, 4)
        pooled = self.norm(features.mean(over).movedim(1, -1))  # (B, C) or (B, D, C)
        outputs = torch.stack([head(pooled) for head in self.heads], dim=1)  # (B, P, .) or (B, P, D, .)
        if self.coordinates:
            return outputs.sigmoid()
        return outputs.squeeze(-1) if self.pooling == "slice" else outputs
