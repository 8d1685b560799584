"""Crops: a few slices of one series seen through one affine map, read from the volume cache as one block.

Cropping, jitter, augmentation and resizing are one map, so every pixel is interpolated once. Where the source is much
finer than the output, its pixels are first averaged over whole areas, so that nothing aliases.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bench.imaging.study import Series
from bench.imaging.volumes import Volumes
from bench.training.placement import to_device

BLANK = -1
_CORNERS = np.array([[-1, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """What to read.

    Attributes:
        series: (B,) series ids; `BLANK` gives a crop of zeros.
        slices: (B, S) slice indices in anatomical order, in the order in which they are wanted; `BLANK` gives zeros.
        matrices: (B, 2, 3) source pixel (x, y) = matrix @ (a, b, 1), where a and b run over -1..1 from the left and top
            edge of the output to its right and bottom edge.
    """

    series: NDArray[np.int64]
    slices: NDArray[np.int64]
    matrices: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.series)

    def take(self, index: NDArray[np.int64]) -> Self:
        """The crops at these places."""
        return type(self)(self.series[index], self.slices[index], self.matrices[index])

    def split(self, counts: Sequence[int]) -> list[Self]:
        """The first so many crops, the next, and so on."""
        ends = np.cumsum(counts)[:-1]
        arrays = (np.split(one, ends) for one in (self.series, self.slices, self.matrices))
        return [type(self)(*parts) for parts in zip(*arrays, strict=True)]

    @classmethod
    def join(cls, parts: Sequence[Crops]) -> Self:
        """Several sets of crops, one after the other."""
        return cls(
            np.concatenate([part.series for part in parts]),
            np.concatenate([part.slices for part in parts]),
            np.concatenate([part.matrices for part in parts]),
        )


def neighbour_crops(
    series: Sequence[Series],
    slices: Sequence[int],
    matrices: NDArray[np.float64],
    neighbours: int,
    reverse: Sequence[bool],
) -> Crops:
    """Slices, each with its neighbours on either side: crops of 2 * ``neighbours`` + 1 slices.

    Args:
        series, slices: (B,) each the slice in the middle.
        matrices: (B, 2, 3) maps, see `Crops`.
        neighbours: on each side; beyond the end of a series its last slice repeats.
        reverse: (B,) whether the neighbours are taken against anatomical order.
    """
    offsets = np.arange(-neighbours, neighbours + 1)
    steps = np.where(reverse, -1, 1)
    last = np.array([len(one) - 1 for one in series])
    indices = np.clip(np.asarray(slices)[:, None] + steps[:, None] * offsets, 0, last[:, None])
    return Crops(np.array([one.series_id for one in series]), indices, matrices)


class CropReader:
    """Reads crops of one output size (H, W) as float images in 0..1 (1st to 99th percentile of each slice).

    Args:
        volumes: where the pixels come from.
        size: (H, W).
        device: where the images go; pixels are moved there as they are, and mapped there.
        keep_mb: memory for area-averaged series; useful where most of a series is read again and again.
    """

    def __init__(self, volumes: Volumes, size: tuple[int, int], device: str = "cpu", *, keep_mb: int = 0) -> None:
        self.volumes = volumes
        self.size = size
        self.device = device
        self.kept = Reduced(keep_mb)
        self._windows: dict[int, NDArray[np.float32]] = {}

    def read(self, crops: Crops, shift: Tensor | None = None) -> Tensor:
        """Images (B, S, H, W) on the reader's device; zeros where a crop leaves its image.

        Args:
            crops: what to read.
            shift: (B, 2) source pixels by which the crops are moved further, with a gradient: sampling is bilinear, so
                what is made of a crop can be differentiated by its place. Meant for shifts whose value is about zero:
                what lies beyond the crop's own block by more than a pixel of the output is not read.
        """
        count, depth = crops.slices.shape
        if not count:
            return torch.zeros(0, depth, *self.size, device=self.device)
        blocks = self.blocks(crops)
        return sample(blocks.pixels, crops.matrices, blocks.origins, blocks.factors, self.size, shift)

    def blocks(self, crops: Crops, *, enlarge: float = 1.0) -> Blocks:
        """The parts of the source that the crops touch, area-averaged.

        Args:
            crops: what is read.
            enlarge: how much wider and higher than the crops the blocks are.
        """
        blocks, windows, origins, factors = self._read_blocks(crops, enlarge)
        pixels = to_device(blocks, self.device)
        low, high = to_device(windows, self.device)[..., None, None].unbind(dim=2)
        pixels = pixels.sub_(low).div_((high - low).clamp_(min=1e-6)).clamp_(0, 1)
        return Blocks(pixels, origins, factors)

    def _read_blocks(
        self, crops: Crops, enlarge: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray, NDArray]:
        """(B, S, h, w) stored values; (B, S, 2) their percentiles; origins and factors as in `Blocks`."""
        height, width = self.size
        reach = np.abs(crops.matrices[:, :, :2]) * (2 / np.array([width, height]))  # source pixels an output pixel
        factors = np.maximum(1, np.floor(reach.max(axis=2))).astype(np.int64)  # (B, 2)
        corners = np.einsum("bij,cj->bci", crops.matrices, _CORNERS * (enlarge, enlarge, 1))
        low = np.floor(corners.min(axis=1)).astype(np.int64) - factors
        high = np.ceil(corners.max(axis=1)).astype(np.int64) + factors + 1
        parts = [self._block(crops, index, low[index], high[index], factors[index]) for index in range(len(crops))]
        extent = np.max([block.shape[1:] for block, _, _ in parts], axis=0)
        blocks = np.zeros((*crops.slices.shape, *np.maximum(extent, 1)), dtype=np.float32)
        windows = np.zeros((*crops.slices.shape, 2), dtype=np.float32)
        for index, (block, window, _) in enumerate(parts):
            there = crops.slices[index] != BLANK
            blocks[index, there, : block.shape[1], : block.shape[2]] = block
            windows[index, there] = window
        return blocks, windows, np.stack([origin for _, _, origin in parts]), factors

    def _block(
        self, crops: Crops, index: int, low: NDArray[np.int64], high: NDArray[np.int64], factor: NDArray[np.int64]
    ) -> tuple[np.ndarray, NDArray[np.float32], NDArray[np.int64]]:
        slices = crops.slices[index]
        slices = slices[slices != BLANK]
        if crops.series[index] == BLANK or not len(slices):
            return np.zeros((len(slices), 0, 0), np.float32), np.zeros((len(slices), 2), np.float32), low
        array, windows = self._series(int(crops.series[index]))
        size = np.array([array.shape[2], array.shape[1]])
        low = np.clip(low, 0, size) // factor * factor
        high = np.clip(high, low, size)
        first = slices.min()
        if self.kept.limit and factor.max() > 1:
            array = self.kept.get(int(crops.series[index]), factor, array)
            left, top, right, bottom = *(low // factor), *(-(-high // factor))
            block = array[first : slices.max() + 1, top:bottom, left:right]
        else:
            block = averaged(array[first : slices.max() + 1, low[1] : high[1], low[0] : high[0]], factor)
        if (np.diff(slices) != 1).any():
            block = block[slices - first]
        return block, windows[slices], low

    def _series(self, series_id: int) -> tuple[np.ndarray, NDArray[np.float32]]:
        """A series' memory map and percentiles."""
        if series_id not in self._windows:
            self._windows[series_id] = np.asarray(self.volumes.window(series_id), dtype=np.float32)
        return self.volumes.array(series_id), self._windows[series_id]


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Parts of the source.

    Attributes:
        pixels: (B, S, h, w) in 0..1, smaller blocks padded at the right and bottom.
        origins: (B, 2) source pixel of each block's first corner.
        factors: (B, 2) how many source pixels make one of the block, in x and in y.
    """

    pixels: Tensor
    origins: NDArray[np.int64]
    factors: NDArray[np.int64]


def sample(
    pixels: Tensor,
    matrices: NDArray[np.float64],
    origins: NDArray[np.int64],
    factors: NDArray[np.int64],
    size: tuple[int, int],
    shift: Tensor | None = None,
) -> Tensor:
    """Images (B, S, *size) out of blocks (B, S, h, w), zeros outside; see `Crops`, `Blocks` and `CropReader.read`."""
    maps = _block_maps(matrices, origins, factors, pixels.shape[-2:])
    theta = to_device(maps.astype(np.float32), pixels.device)
    if shift is not None:
        theta = theta + _as_theta(shift, factors, pixels.shape[-2:])
    grid = _grid(theta, size)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


class Reduced:
    """Whole series averaged over areas of pixels, the last used of them kept in memory."""

    def __init__(self, megabytes: int) -> None:
        self.limit = megabytes * 2**20
        self._size = 0
        self._kept: OrderedDict[tuple[int, int, int], np.ndarray] = OrderedDict()

    def get(self, series_id: int, factor: NDArray[np.int64], array: np.ndarray) -> np.ndarray:
        """A series (S, H, W) averaged by ``factor`` in x and y, in the number format of its source."""
        key = (series_id, int(factor[0]), int(factor[1]))
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        reduced = np.round(averaged(array, factor)).astype(array.dtype)
        self._kept[key] = reduced
        self._size += reduced.nbytes
        while self._size > self.limit and len(self._kept) > 1:
            self._size -= self._kept.popitem(last=False)[1].nbytes
        return reduced


def averaged(block: np.ndarray, factor: NDArray[np.int64]) -> np.ndarray:
    """Means over areas of ``factor`` (x, y) pixels; an incomplete last area takes the mean of what it has."""
    x, y = int(factor[0]), int(factor[1])
    if x == y == 1 or not block.size:
        return block
    right, bottom = -block.shape[2] % x, -block.shape[1] % y
    if right or bottom:
        block = np.pad(block, ((0, 0), (0, bottom), (0, right)), mode="edge")
    depth, height, width = block.shape
    return block.reshape(depth, height // y, y, width // x, x).mean(axis=(2, 4), dtype=np.float32)


def _as_theta(shift: Tensor, factors: NDArray, extent: tuple[int, ...]) -> Tensor:
    """(B, 2, 3) what shifts (B, 2) in source pixels add to the maps of blocks, see `_block_maps`."""
    size = torch.from_numpy(factors * np.array([extent[1], extent[0]])).to(shift)
    return F.pad((2 * shift / size)[:, :, None], (2, 0))


def _grid(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H, W, 2) where the centres of the output's pixels lie; as `F.affine_grid`, in a third of the time."""
    b, a = ((torch.arange(count, device=maps.device) * 2 + 1) / count - 1 for count in size)
    along_x = maps[:, :, 0, None] * a  # (B, 2, W)
    along_y = maps[:, :, 1, None] * b + maps[:, :, 2, None]  # (B, 2, H)
    return (along_x[:, :, None, :] + along_y[:, :, :, None]).movedim(1, -1).contiguous()


def _block_maps(
    matrices: NDArray[np.float64], origins: NDArray, factors: NDArray, extent: tuple[int, ...]
) -> NDArray[np.float64]:
    """Maps (B, 2, 3) to the -1..1 that `grid_sample` wants, of blocks whose common extent is (h, w)."""
    size = np.array([extent[1], extent[0]], dtype=np.float64)
    maps = matrices.copy()
    maps[:, :, 2] -= origins + (factors - 1) / 2  # centre of the block's first pixel
    maps /= factors[:, :, None]
    maps[:, :, 2] += 0.5
    maps *= (2 / size)[None, :, None]
    maps[:, :, 2] -= 1
    return maps
