"""Random changes to the scans of training studies, and to where their slices lie, so that positions in mm stay true."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bench.targets import AXIAL_T2
from bench.training.augmentation.affine import ShiftScaleRotate
from bench.training.augmentation.flips import flip_images, reverse_slices, swap_sides
from bench.training.augmentation.recipe import augment
from bench.training.augmentation.warp import Warp, changed_items, draw_affine, on_device, warp_items

from .config import Training
from .scans import Scans


@dataclass(frozen=True, slots=True)
class Batch:
    """B training studies.

    Attributes:
        scans: by series description.
        grades: (B, 25), -1 where there is no label.
        points: (B, 25, 3) annotators' points in mm from the study's middle, NaN where unknown.
    """

    scans: dict[str, Scans]
    grades: Tensor
    points: Tensor


def vary(batch: Batch, config: Training, random: np.random.Generator) -> Batch:
    """The batch as training sees it."""
    scans = {kind: _changed(one, config, random) for kind, one in batch.scans.items()}
    if config.order == "arbitrary":
        scans = {kind: out_of_order(one, random) for kind, one in scans.items()}
    batch = replace(batch, scans=scans)
    if config.mirror is None:
        return batch
    rows = np.flatnonzero(random.random(len(batch.grades)) < config.mirror.probability)
    return mirrored(batch, rows) if len(rows) else batch


def mirrored(batch: Batch, rows: np.ndarray) -> Batch:
    """These rows seen in a mirror: left is right in images, positions, points and labels.

    Axial images are flipped. Sagittal ones stay, but their slices come in reverse.
    """
    points = swap_sides(batch.points, rows)
    points[rows, :, 0] *= -1
    scans = {}
    for kind, one in batch.scans.items():
        maps = one.maps.clone()
        maps[rows, :, 0] *= -1
        if kind == AXIAL_T2:
            maps[rows, :, :, 0] *= -1  # the image's left edge shows what its right edge did
            scans[kind] = Scans(flip_images(one.images, rows), one.present, maps)
        else:
            scans[kind] = Scans(*(_reversed(values, one.present, rows) for values in (one.images, one.present, maps)))
    return Batch(scans, swap_sides(batch.grades, rows), points)


def _reversed(values: Tensor, present: Tensor, rows: np.ndarray) -> Tensor:
    """Values (B, S, ...) with the slices of these rows in reverse, padding still behind them."""
    values = reverse_slices(values, rows)
    for row in rows:
        values[row] = values[row].roll(int(present[row].sum()), dims=0)
    return values


def _changed(scans: Scans, config: Training, random: np.random.Generator) -> Scans:
    """Images through the recipe; a change of place goes into the maps where a scan is changed as a whole."""
    recipe = config.augmentation.model_copy(update={"affine": None})
    images, maps = scans.images, scans.maps
    shape = images.shape
    if config.each_slice:
        images = images.flatten(0, 1)[:, None]  # (B * S, 1, H, W): an item is a slice
    if config.augmentation.affine is not None:
        images, linear = _moved(images, config.augmentation.affine, random)
        if not config.each_slice:
            maps = maps @ linear[:, None]
    images, _ = augment(images, None, recipe, random)
    return Scans(images.reshape(shape), scans.present, maps)


def _moved(images: Tensor, affine: ShiftScaleRotate, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Items shifted, scaled and rotated, and for each the map (3, 3) from new to old image coordinates."""
    height, width = images.shape[-2:]
    matrices = draw_affine(len(images), height, width, affine, random)  # (B, 2, 3)
    chosen = changed_items(matrices)
    maps = np.concatenate([matrices, np.tile([[[0.0, 0.0, 1.0]]], (len(images), 1, 1))], axis=1)
    if len(chosen):
        still = torch.zeros(len(chosen), 2, height, width, device=images.device)
        images, _ = warp_items(images, None, Warp(still, on_device(matrices[chosen], images)), chosen)
    return images, on_device(maps, images)


def out_of_order(scans: Scans, random: np.random.Generator) -> Scans:
    """The images of each scan at each other's places; the places keep their positions."""
    images = scans.images.clone()
    for row in range(len(images)):
        count = int(scans.present[row].sum())
        images[row, :count] = images[row, torch.from_numpy(random.permutation(count))]
    return Scans(images, scans.present, scans.maps)
