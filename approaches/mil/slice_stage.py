"""Stage 1a, training: on which slice of a sagittal series each level's canal or foramen lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.targets import MISSING
from bench.training.augmentation import brightness_contrast, shift_scale_rotate
from bench.training.loop import train
from bench.training.losses import marked_slice_loss, point_loss
from bench.training.stacks import Stack, StackReader, present_slices, to_position
from bench.training.windows import pixels_to_relative, visible_only

from .location_config import DepthNetwork
from .location_networks import slice_network
from .structures import Structure, on_series

CPU_PRECISION = "fp32"  # depthwise 3D convolutions are slower in bf16 on a CPU


@dataclass(frozen=True, slots=True, eq=False)
class MarkedStack:
    """A stack and where (NaN: unknown) its P points are.

    Attributes:
        stack: the slices.
        slices: (P,) index of each point's slice in anatomical order.
        pixels: (P, 2) x and y on it.
    """

    stack: Stack
    slices: NDArray[np.float64]
    pixels: NDArray[np.float64]

    def reversed(self) -> MarkedStack:
        """The same, its slices shown the other way round."""
        return replace(self, stack=replace(self.stack, reverse=not self.stack.reverse))


def marked_stacks(studies: Sequence[Study], keypoints: Keypoints, structure: Structure) -> list[MarkedStack]:
    """Every series of the structure's kind that carries its points, in each of its views."""
    stacks = []
    for row, study in enumerate(studies):
        for view in structure.views:
            for series in study.of(structure.description):
                here, slices = on_series(series, view.targets, keypoints.series[row], keypoints.slices[row])
                _, pixels = on_series(series, view.targets, keypoints.series[row], keypoints.pixels[row])
                if here.any():
                    stacks.append(MarkedStack(Stack(series, view.reverse), slices, pixels))
    return stacks


def stack_reader(config: DepthNetwork, context: Context) -> StackReader:
    """Reads series as a network of stage 1a sees them: one score per slice asks for no more than the longest has."""
    pad = config.pooling == "volume"
    return StackReader(context.volumes, config.size, context.device, depth=config.depth, pad=pad, extent=config.extent)


@dataclass(frozen=True, slots=True)
class StackBatch:
    """A batch.

    Attributes:
        images: (B, D, H, W).
        present: (B, D) which of them are slices and not padding.
        slices: (B, P) the position of each point's slice, -1 where unknown.
        points: (B, P, 3) x, y and depth in 0..1, NaN where unknown.
    """

    images: Tensor
    present: Tensor
    slices: Tensor
    points: Tensor


class StackBatches:
    """The training data of one network of stage 1a.

    A batch holds stacks of one depth: the network's norms look at the whole volume, and padding to the longest would
    show them in training what is not there in prediction.
    """

    def __init__(
        self, stacks: Sequence[MarkedStack], config: DepthNetwork, context: Context, seed: int, symmetric: bool
    ) -> None:
        self.stacks, self.config, self.seed, self.symmetric = stacks, config, seed, symmetric
        self.reader = stack_reader(config, context)
        by_depth: dict[int, list[int]] = {}
        for index, marked in enumerate(stacks):
            by_depth.setdefault(self.reader.depth_of([marked.stack]), []).append(index)
        self.by_depth = [np.array(members) for members in by_depth.values()]

    def __len__(self) -> int:
        return sum(self._batches(members) for members in self.by_depth)

    def epoch(self, number: int) -> Iterator[tuple[StackBatch, int]]:
        """Every stack once, in an order and with augmentation that depend on the epoch's number alone."""
        random = np.random.default_rng([self.seed, number])
        batches = [
            chosen
            for members in self.by_depth
            for chosen in np.array_split(random.permutation(members), self._batches(members))
        ]
        for index in random.permutation(len(batches)):
            stacks = [self.stacks[chosen] for chosen in batches[index]]
            if self.symmetric:
                stacks = [stack.reversed() if random.random() < 0.5 else stack for stack in stacks]
            yield self.batch(stacks, random), len(stacks)

    def _batches(self, members: NDArray[np.int64]) -> int:
        return -(-len(members) // self.config.schedule.batch_size)

    def batch(self, marked: Sequence[MarkedStack], random: np.random.Generator) -> StackBatch:
        """Images and targets of some stacks."""
        depth, device = self.config.depth, self.reader.device
        stacks = [one.stack for one in marked]
        matrices = self.reader.matrices(stacks)  # (B, 2, 3)
        if self.config.affine is not None:
            matrices = shift_scale_rotate(matrices, self.config.affine, random)
        positions = np.stack([to_position(one.stack, one.slices, depth) for one in marked])  # (B, P)
        relative = visible_only(pixels_to_relative(matrices, np.stack([one.pixels for one in marked])))  # (B, P, 2)
        points = np.concatenate([relative, (positions[..., None] + 0.5) / depth], axis=2)  # (B, P, 3)
        slices = np.where(np.isnan(positions), MISSING, np.round(np.nan_to_num(positions))).astype(np.int64)
        images = self.reader.read(stacks, matrices)  # (B, D, H, W)
        if self.config.intensity is not None:
            images = brightness_contrast(images, self.config.intensity, random)
        return StackBatch(
            images,
            present_slices(stacks, images.shape[1]).to(device),
            torch.from_numpy(slices).to(device),
            torch.from_numpy(points.astype(np.float32)).to(device),
        )


def train_slices(
    studies: Sequence[Study],
    keypoints: Keypoints,
    structure: Structure,
    config: DepthNetwork,
    context: Context,
    stage: str,
) -> nn.Module | None:
    """A trained network, or None where no study has a point to learn from."""
    stacks = marked_stacks(studies, keypoints, structure)
    if not stacks:
        return None
    torch.manual_seed(context.seed(f"{stage} weights"))
    model = slice_network(config, len(structure.views[0].targets))
    batches = StackBatches(stacks, config, context, context.seed(f"{stage} data"), structure.symmetric)
    precision = CPU_PRECISION if context.device == "cpu" else None
    return train(model, batches, slice_loss, config.schedule, context, stage=stage, precision=precision)


def slice_loss(model: nn.Module, batch: StackBatch) -> dict[str, Tensor]:
    """Cross entropy over the slices, or L1 of x, y and depth."""
    outputs = model(batch.images)  # (B, P, D) or (B, P, 3)
    if getattr(model, "coordinates", False):
        return {"loss": point_loss(outputs, batch.points)}
    scores = outputs.masked_fill(~batch.present[:, None], float("-inf"))
    return {"loss": marked_slice_loss(scores.flatten(0, 1), batch.slices.flatten())}
