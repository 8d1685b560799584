"""Stages 1b and 1c: training and asking the networks that find points on a slice."""

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
from bench.training.augmentation import brightness_contrast, shift_scale_rotate
from bench.training.crops import CropReader, Crops
from bench.training.loop import train
from bench.training.losses import point_loss
from bench.training.precision import autocast
from bench.training.windows import pixels_to_shares, shares_to_pixels, whole

from .config import PointNetwork
from .pointnet import HeatmapPoints, build, heatmap_loss
from .slice_stage import Task, View

LEFT_RECESSES, RIGHT_RECESSES = tuple(range(15, 20)), tuple(range(20, 25))
SAGITTAL_NEIGHBOURS, AXIAL_NEIGHBOURS = 1, 0


@dataclass(frozen=True, slots=True, eq=False)
class Slide:
    """One slice, or a few that would do, and the P points on it (NaN: unknown)."""

    series: Series
    candidates: NDArray[np.int64]
    pixels: NDArray[np.float64]  # (P, 2)
    head: int = 0
    """The first of the network's points that these are: a second side's come after the first's."""
    reverse: bool = False
    """Whether the neighbours are taken in reverse, to look like the other side's."""


def sagittal_slides(studies: Sequence[Study], marks: Keypoints, task: Task, heads: Sequence[int]) -> list[Slide]:
    """A slide a study and side; the slices that were marked are the candidates. ``heads``: each side's first point."""
    slides = []
    for row, study in enumerate(studies):
        for head, side in zip(heads, sides(task), strict=True):
            targets = list(side.targets)
            for series in study.of(task.description):
                here = marks.series[row, targets] == series.series_id
                if here.any():
                    pixels = np.where(here[:, None], marks.pixels[row, targets], np.nan)
                    slices = np.unique(marks.slices[row, targets][here])
                    slides.append(Slide(series, slices, pixels, head, side.reverse))
    return slides


def axial_slides(studies: Sequence[Study], marks: Keypoints) -> list[Slide]:
    """A slide a study and level, with its left and its right recess; marked on either's slice if not on one."""
    slides = []
    for row, study in enumerate(studies):
        for pair in zip(LEFT_RECESSES, RIGHT_RECESSES, strict=True):
            targets = list(pair)
            for series in study.axial_t2:
                here = marks.series[row, targets] == series.series_id
                if here.any():
                    pixels = np.where(here[:, None], marks.pixels[row, targets], np.nan)
                    slides.append(Slide(series, np.unique(marks.slices[row, targets][here]), pixels))
    return slides


def sides(task: Task) -> list[View]:
    """What lies on one slide: all levels of the canal, or of the foramina of one side."""
    return [
        View(view.targets[start : start + 5], view.reverse)
        for view in task.views
        for start in range(0, len(view.targets), 5)
    ]


class SlideBatches:
    """The training data of one network of stage 1b or 1c."""

    def __init__(
        self,
        slides: Sequence[Slide],
        config: PointNetwork,
        context: Context,
        seed: int,
        *,
        points: int,
        axial: bool,
        flip: bool,
    ) -> None:
        self.slides, self.config, self.seed = slides, config, seed
        self.points, self.flip = points, flip
        self.neighbours = AXIAL_NEIGHBOURS if axial else SAGITTAL_NEIGHBOURS
        self.reader = CropReader(context.volumes, config.size, context.device)

    def __len__(self) -> int:
        return -(-len(self.slides) // self.config.schedule.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[tuple[Tensor, Tensor], int]]:
        """Every slide once: images (B, C, H, W) and points (B, P, 2) as shares, NaN where unknown."""
        random = np.random.default_rng([self.seed, number])
        order = random.permutation(len(self.slides))
        for chosen in np.array_split(order, len(self)):
            yield self.batch([self.slides[index] for index in chosen], random), len(chosen)

    def batch(self, slides: Sequence[Slide], random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Images and points of some slides."""
        slices = [int(random.choice(slide.candidates)) for slide in slides]
        flips = random.random(len(slides)) < (0.5 if self.flip else 0.0)
        matrices = np.stack(
            [
                whole(slide.series, index, flip=bool(flip))
                for slide, index, flip in zip(slides, slices, flips, strict=True)
            ]
        )
        if self.config.change is not None:
            matrices = shift_scale_rotate(matrices, self.config.change, random)
        shares = pixels_to_shares(matrices, np.stack([slide.pixels for slide in slides]))
        shares[flips] = shares[flips, ::-1]  # a mirrored left recess is a right one
        points = np.full((len(slides), self.points, 2), np.nan)
        for row, slide in enumerate(slides):
            points[row, slide.head : slide.head + shares.shape[1]] = shares[row]
        # A point that the change has moved out of the image cannot be told.
        points[((points < 0) | (points > 1)).any(axis=2)] = np.nan
        reverse = [slide.reverse for slide in slides]
        crops = slide_crops([slide.series for slide in slides], slices, matrices, self.neighbours, reverse)
        images = self.reader.read(crops)
        if self.config.light is not None:
            images = brightness_contrast(images, self.config.light, random)
        return images, torch.from_numpy(points.astype(np.float32)).to(images.device)


def slide_crops(
    series: Sequence[Series],
    slices: Sequence[int],
    matrices: NDArray[np.float64],
    neighbours: int,
    reverse: Sequence[bool],
) -> Crops:
    """Slices with their neighbours on either side, in anatomical order or reversed; the ends of a series repeat."""
    offsets = np.arange(-neighbours, neighbours + 1)
    ways = np.where(reverse, -1, 1)
    last = np.array([len(one) - 1 for one in series])
    indices = np.clip(np.asarray(slices)[:, None] + ways[:, None] * offsets, 0, last[:, None])
    return Crops(np.array([one.series_id for one in series]), indices, matrices)


def train_points(
    slides: Sequence[Slide], config: PointNetwork, context: Context, stage: str, *, points: int, axial: bool, flip: bool
) -> nn.Module | None:
    """A trained network, or None where there is no slide to learn from."""
    if not slides:
        return None
    torch.manual_seed(context.seed(f"{stage} weights"))
    channels = 1 if axial else 2 * SAGITTAL_NEIGHBOURS + 1
    batches = SlideBatches(
        slides, config, context, context.seed(f"{stage} data"), points=points, axial=axial, flip=flip
    )
    model = build(config, channels=channels, points=points)
    return train(model, batches, _loss, config.schedule, context, stage=stage)


def _loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    images, points = batch
    if not isinstance(model, HeatmapPoints):
        return {"loss": point_loss(model(images), points)}
    weights, centres = model.heatmaps(images)
    distance = point_loss(weights @ centres, points)
    return {"loss": distance + model.map_loss * heatmap_loss(weights, centres, points), "distance": distance}


@torch.inference_mode()
def find_points(
    models: Sequence[tuple[PointNetwork, nn.Module]],
    series: Sequence[Series],
    slices: Sequence[int],
    context: Context,
    *,
    axial: bool,
    reverse: Sequence[bool] | None = None,
    batch_size: int = 32,
) -> NDArray[np.float64]:
    """(B, P, 2) pixels of the points on some slices: the mean of all networks. ``reverse``: as `Slide.reverse`."""
    matrices = np.stack([whole(one, index) for one, index in zip(series, slices, strict=True)])
    neighbours = AXIAL_NEIGHBOURS if axial else SAGITTAL_NEIGHBOURS
    crops = slide_crops(series, slices, matrices, neighbours, reverse or [False] * len(series))
    total = np.zeros((len(crops), 1, 2))
    for config, model in models:
        reader = CropReader(context.volumes, config.size, context.device)
        outputs = []
        for start in range(0, len(crops), batch_size):
            images = reader.read(crops.take(np.arange(start, min(start + batch_size, len(crops)))))
            with autocast(context.device, context.precision):
                outputs.append(model(images).double().cpu().numpy())
        total = total + np.concatenate(outputs)
    shares = total / len(models)
    return np.stack([shares_to_pixels(matrix, points) for matrix, points in zip(matrices, shares, strict=True)])
