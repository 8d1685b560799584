"""DICOM files with the tags and conventions of the competition's: one slice each, RLE Lossless, 12 bits in 16."""

from __future__ import annotations

import io
import os
import shutil
import uuid
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from .acquisition import SeriesPlan
from .corruption import Corruption, nothing
from .stacks import Block

# The competition's files call themselves so, though each holds one frame with its geometry at the top.
_ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
_IMPLEMENTATION = "1.2.826.0.1.3680043.8.498.1"


def write_study(
    folder: Path, study_id: int, scans: list[tuple[SeriesPlan, NDArray[np.uint16]]], corrupt: Corruption = nothing
) -> None:
    """Write all series of a study, ``folder/<series_id>/<instance_number>.dcm``: whole or not at all.

    ``corrupt`` may damage the files before they are moved to their final place.
    """
    unfinished = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    try:
        for number, (plan, pixels) in enumerate(scans):
            series = unfinished / str(plan.series_id)
            series.mkdir(parents=True)
            _write_series(series, study_id, number, plan, pixels)
        corrupt(unfinished, [plan for plan, _ in scans])
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_series(folder: Path, study_id: int, number: int, plan: SeriesPlan, pixels: NDArray[np.uint16]) -> None:
    window = float(np.percentile(pixels, 99))
    origins = [(block, origin) for block in plan.blocks for origin in block.origins]
    for (block, origin), instance, image in zip(origins, plan.instance_numbers, pixels, strict=True):
        header = _header(study_id, number, plan, instance, window)
        _place(header, block, origin, plan)
        _write(folder / f"{instance}.dcm", header, image)


def _header(study_id: int, number: int, plan: SeriesPlan, instance: int, window: float) -> Dataset:
    header = Dataset()
    header.SOPClassUID = UID(_ENHANCED_MR)
    header.SOPInstanceUID = f"{study_id}.{number + 1}.{instance}"
    header.ContentDate = "20240503"
    header.ContentTime = "221014.402213"
    header.SeriesDescription = "T2" if plan.sequence.name == "T2" else ""
    header.PatientID = str(study_id)
    header.SliceThickness = f"{plan.thickness:.4g}"
    header.SpacingBetweenSlices = f"{plan.pitch:.6g}"
    header.PatientPosition = "HFS"
    header.StudyInstanceUID = str(study_id)
    header.SeriesInstanceUID = f"{study_id}.{plan.series_id}"
    header.InstanceNumber = instance
    header.FrameOfReferenceUID = f"{study_id}.{plan.series_id}.1"
    header.WindowCenter = f"{window / 2:.6g}"
    header.WindowWidth = f"{window:.6g}"
    return header


def _place(header: Dataset, block: Block, origin: NDArray[np.float64], plan: SeriesPlan) -> None:
    header.ImagePositionPatient = [f"{value:.6f}" for value in origin]
    header.ImageOrientationPatient = [f"{value:.8f}" for value in (*block.along_x, *block.along_y)]
    header.SliceLocation = f"{float(origin @ np.cross(block.along_x, block.along_y)):.6f}"
    header.PixelSpacing = [f"{plan.spacing:.8f}"] * 2


def _write(path: Path, header: Dataset, image: NDArray[np.uint16]) -> None:
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.Rows, header.Columns = image.shape
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    header.compress(RLELossless, np.ascontiguousarray(image), encoding_plugin="pylibjpeg", generate_instance_uid=False)
    content = io.BytesIO()
    header.save_as(content, enforce_file_format=True)
    path.write_bytes(content.getvalue())  # an error of the disk keeps its number so
