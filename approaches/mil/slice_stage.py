"""Stage 1a: on which slice of a sagittal series each level's canal or foramen lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Series, Study
from bench.targets import MISSING, SAGITTAL_T1, SAGITTAL_T2
from bench.training.augmentation import brightness_contrast, shift_scale_rotate
from bench.training.crops import CropReader, Crops
from bench.training.loop import train
from bench.training.losses import marked_slice_loss, point_loss
from bench.training.windows import main_series, pixels_to_shares, whole

from .config import DepthNetwork
from .convnext3d import DepthNet

CANAL = tuple(range(5))
_KEEP_MB = 256
LEFT_FORAMINA, RIGHT_FORAMINA = tuple(range(5, 10)), tuple(range(10, 15))


@dataclass(frozen=True, slots=True)
class View:
    """Which targets a network finds in one pass over a series, and whether it sees the slices in reverse."""

    targets: tuple[int, ...]
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What one network of stage 1a or 1b is for: one kind of series, seen in one way or, mirrored, in two."""

    name: str
    description: str
    views: tuple[View, ...]
    symmetric: bool = False
    """Whether training may show the slices in either order."""


def tasks(mirror: bool) -> tuple[Task, Task]:
    """Canal and foramina. Mirrored, a left foramen is a right one in slices taken in reverse."""
    sides = (View(LEFT_FORAMINA, reverse=True), View(RIGHT_FORAMINA))
    together = (View(LEFT_FORAMINA + RIGHT_FORAMINA),)
    return (
        Task("canal", SAGITTAL_T2, (View(CANAL),), symmetric=mirror),
        Task("foramina", SAGITTAL_T1, sides if mirror else together),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """A series as stage 1a sees it: its slices in order or reversed, and where (NaN: unknown) its P points are."""

    series: Series
    reverse: bool
    slices: NDArray[np.float64]  # (P,) index in anatomical order
    pixels: NDArray[np.float64]  # (P, 2)

    def turned(self) -> Stack:
        """The same from the other side."""
        return Stack(self.series, not self.reverse, self.slices, self.pixels)


def marked_stacks(studies: Sequence[Study], marks: Keypoints, task: Task) -> list[Stack]:
    """Every series of the task that carries points."""
    stacks = []
    for row, study in enumerate(studies):
        for view in task.views:
            targets = list(view.targets)
            for series in study.of(task.description):
                here = marks.series[row, targets] == series.series_id
                if here.any():
                    slices = np.where(here, marks.slices[row, targets], np.nan)
                    pixels = np.where(here[:, None], marks.pixels[row, targets], np.nan)
                    stacks.append(Stack(series, view.reverse, slices, pixels))
    return stacks


class StackReader:
    """Reads whole series at a network's size: (B, depth, H, W), short ones padded with zeros, long ones resampled."""

    def __init__(self, config: DepthNetwork, context: Context) -> None:
        self.config = config
        self.crops = CropReader(context.volumes, config.size, context.device, keep_mb=_KEEP_MB)

    def matrices(self, stacks: Sequence[Stack]) -> NDArray[np.float64]:
        """(B, 2, 3) the maps that show the part of the slices that the network looks at."""
        return np.stack([whole(stack.series, 0, extent=self.config.extent) for stack in stacks])

    def depth(self, stacks: Sequence[Stack]) -> int:
        """Slices that these are padded or resampled to: a score a slice asks for no more than the longest has."""
        if self.config.pooling == "volume":
            return self.config.depth
        return min(self.config.depth, max(len(stack.series) for stack in stacks))

    def read(self, stacks: Sequence[Stack], matrices: NDArray[np.float64] | None = None) -> Tensor:
        """The stacks through affine maps (B, 2, 3), or as they are."""
        matrices = self.matrices(stacks) if matrices is None else matrices
        depth = self.depth(stacks)
        images = torch.zeros(len(stacks), depth, *self.config.size, device=self.crops.device)
        for index, stack in enumerate(stacks):
            order = np.arange(len(stack.series))[:: -1 if stack.reverse else 1]
            crop = Crops(np.array([stack.series.series_id]), order[None], matrices[index : index + 1])
            volume = self.crops.read(crop)
            if len(order) > depth:
                shape = (depth, *self.config.size)
                volume = F.interpolate(volume[None], size=shape, mode="trilinear", align_corners=False)[0]
            images[index, : volume.shape[1]] = volume[0]
        return images


def to_position(stack: Stack, depth: int) -> NDArray[np.float64]:
    """(P,) where the marked slices stand in the padded or resampled series."""
    count = len(stack.series)
    position = count - 1 - stack.slices if stack.reverse else stack.slices
    return (position + 0.5) * depth / count - 0.5 if count > depth else position


def from_position(stack: Stack, position: NDArray[np.float64], depth: int) -> NDArray[np.float64]:
    """(P,) slices in anatomical order, the inverse of `to_position`."""
    count = len(stack.series)
    if count > depth:
        position = (position + 0.5) * count / depth - 0.5
    return count - 1 - position if stack.reverse else position


@dataclass(frozen=True, slots=True)
class StackBatch:
    """Images (B, D, H, W), which slices are there (B, D), targets (B, P) of the slice and (B, P, 3) of x, y, depth."""

    images: Tensor
    there: Tensor
    slices: Tensor
    points: Tensor


class StackBatches:
    """The training data of one network of stage 1a."""

    def __init__(
        self, stacks: Sequence[Stack], config: DepthNetwork, context: Context, seed: int, symmetric: bool
    ) -> None:
        self.stacks, self.config, self.seed, self.symmetric = stacks, config, seed, symmetric
        self.reader = StackReader(config, context)
        alike: dict[int, list[int]] = {}
        for index, stack in enumerate(stacks):
            alike.setdefault(self.reader.depth([stack]), []).append(index)
        self.alike = [np.array(members) for members in alike.values()]

    def __len__(self) -> int:
        return sum(self._batches(members) for members in self.alike)

    def epoch(self, number: int) -> Iterator[tuple[StackBatch, int]]:
        """Every stack once, in an order and with changes that depend on the epoch's number alone.

        A batch holds stacks of one depth: the network's norms look at the whole volume, and padding to the longest
        would show them in training what is not there in prediction.
        """
        random = np.random.default_rng([self.seed, number])
        batches = [
            chosen
            for members in self.alike
            for chosen in np.array_split(random.permutation(members), self._batches(members))
        ]
        for index in random.permutation(len(batches)):
            stacks = [self.stacks[chosen] for chosen in batches[index]]
            if self.symmetric:
                stacks = [stack.turned() if random.random() < 0.5 else stack for stack in stacks]
            yield self.batch(stacks, random), len(stacks)

    def _batches(self, members: NDArray[np.int64]) -> int:
        return -(-len(members) // self.config.schedule.batch_size)

    def batch(self, stacks: Sequence[Stack], random: np.random.Generator) -> StackBatch:
        """Images and targets of some stacks."""
        matrices = self.reader.matrices(stacks)
        if self.config.change is not None:
            matrices = shift_scale_rotate(matrices, self.config.change, random)
        positions = np.stack([to_position(stack, self.config.depth) for stack in stacks])
        shares = pixels_to_shares(matrices, np.stack([stack.pixels for stack in stacks]))
        # A point that the change has moved out of the image cannot be told.
        shares[((shares < 0) | (shares > 1)).any(axis=2)] = np.nan
        points = np.concatenate([shares, (positions[..., None] + 0.5) / self.config.depth], axis=2)
        slices = np.where(np.isnan(positions), MISSING, np.round(np.nan_to_num(positions))).astype(np.int64)
        device = self.reader.crops.device
        images = self.reader.read(stacks, matrices)
        if self.config.light is not None:
            images = brightness_contrast(images, self.config.light, random)
        return StackBatch(
            images,
            slices_there(stacks, images.shape[1]).to(device),
            torch.from_numpy(slices).to(device),
            torch.from_numpy(points.astype(np.float32)).to(device),
        )


def slices_there(stacks: Sequence[Stack], depth: int) -> Tensor:
    """(B, D) which positions hold a slice and not padding."""
    counts = torch.tensor([len(stack.series) for stack in stacks])
    return torch.arange(depth)[None] < counts[:, None]


def build(config: DepthNetwork, task: Task) -> DepthNet:
    """An untrained network."""
    return DepthNet(
        config.widths,
        config.depths,
        points=len(task.views[0].targets),
        depth=config.depth,
        pooling=config.pooling,
        coordinates=config.predicts == "point",
    )


def train_depth(
    studies: Sequence[Study], marks: Keypoints, task: Task, config: DepthNetwork, context: Context, stage: str
) -> nn.Module | None:
    """A trained network, or None where no study has a point to learn from."""
    stacks = marked_stacks(studies, marks, task)
    if not stacks:
        return None
    torch.manual_seed(context.seed(f"{stage} weights"))
    batches = StackBatches(stacks, config, context, context.seed(f"{stage} data"), task.symmetric)
    return train(
        build(config, task), batches, depth_loss, config.schedule, context, stage=stage, precision=_precision(context)
    )


def depth_loss(model: nn.Module, batch: StackBatch) -> dict[str, Tensor]:
    """Cross entropy over the slices, or L1 of x, y and depth."""
    outputs = model(batch.images)
    if outputs.shape[-1] == 3 and getattr(model, "coordinates", False):
        return {"loss": point_loss(outputs, batch.points)}
    scores = outputs.masked_fill(~batch.there[:, None], float("-inf"))
    return {"loss": marked_slice_loss(scores.flatten(0, 1), batch.slices.flatten())}


@torch.inference_mode()
def find_slices(
    models: Sequence[tuple[DepthNetwork, nn.Module]], studies: Sequence[Study], task: Task, context: Context
) -> NDArray[np.float64]:
    """(N, 25) slice indices in anatomical order, the median of all networks; NaN where the series is missing."""
    found = np.full((len(models), len(studies), 25), np.nan)
    for number, (config, model) in enumerate(models):
        reader = StackReader(config, context)
        for row, stack, targets in _stacks(studies, task):
            if config.predicts == "point":
                position = model(reader.read([stack]))[0, :, 2] * config.depth - 0.5
            else:
                position = likeliest(_logs(model, reader, stack, both_ways=task.symmetric), config.pooling)
            slices = from_position(stack, position.double().cpu().numpy(), config.depth)
            found[number, row, targets] = np.clip(slices, 0, len(stack.series) - 1)
    return np.median(found, axis=0) if len(models) else np.full((len(studies), 25), np.nan)


@torch.inference_mode()
def find_chances(
    models: Sequence[tuple[DepthNetwork, nn.Module]], studies: Sequence[Study], task: Task, context: Context
) -> list[dict[int, NDArray[np.float64]]]:
    """For each study by target (S,) how likely each slice of the task's series is, in anatomical order: the mean of all
    networks; no entry where the series is missing or there is no network."""
    found: list[dict[int, NDArray[np.float64]]] = [{} for _ in studies]
    for config, model in models:
        reader = StackReader(config, context)
        for row, stack, targets in _stacks(studies, task):
            logs = _logs(model, reader, stack, both_ways=task.symmetric).double().cpu().numpy()
            slices = replace(stack, slices=np.arange(len(stack.series), dtype=np.float64))
            places = to_position(slices, config.depth)
            for target, log in zip(targets, logs, strict=True):
                chances = np.interp(places, np.arange(len(log)), np.exp(log))
                found[row][target] = found[row].get(target, 0) + chances / chances.sum() / len(models)
    return found


def _stacks(studies: Sequence[Study], task: Task) -> Iterator[tuple[int, Stack, list[int]]]:
    """Row, series and targets of every pass over the studies that have the task's series."""
    for row, study in enumerate(studies):
        series = main_series(study, task.description)
        if series is None:
            continue
        for view in task.views:
            blank = np.full(len(view.targets), np.nan)
            yield row, Stack(series, view.reverse, blank, np.stack([blank, blank], axis=1)), list(view.targets)


def _logs(model: nn.Module, reader: StackReader, stack: Stack, *, both_ways: bool) -> Tensor:
    """(P, D) log chances of a stack's positions by one network; ``both_ways``: seen in either order, and their mean."""
    images = reader.read([stack])
    there = slices_there([stack], images.shape[1]).to(images.device)
    logs: Tensor = model(images)[0].masked_fill(~there, float("-inf")).log_softmax(dim=1)
    if both_ways:
        count = int(there.sum())
        turned = model(reader.read([stack.turned()]))[0, :, :count]
        logs[:, :count] = (logs[:, :count] + turned.log_softmax(dim=1).flip(1)) / 2
    return logs


def likeliest(scores: Tensor, pooling: str) -> Tensor:
    """(P,) slices from scores (P, D): the highest score as the write-up, or, with a score a slice, the median of the
    softmax, which strays less far where two slices compete."""
    if pooling == "volume":
        return scores.argmax(dim=1)
    return (scores.softmax(dim=1).cumsum(dim=1) < 0.5).sum(dim=1)


def _precision(context: Context) -> str | None:
    """Depthwise 3D convolutions are slower in bf16 on a CPU."""
    return "fp32" if context.device == "cpu" else None
