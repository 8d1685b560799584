"""The localiser's training data: per study up to eight frames with their points, read in batches of studies.

Sizes differ between sagittal and axial frames. They are held in a dictionary by kind of series, present images alone,
with a mask of which of the eight a study has. README.md says what nested tensors would cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.targets import AXIAL_T2
from bench.training.augmentation import shift_scale_rotate
from bench.training.augmentation.recipe import augment
from bench.training.sampling import Epochs, Rows
from bench.training.windows import pixels_to_relative, visible_only

from .frame_reader import FrameReader, FrameRequest, request
from .frames import Frames
from .keypoint_config import KeypointConfig
from .views import VIEWS, MarkedView, marked_views


@dataclass(frozen=True, slots=True, eq=False)
class KeypointBatch:
    """Frames of B studies.

    Attributes:
        images: by kind (n, 3, H, W), the frames that are present, study by study.
        points: by kind (n, P, 2) shares 0..1 of width and height, NaN where unknown.
        present: (B, 8) which of a study's images are present, in the order of VIEWS.
        requests: by kind, what was read.
        rows: by kind (n,) the study of each frame, as an index into the batch.
        matrices: by kind (n, 2, 3) the maps from frames to source pixels; without what a recipe changed.
    """

    images: dict[str, Tensor]
    points: dict[str, Tensor]
    present: NDArray[np.bool_]
    requests: dict[str, list[FrameRequest]]
    rows: dict[str, list[int]]
    matrices: dict[str, NDArray[np.float64]]


class KeypointBatches:
    """Batches of studies for the localiser; studies without any image are left out.

    ``unmarked``: by row, images without points, to be located as others are.

    Attributes:
        epochs: the rows that are drawn from; a curriculum replaces `Epochs.rows`.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        keypoints: Keypoints,
        frames: Frames,
        config: KeypointConfig,
        context: Context,
        seed: int,
        *,
        unmarked: Mapping[int, Sequence[MarkedView]] | None = None,
    ) -> None:
        self.config = config
        self.reader = FrameReader(config, frames, context)
        self.marked = [marked_views(study, keypoints, row) for row, study in enumerate(studies)]
        for row, views in (unmarked or {}).items():
            self.marked[row] = [*self.marked[row], *views]
        self.all_rows: Rows = np.flatnonzero([bool(views) for views in self.marked])
        complete = np.array([_complete(views) for views in self.marked], dtype=bool)
        self.complete_rows: Rows = np.flatnonzero(complete)
        self._places = self._numbered()
        kept = {kind: [self.marked[row][place] for row, place in found] for kind, found in self._places.items()}
        self.kept = {kind: self.reader.keep(kind, views) for kind, views in kept.items()}
        self.epochs = Epochs(self.all_rows, batch_size=config.schedule.batch_size, seed=seed)

    def __len__(self) -> int:
        return len(self.epochs)

    def epoch(self, number: int) -> Iterator[tuple[KeypointBatch, int]]:
        """Every study once."""
        for rows, random in self.epochs.epoch(number):
            batch = self.batch(rows, random)
            yield batch, sum(len(images) for images in batch.images.values())

    def _numbered(self) -> dict[str, dict[tuple[int, int], int]]:
        """By kind, the number of each view among all of its kind: by row, and place among the row's views."""
        numbers: dict[str, dict[tuple[int, int], int]] = {}
        for row, views in enumerate(self.marked):
            for place, one in enumerate(views):
                own = numbers.setdefault(VIEWS[one.view].kind, {})
                own[row, place] = len(own)
        return numbers

    def batch(self, rows: Rows, random: np.random.Generator) -> KeypointBatch:
        """Some studies' marked views, as training sees them."""
        present = np.zeros((len(rows), len(VIEWS)), dtype=bool)
        by_kind: dict[str, list[tuple[int, tuple[int, int]]]] = {}
        for place, row in enumerate(rows):
            for view, marked in enumerate(self.marked[row]):
                present[place, marked.view] = True
                by_kind.setdefault(VIEWS[marked.view].kind, []).append((place, (int(row), view)))
        parts = {kind: self._kind(kind, [key for _, key in found], random) for kind, found in by_kind.items()}
        return KeypointBatch(
            images={kind: images for kind, (images, _, _, _) in parts.items()},
            points={kind: points for kind, (_, points, _, _) in parts.items()},
            present=present,
            requests={kind: requests for kind, (_, _, requests, _) in parts.items()},
            rows={kind: [place for place, _ in found] for kind, found in by_kind.items()},
            matrices={kind: matrices for kind, (_, _, _, matrices) in parts.items()},
        )

    def _kind(
        self, kind: str, keys: Sequence[tuple[int, int]], random: np.random.Generator
    ) -> tuple[Tensor, Tensor, list[FrameRequest], NDArray[np.float64]]:
        """Images, points, requests and maps of some views, each given by its study and place."""
        augmentation = self.config.augmentation
        marked = [self.marked[row][place] for row, place in keys]
        slices = shown_slices(marked, augmentation.slice_shift, random)
        turned = random.random(len(marked)) < augmentation.flip
        requests = [
            request(one.view, one.series, index, mirror=self.config.mirror, turned=bool(turn))
            for one, index, turn in zip(marked, slices, turned, strict=True)
        ]
        matrices = self.reader.matrices(requests)
        if augmentation.affine is not None:
            matrices = shift_scale_rotate(matrices, augmentation.affine, random)
        shares = visible_only(pixels_to_relative(matrices, np.stack([one.pixels for one in marked])))  # (n, P, 2)
        if kind == AXIAL_T2:
            shares[turned] = shares[turned, ::-1]  # a mirrored left recess is a right one
        kept = self.kept[kind]
        if kept is None:
            images = self.reader.read(kind, requests, matrices)  # (n, 3, H, W)
        else:
            images = kept.read(np.array([self._places[kind][key] for key in keys]), requests, matrices)
        points = torch.from_numpy(shares.astype(np.float32)).to(images.device)
        if augmentation.recipe is not None:
            images, changed = augment(images, points, augmentation.recipe, random)
            points = points if changed is None else changed
        return images, points, requests, matrices


def shown_slices(marked: Sequence[MarkedView], shift: float, random: np.random.Generator) -> list[int]:
    """For each view one of its marked slices, or with a chance of ``shift`` a neighbour of it."""
    steps = random.choice([-1, 1], size=len(marked)) * (random.random(len(marked)) < shift)
    chosen = [int(random.choice(one.candidates)) for one in marked]
    return [
        int(np.clip(index + step, 0, len(one.series) - 1))
        for one, index, step in zip(marked, chosen, steps, strict=True)
    ]


def _complete(views: Sequence[MarkedView]) -> bool:
    """Whether a study has every view with every point."""
    return len(views) == len(VIEWS) and all(np.isfinite(one.pixels).all() for one in views)
