"""Stacks of whole slices, for 3D networks and for sequence models: a series in order or reversed, at one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bench.imaging.study import Series
from bench.imaging.volumes import Volumes
from bench.training.crops import CropReader, Crops
from bench.training.windows import WHOLE, Extent, whole


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The slices of a series as a network sees them.

    Attributes:
        series: the series.
        reverse: against anatomical order.
        chosen: (S,) indices of the slices that are taken, in anatomical order; None: all of them.
    """

    series: Series
    reverse: bool = False
    chosen: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.series) if self.chosen is None else len(self.chosen)

    @property
    def slices(self) -> NDArray[np.int64]:
        """(S,) indices of the slices in the order in which they are seen."""
        slices = np.arange(len(self.series)) if self.chosen is None else self.chosen
        return slices[::-1] if self.reverse else slices


class StackReader:
    """Reads stacks at a network's size: (B, depth, H, W), short ones padded with zeros, long ones resampled.

    Args:
        volumes: where the pixels come from.
        size: (H, W) of a slice.
        device: where the images go.
        depth: the most slices of a stack; longer ones are resampled to it.
        pad: whether shorter stacks are always padded to ``depth``. If not, they are padded to the longest of those
            that are read together, so that stacks of one length are not padded at all.
        extent: the part of a slice that is shown.
        keep_mb: memory for area-averaged series, see `CropReader`.
    """

    def __init__(
        self,
        volumes: Volumes,
        size: tuple[int, int],
        device: str = "cpu",
        *,
        depth: int,
        pad: bool = True,
        extent: Extent = WHOLE,
        keep_mb: int = 256,
    ) -> None:
        self.size, self.depth, self.pad, self.extent = size, depth, pad, extent
        self.crops = CropReader(volumes, size, device, keep_mb=keep_mb)

    @property
    def device(self) -> str:
        """Where the images go."""
        return self.crops.device

    def matrices(self, stacks: Sequence[Stack]) -> NDArray[np.float64]:
        """(B, 2, 3) the maps that show the extent of the slices."""
        return np.stack([whole(stack.series, int(stack.slices.min()), extent=self.extent) for stack in stacks])

    def depth_of(self, stacks: Sequence[Stack]) -> int:
        """Slices that these stacks are padded or resampled to when they are read together."""
        return self.depth if self.pad else min(self.depth, max(len(stack) for stack in stacks))

    def read(self, stacks: Sequence[Stack], matrices: NDArray[np.float64] | None = None) -> Tensor:
        """Images (B, depth, H, W) of some stacks through affine maps (B, 2, 3), or as `matrices` shows them."""
        matrices = self.matrices(stacks) if matrices is None else matrices
        depth = self.depth_of(stacks)
        images = torch.zeros(len(stacks), depth, *self.size, device=self.device)  # (B, D, H, W)
        for index, stack in enumerate(stacks):
            crop = Crops(np.array([stack.series.series_id]), stack.slices[None], matrices[index : index + 1])
            volume = self.crops.read(crop)  # (1, S, H, W)
            if len(stack) > depth:
                shape = (depth, *self.size)
                volume = F.interpolate(volume[None], size=shape, mode="trilinear", align_corners=False)[0]
            images[index, : volume.shape[1]] = volume[0]
        return images


def batches_of_one_depth(stacks: Sequence[Stack], reader: StackReader, batch_size: int) -> list[list[int]]:
    """Indices of stacks in batches of as many slices each, so that none is padded because of another.

    Networks whose norms look at the whole volume then say the same of a stack whatever it is read with.
    """
    by_depth: dict[int, list[int]] = {}
    for index, stack in enumerate(stacks):
        depth = reader.depth if len(stack) > reader.depth else len(stack)
        by_depth.setdefault(depth, []).append(index)
    return [
        members[start : start + batch_size]
        for members in by_depth.values()
        for start in range(0, len(members), batch_size)
    ]


def flip_slices(values: Tensor, count: int, dim: int = 1) -> Tensor:
    """Values whose axis ``dim`` runs over the positions of stacks of ``count`` slices, the other way round.

    Padding stays behind the slices. What was resampled is given with its resampled count.
    """
    slices, padding = values.narrow(dim, 0, count), values.narrow(dim, count, values.shape[dim] - count)
    return torch.cat([slices.flip(dim), padding], dim=dim)


def present_slices(stacks: Sequence[Stack], depth: int) -> Tensor:
    """(B, D) which positions of padded stacks hold a slice."""
    counts = torch.tensor([len(stack) for stack in stacks])
    return torch.arange(depth)[None] < counts[:, None]


def to_position(stack: Stack, places: NDArray[np.float64], depth: int) -> NDArray[np.float64]:
    """(P,) where slices, given by their place in the stack in anatomical order, stand in the padded or resampled stack.

    Without ``chosen`` a slice's place is its index in the series. NaN stays NaN.
    """
    count = len(stack)
    position = count - 1 - places if stack.reverse else places
    return (position + 0.5) * depth / count - 0.5 if count > depth else position


def from_position(stack: Stack, position: NDArray[np.float64], depth: int) -> NDArray[np.float64]:
    """(P,) places in anatomical order, the inverse of `to_position`."""
    count = len(stack)
    if count > depth:
        position = (position + 0.5) * count / depth - 0.5
    return count - 1 - position if stack.reverse else position
