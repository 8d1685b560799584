"""Source pixels around crops that are read again and again, kept in memory: an epoch then reads no file.

What moves from one epoch to the next is where in its block a crop lies, how large it is and how it is turned. Blocks
are kept as 8 bits between the slice's 1st and 99th percentile.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.training.crops import CropReader, Crops, sample

_TOGETHER = 128  # blocks that are read at a time
_WHITE = 255


class CropStore:
    """Blocks of source pixels, from which crops are sampled.

    Args:
        size: (H, W) of a crop.
        pixels: (N, S, h, w) uint8.
        origins, factors: (N, 2) see `bench.training.crops.Blocks`.
    """

    def __init__(
        self, size: tuple[int, int], pixels: Tensor, origins: NDArray[np.int64], factors: NDArray[np.int64]
    ) -> None:
        self.size, self.pixels, self.origins, self.factors = size, pixels, origins, factors

    def __len__(self) -> int:
        return len(self.pixels)

    def read(
        self,
        index: NDArray[np.int64],
        slices: NDArray[np.int64],
        matrices: NDArray[np.float64],
        shift: Tensor | None = None,
    ) -> Tensor:
        """Images (B, s, H, W) in 0..1; zeros beyond a block.

        Args:
            index: (B,) which blocks.
            slices: (B, s) which of a block's slices, counted from its first.
            matrices: (B, 2, 3) maps to source pixels, see `bench.training.crops.Crops`.
            shift: see `bench.training.crops.CropReader.read`.
        """
        count, depth, height, width = self.pixels.shape
        places = torch.from_numpy((index[:, None] * depth + slices).ravel()).to(self.pixels.device)
        chosen = self.pixels.view(count * depth, height, width).index_select(0, places)
        pixels = chosen.view(*slices.shape, height, width).float()  # (B, s, h, w)
        images = sample(pixels, matrices, self.origins[index], self.factors[index], self.size, shift)
        return images / _WHITE if shift is not None else images.div_(_WHITE)


def keep_crops(reader: CropReader, crops: Crops, *, enlarge: float, most_mb: int) -> CropStore | None:
    """The blocks of crops, ``enlarge`` times as wide and high as they are; None if they take more memory than allowed.

    Args:
        reader: of the crops' size.
        crops: (N,) with S slices each, all that may be asked for later.
        enlarge: room for what moves a crop.
        most_mb: limit, in MiB.
    """
    parts: list[Tensor] = []
    origins, factors = np.zeros((len(crops), 2), np.int64), np.ones((len(crops), 2), np.int64)
    height = width = 1
    for start in range(0, len(crops), _TOGETHER):
        rows = np.arange(start, min(start + _TOGETHER, len(crops)))
        blocks = reader.blocks(crops.take(rows), enlarge=enlarge)
        origins[rows], factors[rows] = blocks.origins, blocks.factors
        parts.append(blocks.pixels.mul_(_WHITE).round_().to(torch.uint8))
        height, width = max(height, blocks.pixels.shape[2]), max(width, blocks.pixels.shape[3])
        if len(crops) * crops.slices.shape[1] * height * width > most_mb * 2**20:
            return None
    pixels = torch.zeros(len(crops), crops.slices.shape[1], height, width, dtype=torch.uint8, device=reader.device)
    for part, start in zip(parts, range(0, len(crops), _TOGETHER), strict=True):
        pixels[start : start + len(part), :, : part.shape[2], : part.shape[3]] = part
    return CropStore(reader.size, pixels, origins, factors)
