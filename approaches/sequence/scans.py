"""The prepared slices of studies as batches: images, which of them are there, and where they lie in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.errors import DataError
from bench.imaging.study import Study
from bench.training.checkpoints import read_tensors

from .prepare import series_of, study_file
from .scan_config import Preparation
from .slice_choice import KINDS, slice_centre

_KEPT_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Scans:
    """One type of scan of B studies, S slices each.

    Attributes:
        images: (B, S, H, W) in 0..1, zeros where there is no slice.
        present: (B, S) which slices are there.
        maps: (B, S, 3, 3) from image coordinates (a, b, 1), -1..1, to mm from the study's `centre`.
    """

    images: Tensor
    present: Tensor
    maps: Tensor


@dataclass(frozen=True, slots=True)
class PreparedStudy:
    """What the folder of shared work holds of one study, by type of scan.

    Attributes:
        images: (S, H, W) uint8.
        maps: (S, 3, 3) to the patient, mm.
        slices: (S, 2) series id and index of the slice in it.
    """

    images: dict[str, Tensor]
    maps: dict[str, Tensor]
    slices: dict[str, Tensor]


class ScanReader:
    """Reads the prepared slices of some studies, and keeps up to 1 GB of them in memory.

    Args:
        folder: of the shared work.
        studies: the studies.
        config: how they were prepared.
        device: where batches go.
    """

    def __init__(self, folder: Path, studies: Sequence[Study], config: Preparation, device: str) -> None:
        self.folder, self.studies, self.config, self.device = folder, studies, config, device
        self.centres = np.stack([centre(study) for study in studies]) if studies else np.zeros((0, 3))
        self._kept: dict[int, PreparedStudy] = {}
        self._bytes = 0

    def study(self, row: int) -> PreparedStudy:
        """The prepared slices of one study.

        Raises:
            DataError: they were prepared from other series than the study has.
        """
        if row in self._kept:
            return self._kept[row]
        study = self.studies[row]
        path = study_file(self.folder, study.study_id)
        tensors, values = read_tensors(path)
        if values["series"] != series_of(study):
            raise DataError(
                f"{path} was prepared from other series than study {study.study_id} has. Delete {self.folder} and run "
                "the same command again."
            )
        kinds = [kind for kind in KINDS if f"{kind}/images" in tensors]
        parts = ({kind: tensors[f"{kind}/{name}"] for kind in kinds} for name in ("images", "maps", "slices"))
        prepared = PreparedStudy(*parts)
        size = sum(images.nbytes for images in prepared.images.values())
        if self._bytes + size <= _KEPT_BYTES:
            self._kept[row] = prepared
            self._bytes += size
        return prepared

    def read(self, rows: NDArray[np.int64]) -> dict[str, Scans]:
        """The scans of some studies by series description, each padded to the most slices that its type may have."""
        studies = [self.study(row) for row in rows]
        return {kind: self._scans(kind, rows, studies) for kind in KINDS}

    def _scans(self, kind: str, rows: NDArray[np.int64], studies: Sequence[PreparedStudy]) -> Scans:
        scan = self.config.scan(kind)
        images = torch.zeros(len(rows), scan.slices, *scan.size, dtype=torch.uint8)
        present = torch.zeros(len(rows), scan.slices, dtype=torch.bool)
        maps = torch.zeros(len(rows), scan.slices, 3, 3, dtype=torch.float64)
        for place, (row, study) in enumerate(zip(rows, studies, strict=True)):
            if kind not in study.images:
                continue
            count = len(study.images[kind])
            images[place, :count], present[place, :count] = study.images[kind], True
            maps[place, :count] = study.maps[kind]
            maps[place, :count, :, 2] -= torch.from_numpy(self.centres[row])
        values = images.to(self.device).float().div_(255)
        return Scans(values, present.to(self.device), maps.float().to(self.device))


def centre(study: Study) -> NDArray[np.float64]:
    """(3,) the middle of the sagittal T2 scan, else of the sagittal T1, else of the axial one, in the patient, mm.

    Of several series of that type it is that with most slices; zeros where the study has none of the three.
    """
    for kind in KINDS:
        series = study.main_series(kind)
        if series is not None:
            return (slice_centre(series, 0) + slice_centre(series, len(series) - 1)) / 2
    return np.zeros(3)
