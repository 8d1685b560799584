"""A tiny data folder in the competition's layout, with the tags that the competition's files have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

LEVELS = ("L1/L2", "L2/L3", "L3/L4", "L4/L5", "L5/S1")
SAGITTAL, AXIAL = [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0]
KINDS = {"Sagittal T1": SAGITTAL, "Sagittal T2/STIR": SAGITTAL, "Axial T2": AXIAL}


def make_slice(
    path: Path,
    *,
    study_id: int = 1,
    series_id: int = 11,
    instance: int = 1,
    position: Iterable[float] = (0, 0, 0),
    orientation: Iterable[float] = SAGITTAL,
    pixels: np.ndarray | None = None,
    rle: bool = True,
    **tags: Any,
) -> np.ndarray:
    """Write one slice; a tag given as None is left out. Returns its pixels."""
    if pixels is None:
        pixels = np.random.default_rng([study_id, series_id, instance]).integers(0, 4096, (32, 32), dtype=np.uint16)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{study_id}.1.{instance}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = str(study_id), f"{study_id}.{series_id}"
    ds.PatientID, ds.SeriesDescription, ds.InstanceNumber = str(study_id), "T2", instance
    ds.ImagePositionPatient, ds.ImageOrientationPatient = list(position), list(orientation)
    ds.PixelSpacing, ds.SliceThickness, ds.SpacingBetweenSlices = [0.5, 0.5], 4.0, 4.4
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    ds.PixelData = pixels.tobytes()
    for tag, value in tags.items():
        if value is None:
            delattr(ds, tag)
        else:
            setattr(ds, tag, value)
    if rle:
        ds.compress(RLELossless)
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return pixels


@dataclass
class Folder:
    """A data folder in the making."""

    root: Path
    pixels: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)

    def study(
        self, study_id: int, *, slices: int = 4, left_to_right: bool = False, kinds: Iterable[str] = KINDS
    ) -> None:
        """Write one study of three series, whose ids are ten times the study's plus 1, 2, 3."""
        for number, kind in enumerate(KINDS, start=1):
            self.series(study_id, study_id * 10 + number, kind, slices=slices, flip=left_to_right)

    def series(self, study_id: int, series_id: int, kind: str, *, slices: int = 4, flip: bool = False) -> None:
        for instance in range(1, slices + 1):
            step = 4.4 * ((slices - instance) if flip else (instance - 1))
            position = (step - 8, -20, 60) if KINDS[kind] is SAGITTAL else (-8, -20, 60 - step)
            self.pixels[series_id, instance] = make_slice(
                self.file(study_id, series_id, instance),
                study_id=study_id, series_id=series_id, instance=instance, position=position, orientation=KINDS[kind],
            )  # fmt: skip

    def file(self, study_id: int, series_id: int, instance: int) -> Path:
        return self.root / "train_images" / str(study_id) / str(series_id) / f"{instance}.dcm"

    def tables(self, study_ids: Iterable[int], targets: Iterable[str], severity: str = "Normal/Mild") -> None:
        """Write the three tables for studies that `study` wrote; one canal point a level, all on instance 2 of T2."""
        targets, ids = list(targets), list(study_ids)
        labels = ["study_id," + ",".join(targets), *(f"{study}," + ",".join([severity] * 25) for study in ids)]
        series = [
            f"{study},{study * 10 + number},{kind}" for study in ids for number, kind in enumerate(KINDS, start=1)
        ]
        points = [
            f"{study},{study * 10 + 2},2,Spinal Canal Stenosis,{level},{10 + row}.5,{5 * row}.25"
            for study in ids
            for row, level in enumerate(LEVELS)
        ]
        self.write("train.csv", labels)
        self.write("train_series_descriptions.csv", ["study_id,series_id,series_description", *series])
        self.write("train_label_coordinates.csv", ["study_id,series_id,instance_number,condition,level,x,y", *points])

    def write(self, name: str, lines: Iterable[str]) -> None:
        (self.root / name).write_text("\n".join(lines) + "\n")


@pytest.fixture
def write_slice() -> Callable[..., np.ndarray]:
    """`make_slice`: one DICOM file with the competition's tags."""
    return make_slice


@pytest.fixture
def data(tmp_path: Path) -> Folder:
    """An empty data folder to write studies into."""
    (tmp_path / "data").mkdir()
    return Folder(tmp_path / "data")
