"""Crops around points, cut out of full-resolution slices in millimetres or pixels: the classifier's images.

A crop is sampled bilinearly at its point, so it is differentiable in it: a ``shift`` whose value is zero carries the
gradient of what is made of the crop back to the network that found the point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.training.augmentation import brightness_contrast, shift_scale_rotate
from bench.training.augmentation.flips import OTHER_SIDE
from bench.training.augmentation.recipe import augment
from bench.training.crop_store import CropStore, keep_crops
from bench.training.crops import CropReader, Crops

from .classifier_config import ClassifierConfig
from .crop_places import CropPlaces, SliceGeometry, joined
from .streams import places, used_streams

NEIGHBOURS = 1
_KEPT_NEIGHBOURS = 3  # on either side: two for selection's errors and one to be shown
_ENLARGED = 1.4  # blocks that are kept, beside their crops: room for jitter, shift and rotation


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

    def split(self, sizes: Sequence[int]) -> list[StudyCrops]:
        """The crops of the first so many studies, of the next, and so on."""
        ends = np.cumsum(sizes)
        parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        counts = {name: [int(there[part].sum()) for part in parts] for name, there in self.present.items()}
        images = {name: one.split(counts[name]) for name, one in self.images.items()}
        read = {name: one.split(counts[name]) for name, one in self.read.items()}
        return [
            StudyCrops(
                {name: one[place] for name, one in images.items()},
                {name: there[part] for name, there in self.present.items()},
                {name: one[place] for name, one in read.items()},
                self.own[part],
            )
            for place, part in enumerate(parts)
        ]


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
        self.reader = CropReader(context.volumes, (config.crop_size, config.crop_size), context.device)
        self.geometry = SliceGeometry()
        self.store: CropStore | None = None
        self._kept = np.zeros((len(self.streams), 0, 0), np.int64)  # (streams, N, 25) the block of each crop

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
            keypoints: of all studies; once `keep` was called, those that it was given wherever ``random`` is given.
            random: crops are changed as training sees them.
            mirrored: (B,) studies that are shown mirrored: a target shows the other side's crop, flipped.
            shift: by stream (B, 25, 2), zeros that carry the gradient to the points, in source pixels.
        """
        turned = np.zeros(len(rows), dtype=bool) if mirrored is None else mirrored
        parts = self._places(rows, keypoints, np.where(turned[:, None], OTHER_SIDE[self.sources], self.sources), turned)
        moved = [self._moved(part, random) for part in parts]
        flips = [part.flips(self.config.mirror) for part in parts]
        maps = joined([part.matrices(at, flip) for part, (_, at), flip in zip(parts, moved, flips, strict=True)])
        if random is not None and self.config.augmentation.affine is not None and len(maps):
            maps = shift_scale_rotate(maps, self.config.augmentation.affine, random)
        steps = joined([part.steps(flip) for part, flip in zip(parts, flips, strict=True)])
        middle, last = joined([slices for slices, _ in moved]), joined([part.last for part in parts])
        slices = np.clip(middle[:, None] + steps[:, None] * np.arange(-NEIGHBOURS, NEIGHBOURS + 1), 0, last[:, None])
        crops = Crops(joined([part.series for part in parts]), slices, maps)  # of all streams
        carried = None if shift is None else torch.cat([shift[part.stream.name][part.there] for part in parts])
        images = self._images(parts, crops, carried, kept=random is not None)  # (n of all streams, 3, H, W)
        return self._by_stream(parts, crops, images if random is None else self._changed(images, random))

    def keep(self, keypoints: Keypoints) -> None:
        """Hold the source pixels around the crops of all studies in memory, if they need no more than is allowed."""
        rows = np.arange(len(self.studies))
        turned = np.zeros(len(rows), dtype=bool)
        parts = self._places(rows, keypoints, np.tile(np.arange(len(self.sources)), (len(rows), 1)), turned)
        self._kept = np.full((len(parts), *parts[0].there.shape), -1)
        start, offsets = 0, np.arange(-_KEPT_NEIGHBOURS, _KEPT_NEIGHBOURS + 1)
        for number, part in enumerate(parts):
            self._kept[number][part.there] = start + np.arange(len(part))
            start += len(part)
        slices = joined([np.clip(part.slices[:, None] + offsets, 0, part.last[:, None]) for part in parts])
        maps = joined([part.matrices(part.pixels, np.zeros(len(part), dtype=bool)) for part in parts])
        crops = Crops(joined([part.series for part in parts]), slices, maps)
        self.store = keep_crops(self.reader, crops, enlarge=_ENLARGED, most_mb=self.config.keep_mb)

    def _places(
        self, rows: NDArray[np.int64], keypoints: Keypoints, columns: NDArray[np.int64], turned: NDArray[np.bool_]
    ) -> list[CropPlaces]:
        """Per stream its crops; each target shows the place of another one, columns (B, 25), mostly its own."""
        return [
            CropPlaces.of(
                stream, getattr(self.config.windows, stream.name), places(keypoints, rows, stream).take(columns),
                columns, rows, self.studies, turned, self.geometry,
            )
            for stream in self.streams
        ]  # fmt: skip

    def _moved(
        self, part: CropPlaces, random: np.random.Generator | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Slices (n,) and points (n, 2), in training moved as selection and localiser err."""
        if random is None or self.errors is None:
            return part.slices, part.pixels
        augmentation, kind = self.config.augmentation, part.stream.kind
        steps, offsets = np.zeros(len(part), np.int64), np.zeros((len(part), 2))
        if augmentation.shift_slices and kind in self.errors.slices:
            values, chances = self.errors.slices[kind]
            steps = random.choice(values, size=len(part), p=chances)
        known = self.errors.points_mm.get(kind, offsets[:0])
        if augmentation.jitter and len(known):
            offsets = augmentation.jitter * known[random.integers(len(known), size=len(part))]
        return part.moved(steps, offsets)

    def _images(self, parts: Sequence[CropPlaces], crops: Crops, shift: Tensor | None, *, kept: bool) -> Tensor:
        if not kept or self.store is None:
            return self.reader.read(crops, shift)
        index = joined([self._kept[number][part.rows, part.sources] for number, part in enumerate(parts)])
        middle = joined([part.slices for part in parts])
        positions = np.clip(crops.slices - middle[:, None] + _KEPT_NEIGHBOURS, 0, 2 * _KEPT_NEIGHBOURS)
        return self.store.read(index, positions, crops.matrices, shift)

    def _by_stream(self, parts: Sequence[CropPlaces], crops: Crops, images: Tensor) -> StudyCrops:
        ends = np.cumsum([len(part) for part in parts])
        split = [np.arange(end - len(part), end) for part, end in zip(parts, ends, strict=True)]
        names = [part.stream.name for part in parts]
        own = np.logical_or.reduce([part.there for part in parts if part.stream.own])
        return StudyCrops(
            dict(zip(names, images.split([len(part) for part in parts]), strict=True)),
            {part.stream.name: part.there for part in parts},
            {name: crops.take(rows) for name, rows in zip(names, split, strict=True)},
            own,
        )

    def _changed(self, images: Tensor, random: np.random.Generator) -> Tensor:
        """Crops changed one by one."""
        augmentation = self.config.augmentation
        if augmentation.intensity is not None and len(images):
            images = brightness_contrast(images, augmentation.intensity, random)
        if augmentation.recipe is not None and len(images):
            images, _ = augment(images, None, augmentation.recipe, random)
        return images
