"""A data set for tests of the harness: tiny studies whose mean brightness tells the severity of every target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from bench.approach import Predictions
from bench.data.cohort import grades_of
from bench.dataset import DataSet, Progress
from bench.jobs.predictions import predictions_frame
from bench.targets import SERIES_DESCRIPTIONS, SEVERITIES, TARGET_NAMES, TARGETS

PLANES = {
    "Sagittal T1": [0, 1, 0, 0, 0, -1],
    "Sagittal T2/STIR": [0, 1, 0, 0, 0, -1],
    "Axial T2": [1, 0, 0, 0, 1, 0],
}


class Toy(DataSet):
    """Twelve studies, or as many as the preset says: ``toy:20``."""

    presets = ("12", "20")
    caveat = "made-up brightness; says nothing about patients"

    def locate(self, *, preset: str | None, data: Path | None, cache: Path, jobs: int, progress: Progress) -> Path:
        folder = data or cache / f"toy-{preset}"
        if not (folder / "train.csv").exists():
            write_toy(folder, int(preset or 12))
        return folder

    def best_predictions(self, folder: Path) -> pd.DataFrame:
        grades = grades_of(pd.read_csv(folder / "train.csv").set_index("study_id"))
        ids = np.arange(1, len(grades) + 1)
        return predictions_frame(Predictions(ids, 0.9 * np.eye(3)[grades] + 0.1 / 3))


def write_toy(folder: Path, studies: int) -> None:
    rng = np.random.default_rng(0)
    labels, points, series = [], [], []
    for study in range(1, studies + 1):
        grade = int(rng.choice(3, p=[0.6, 0.25, 0.15])) if study > 3 else study - 1
        labels.append({"study_id": study, **dict.fromkeys(TARGET_NAMES, SEVERITIES[grade])})
        for number, description in enumerate(SERIES_DESCRIPTIONS):
            series_id = study * 10 + number
            series.append({"study_id": study, "series_id": series_id, "series_description": description})
            for instance in (1, 2, 3):
                path = folder / "train_images" / str(study) / str(series_id) / f"{instance}.dcm"
                write_slice(path, description, instance, grade, rng)
            for target in TARGETS:
                if target.point_series == description:
                    point = {"study_id": study, "series_id": series_id, "instance_number": 2}
                    names = {"condition": target.condition_words, "level": target.level_words}
                    points.append({**point, **names, "x": 8.0, "y": 8.0})
    for name, rows in (("train", labels), ("train_label_coordinates", points), ("train_series_descriptions", series)):
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)


def write_slice(path: Path, description: str, instance: int, grade: int, rng: np.random.Generator) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = f"1.2.{instance}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = Dataset()
    image.file_meta = meta
    image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, f"1.2.{instance}"
    image.InstanceNumber = instance
    image.Rows = image.Columns = 16
    image.PixelSpacing = [1.0, 1.0]
    image.SliceThickness = 4.0
    image.ImageOrientationPatient = PLANES[description]
    image.ImagePositionPatient = [4.0 * instance, 0, 0] if "Sagittal" in description else [0, 0, -4.0 * instance]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    pixels = rng.integers(0, 50, (16, 16)) + 100 * (grade + 1)
    image.PixelData = pixels.astype(np.uint16).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, image, enforce_file_format=True)
