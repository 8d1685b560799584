"""The classifier's training data: batches of studies, and in one loop with the localiser their frames too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.keypoints import Keypoints
from bench.targets import MISSING
from bench.training.augmentation.flips import OTHER_SIDE
from bench.training.sampling import Epochs, Rows, complete_rows

from .crop_reader import StudyCropReader, StudyCrops
from .keypoint_data import KeypointBatch, KeypointBatches

_TOGETHER = 8  # batches


@dataclass(slots=True, eq=False)
class GradeBatch:
    """B studies.

    Attributes:
        rows: of the studies.
        grades: (B, 25), sides swapped where a study is mirrored.
        random: for what is drawn when crops are read.
        mirrored: (B,) which studies are mirrored.
        crops: read with the batch; None in one loop, where points may have to be found first.
        frames: in one loop, the localiser's images.
        found: in one loop, left by the localiser's loss: by kind, points (n, P, 2) as shares of the frames.
    """

    rows: Rows
    grades: Tensor
    random: np.random.Generator
    mirrored: NDArray[np.bool_]
    crops: StudyCrops | None = None
    frames: KeypointBatch | None = None
    found: dict[str, Tensor] = field(default_factory=dict)


class GradeBatches:
    """Batches of studies.

    Args:
        reader: of crops, with the errors by which points and slices are moved.
        keypoints: of all studies.
        grades: (N, 25), -1 where there is no label.
        rows: which studies are trained on.
        seed: of all draws.
        frames: the localiser's data of the same studies, to train both in one loop.
    """

    def __init__(
        self,
        reader: StudyCropReader,
        keypoints: Keypoints,
        grades: NDArray[np.int8],
        rows: Rows,
        seed: int,
        frames: KeypointBatches | None = None,
    ) -> None:
        self.reader, self.keypoints, self.frames = reader, keypoints, frames
        self.grades = torch.from_numpy(grades.astype(np.int64))
        self.all_rows = rows
        complete = np.intersect1d(rows, complete_rows(keypoints.known & (grades != MISSING)))
        self.first_rows = complete if len(complete) else rows
        self.epochs = Epochs(rows, batch_size=reader.config.schedule.batch_size, seed=seed)
        self.last_rows: Rows = rows[:0]
        self.begin(1)
        if frames is None:  # else points may have to be found anew in every step
            reader.keep(keypoints)

    def begin(self, epoch: int) -> None:
        """Choose the studies of an epoch: those with all points first, then all."""
        early = epoch <= self.reader.config.complete_first
        self.epochs.rows = self.first_rows if early else self.all_rows

    def __len__(self) -> int:
        return len(self.epochs)

    def epoch(self, number: int) -> Iterator[tuple[GradeBatch, int]]:
        """Every study once."""
        batches = self.epochs.epoch(number)
        while some := list(islice(batches, 1 if self.frames is not None else _TOGETHER)):
            for batch in self._read_together([rows for rows, _ in some], some[0][1]):
                images = {} if batch.crops is None else batch.crops.images
                self.last_rows = batch.rows
                yield batch, sum(len(one) for one in images.values()) or len(batch.rows)

    def _read_together(self, parts: Sequence[Rows], random: np.random.Generator) -> list[GradeBatch]:
        """Batches of the studies of each part: reading many crops at once costs less than one batch at a time."""
        whole = self.batch(np.concatenate(parts), random)
        if len(parts) == 1 or whole.crops is None:
            return [whole]
        sizes = [len(rows) for rows in parts]
        ends = np.cumsum(sizes)[:-1]
        mirrored = np.split(whole.mirrored, ends)
        return [
            GradeBatch(rows, grades, random, turned, crops)
            for rows, grades, turned, crops in zip(
                parts, whole.grades.split(sizes), mirrored, whole.crops.split(sizes), strict=True
            )
        ]

    def batch(self, rows: Rows, random: np.random.Generator) -> GradeBatch:
        """Some studies as training sees them."""
        flip = self.reader.config.augmentation.mirror
        mirrored = np.zeros(len(rows), dtype=bool) if flip is None else random.random(len(rows)) < flip.probability
        grades = self.grades[rows]  # (B, 25)
        grades[mirrored] = grades[mirrored][:, torch.from_numpy(OTHER_SIDE)]
        batch = GradeBatch(rows, grades.to(self.reader.device), random, mirrored)
        if self.frames is None:
            batch.crops = self.reader.read(rows, self.keypoints, random, mirrored)
        else:
            batch.frames = self.frames.batch(rows, random)
        return batch
