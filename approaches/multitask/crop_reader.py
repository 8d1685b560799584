"""Crops around points, cut out of full-resolution slices in millimetres or pixels: the classifier's images.

A crop is sampled bilinearly at its point, so it is differentiable in it: a ``shift`` whose value is zero carries the
gradient of what is made of the crop back to the network that found the point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.targets import AXIAL_T2
from bench.training.augmentation import brightness_contrast, shift_scale_rotate
from bench.training.augmentation.flips import OTHER_SIDE
from bench.training.augmentation.recipe import augment
from bench.training.crops import CropReader, Crops, neighbour_crops
from bench.training.windows import Window, around, axis_signs

from .classifier_config import ClassifierConfig
from .streams import Places, Stream, levels, places, used_streams

NEIGHBOURS = 1


@dataclass(frozen=True, slots=True, eq=False)
class StudyCrops:
    """Crops of B studies.

    Attributes:
        images: by stream (n, 3, H, W), present crops alone, study by study.
        present: by stream (B, 25) which targets have a crop.
        read: by stream, the slices that are the channels.
        own: (B, 25) which targets have a crop at their own point.
    """

    images: dict[str, Tensor]
    present: dict[str, NDArray[np.bool_]]
    read: dict[str, Crops]
    own: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """How located points and selected slices differ from marked ones.

    Attributes:
        points_mm: by series description (n, 2), along the axes that are shown.
        slices: by series description, how often a slice is off by how many: offsets and their probabilities.
    """

    points_mm: Mapping[str, NDArray[np.float64]]
    slices: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]]


class StudyCropReader:
    """Reads the crops of studies at some points.

    Args:
        studies: all that may be asked for.
        config: of the classifier.
        context: volumes and device.
        errors: for training: how far points and slices are moved; None: not at all.
        sources: (25,) the target whose point, side and kind each target's crop is cut at; the identity unless a defect
            of the published code is put back.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        config: ClassifierConfig,
        context: Context,
        *,
        errors: Errors | None = None,
        sources: NDArray[np.int64] | None = None,
    ) -> None:
        self.studies, self.config, self.errors = studies, config, errors
        self.device = context.device
        self.sources = np.arange(len(OTHER_SIDE)) if sources is None else sources
        self.streams = used_streams(config.axial_context)
        self.windows: dict[str, Window] = {one.name: getattr(config.windows, one.name) for one in self.streams}
        sizes = {window.size for window in self.windows.values()}
        self.readers = {size: CropReader(context.volumes, size, context.device) for size in sizes}

    def read(
        self,
        rows: NDArray[np.int64],
        keypoints: Keypoints,
        random: np.random.Generator | None = None,
        mirrored: NDArray[np.bool_] | None = None,
        shift: Mapping[str, Tensor] | None = None,
    ) -> StudyCrops:
        """The crops of some studies.

        Args:
            rows: (B,) of the studies.
            keypoints: of all studies.
            random: crops are changed as training sees them.
            mirrored: (B,) studies that are shown mirrored: a target shows the other side's crop, flipped.
            shift: by stream (B, 25, 2), zeros that carry the gradient to the points, in source pixels.
        """
        images, present, read = {}, {}, {}
        turned = np.zeros(len(rows), dtype=bool) if mirrored is None else mirrored
        columns = np.where(turned[:, None], OTHER_SIDE[self.sources], self.sources)  # (B, 25)
        for stream in self.streams:
            where = places(keypoints, rows, stream).take(columns)
            crops, there = self._crops(rows, stream, where, turned, random)
            moved = None if shift is None else shift[stream.name][there]
            size = self.windows[stream.name].size
            one = self.readers[size].read(crops, moved)  # (n, 3, H, W)
            images[stream.name] = one if random is None else self._changed(one, random)
            present[stream.name], read[stream.name] = there, crops
        own = np.logical_or.reduce([present[stream.name] for stream in self.streams if stream.own])
        return StudyCrops(images, present, read, own)

    def _crops(
        self,
        rows: NDArray[np.int64],
        stream: Stream,
        where: Places,
        turned: NDArray[np.bool_],
        random: np.random.Generator | None,
    ) -> tuple[Crops, NDArray[np.bool_]]:
        """What to read for a stream, and (B, 25) which targets have a crop."""
        there = where.present
        chosen = np.argwhere(there)  # (n, 2) study and target
        series = [self.studies[rows[row]].get(int(where.series[row, target])) for row, target in chosen]
        slices, pixels = where.slices[there], where.pixels[there].copy()
        window, axial = self.windows[stream.name], stream.kind == AXIAL_T2
        if random is not None and self.errors is not None:
            slices = self._moved_slices(slices, stream.kind, random)
            offsets = self._point_errors(len(chosen), stream.kind, random)
            for place, one in enumerate(series):
                pixels[place] += offsets[place] / one.spacings[0] * axis_signs(one, 0)
        slices = np.clip(slices, 0, [len(one) - 1 for one in series]) if len(series) else slices
        left = where.left[there]
        # A left crop is turned to look like a right one; a mirrored study turns both.
        flips = (left & self.config.mirror) ^ turned[chosen[:, 0]]
        level = levels(chosen[:, 1])
        matrices = np.zeros((len(chosen), 2, 3))
        for place, (one, index) in enumerate(zip(series, slices, strict=True)):
            flip = bool(flips[place]) and axial
            side, at = bool(left[place]), int(level[place])
            matrices[place] = around(one, int(index), pixels[place], window, level=at, left=side, flip=flip)
        if random is not None and self.config.augmentation.affine is not None and len(chosen):
            matrices = shift_scale_rotate(matrices, self.config.augmentation.affine, random)
        reverse = [bool(flip) and not axial for flip in flips]
        if not len(chosen):
            return Crops(np.zeros(0, np.int64), np.zeros((0, 2 * NEIGHBOURS + 1), np.int64), matrices), there
        return neighbour_crops(series, slices.tolist(), matrices, NEIGHBOURS, reverse), there

    def _moved_slices(self, slices: NDArray[np.int64], kind: str, random: np.random.Generator) -> NDArray[np.int64]:
        assert self.errors is not None
        if not self.config.augmentation.shift_slices or kind not in self.errors.slices:
            return slices
        offsets, chances = self.errors.slices[kind]
        return slices + random.choice(offsets, size=len(slices), p=chances)

    def _point_errors(self, count: int, kind: str, random: np.random.Generator) -> NDArray[np.float64]:
        """(n, 2) mm by which points are moved, drawn from the localiser's errors."""
        assert self.errors is not None
        known = self.errors.points_mm.get(kind, np.zeros((0, 2)))
        share = self.config.augmentation.jitter
        if not share or not len(known):
            return np.zeros((count, 2))
        return share * known[random.integers(len(known), size=count)]

    def _changed(self, images: Tensor, random: np.random.Generator) -> Tensor:
        """Crops changed one by one."""
        augmentation = self.config.augmentation
        if augmentation.intensity is not None and len(images):
            images = brightness_contrast(images, augmentation.intensity, random)
        if augmentation.recipe is not None and len(images):
            images, _ = augment(images, None, augmentation.recipe, random)
        return images
