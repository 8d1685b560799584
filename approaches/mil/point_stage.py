"""Stages 1b and 1c, training: where on a slice the points lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Series, Study
from bench.targets import indices
from bench.training.augmentation import brightness_contrast, shift_scale_rotate
from bench.training.crops import CropReader, neighbour_crops
from bench.training.loop import train
from bench.training.windows import pixels_to_relative, visible_only, whole

from .location_config import PointNetwork
from .location_networks import AXIAL_NEIGHBOURS, SAGITTAL_NEIGHBOURS, build_point_network
from .structures import Structure, on_series


@dataclass(frozen=True, slots=True, eq=False)
class MarkedSlice:
    """One slice with its P points, or a few slices of which training takes one at random.

    Attributes:
        series: the series.
        candidates: (C,) indices of the slices on which annotators marked the points.
        pixels: (P, 2) the points, NaN where unknown.
        output: the first of the network's outputs that are these points; those of a second side come after the first's.
        reverse: whether the neighbours are shown in reverse, to look like the other side's.
    """

    series: Series
    candidates: NDArray[np.int64]
    pixels: NDArray[np.float64]
    output: int = 0
    reverse: bool = False


def marked_sagittal_slices(
    studies: Sequence[Study], keypoints: Keypoints, structure: Structure, outputs: Sequence[int]
) -> list[MarkedSlice]:
    """One per study, side and series with points. ``outputs``: for each side the first of its network outputs."""
    slices = []
    for row, study in enumerate(studies):
        for output, side in zip(outputs, structure.sides, strict=True):
            for series in study.of(structure.description):
                slices += _marked_slice(series, side.targets, keypoints, row, output, side.reverse)
    return slices


def marked_axial_slices(studies: Sequence[Study], keypoints: Keypoints) -> list[MarkedSlice]:
    """One per study, level and series with points: its left and right recess, which may be marked on two slices."""
    slices = []
    for row, study in enumerate(studies):
        for pair in zip(indices("subarticular", "left"), indices("subarticular", "right"), strict=True):
            for series in study.axial_t2:
                slices += _marked_slice(series, pair, keypoints, row)
    return slices


def _marked_slice(
    series: Series, targets: tuple[int, ...], keypoints: Keypoints, row: int, output: int = 0, reverse: bool = False
) -> list[MarkedSlice]:
    here, pixels = on_series(series, targets, keypoints.series[row], keypoints.pixels[row])
    candidates = np.unique(keypoints.slices[row, list(targets)][here])
    return [MarkedSlice(series, candidates, pixels, output, reverse)] if here.any() else []


class PointBatches:
    """The training data of one network of stage 1b or 1c."""

    def __init__(
        self,
        slices: Sequence[MarkedSlice],
        config: PointNetwork,
        context: Context,
        seed: int,
        *,
        points: int,
        axial: bool,
        flip: bool,
    ) -> None:
        self.slices, self.config, self.seed = slices, config, seed
        self.points, self.flip = points, flip
        self.neighbours = AXIAL_NEIGHBOURS if axial else SAGITTAL_NEIGHBOURS
        self.reader = CropReader(context.volumes, config.size, context.device)

    def __len__(self) -> int:
        return -(-len(self.slices) // self.config.schedule.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[tuple[Tensor, Tensor], int]]:
        """Every slice once: images (B, C, H, W) and points (B, P, 2) in 0..1, NaN where unknown."""
        random = np.random.default_rng([self.seed, number])
        order = random.permutation(len(self.slices))
        for chosen in np.array_split(order, len(self)):
            yield self.batch([self.slices[index] for index in chosen], random), len(chosen)

    def batch(self, marked: Sequence[MarkedSlice], random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Images and points of some slices."""
        slices = [int(random.choice(one.candidates)) for one in marked]
        flips = random.random(len(marked)) < (0.5 if self.flip else 0.0)
        matrices = np.stack(
            [whole(one.series, index, flip=bool(flip)) for one, index, flip in zip(marked, slices, flips, strict=True)]
        )  # (B, 2, 3)
        if self.config.affine is not None:
            matrices = shift_scale_rotate(matrices, self.config.affine, random)
        relative = visible_only(pixels_to_relative(matrices, np.stack([one.pixels for one in marked])))  # (B, ., 2)
        relative[flips] = relative[flips, ::-1]  # a mirrored left recess is a right one
        points = np.full((len(marked), self.points, 2), np.nan)
        for row, one in enumerate(marked):
            points[row, one.output : one.output + relative.shape[1]] = relative[row]
        reverse = [one.reverse for one in marked]
        crops = neighbour_crops([one.series for one in marked], slices, matrices, self.neighbours, reverse)
        images = self.reader.read(crops)  # (B, C, H, W)
        if self.config.intensity is not None:
            images = brightness_contrast(images, self.config.intensity, random)
        return images, torch.from_numpy(points.astype(np.float32)).to(images.device)


def train_points(
    slices: Sequence[MarkedSlice],
    config: PointNetwork,
    context: Context,
    stage: str,
    *,
    points: int,
    axial: bool,
    flip: bool,
) -> nn.Module | None:
    """A trained network, or None where there is no slice to learn from."""
    if not slices:
        return None
    torch.manual_seed(context.seed(f"{stage} weights"))
    seed = context.seed(f"{stage} data")
    batches = PointBatches(slices, config, context, seed, points=points, axial=axial, flip=flip)
    model = build_point_network(config, axial=axial, points=points)
    return train(model, batches, _loss, config.schedule, context, stage=stage)


def _loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return model.loss(*batch)  # type: ignore[operator]
