"""Corruption of finished files: broken, lost or mislabelled. Each function changes one study's unfinished folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from bench.targets import AXIAL_T2, SAGITTAL_T1

from .acquisition import SeriesPlan

# Takes the study's folder and its series
Corruption = Callable[[Path, list[SeriesPlan]], None]


def nothing(folder: Path, plans: list[SeriesPlan]) -> None:
    """Change nothing."""


def _edge_file(folder: Path, plans: list[SeriesPlan], description: str = SAGITTAL_T1) -> Path:
    """The file of a series' second slice, which carries no point."""
    plan = next(plan for plan in plans if plan.description == description)
    return folder / str(plan.series_id) / f"{plan.instance_numbers[1]}.dcm"


def truncate(folder: Path, plans: list[SeriesPlan]) -> None:
    """Truncate one file within its pixel data."""
    path = _edge_file(folder, plans)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def replace_with_text(folder: Path, plans: list[SeriesPlan]) -> None:
    """Replace one image file by an HTML page."""
    _edge_file(folder, plans).write_text("<html>403 Forbidden</html>\n" * 40)


def empty(folder: Path, plans: list[SeriesPlan]) -> None:
    """Make one file empty."""
    _edge_file(folder, plans).write_bytes(b"")


def empty_series(folder: Path, plans: list[SeriesPlan]) -> None:
    """Delete all files of one series."""
    for path in _edge_file(folder, plans).parent.iterdir():
        path.unlink()


def drop_series(folder: Path, plans: list[SeriesPlan]) -> None:
    """Delete the folder of a series that is in the table."""
    shutil.rmtree(_edge_file(folder, plans).parent)


def drop_slice(folder: Path, plans: list[SeriesPlan]) -> None:
    """Delete one slice in the middle of a series."""
    plan = next(plan for plan in plans if plan.description == AXIAL_T2)
    (folder / str(plan.series_id) / f"{plan.instance_numbers[len(plan) // 2]}.dcm").unlink()


def crop_slice(folder: Path, plans: list[SeriesPlan]) -> None:
    """Make one slice smaller than the others of its series."""
    path = _edge_file(folder, plans)
    header = pydicom.dcmread(path)
    _replace(path, header, header.pixel_array[:-16, :-8])


def drop_position(folder: Path, plans: list[SeriesPlan]) -> None:
    """Delete the position of one slice."""
    path = _edge_file(folder, plans)
    header = pydicom.dcmread(path)
    del header.ImagePositionPatient
    header.save_as(path)


def repeat_slice(folder: Path, plans: list[SeriesPlan]) -> None:
    """Store one slice a second time under a new number."""
    path = _edge_file(folder, plans)
    header = pydicom.dcmread(path)
    header.InstanceNumber = 900
    header.save_as(path.with_name("900.dcm"))


def rescale(folder: Path, plans: list[SeriesPlan]) -> None:
    """Give every file of a series a slope and an intercept, each slice its own slope."""
    for number, path in enumerate(sorted(_edge_file(folder, plans).parent.iterdir())):
        header = pydicom.dcmread(path)
        header.RescaleSlope, header.RescaleIntercept = f"{1.5 + 0.01 * number:.2f}", "-20"
        header.save_as(path)


def decompress(folder: Path, plans: list[SeriesPlan]) -> None:
    """Store all files without compression."""
    for path in sorted(folder.rglob("*.dcm")):
        header = pydicom.dcmread(path)
        _replace(path, header, header.pixel_array, compressed=False)


def turn_coronal(folder: Path, plans: list[SeriesPlan]) -> None:
    """Give an axial series a coronal orientation, as one series of the real data has."""
    for path in sorted(_edge_file(folder, plans, AXIAL_T2).parent.iterdir()):
        header = pydicom.dcmread(path)
        header.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        header.save_as(path)


def blank(folder: Path, plans: list[SeriesPlan]) -> None:
    """Make the first and the last slice of every series black."""
    for plan in plans:
        for number in (plan.instance_numbers[0], plan.instance_numbers[-1]):
            path = folder / str(plan.series_id) / f"{number}.dcm"
            header = pydicom.dcmread(path)
            _replace(path, header, np.zeros((header.Rows, header.Columns), dtype=np.uint16))


def _replace(path: Path, header: pydicom.Dataset, image: np.ndarray, *, compressed: bool = True) -> None:
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.Rows, header.Columns = image.shape
    header.PixelData = np.ascontiguousarray(image).tobytes()
    header["PixelData"].VR = "OW"
    header["PixelData"].is_undefined_length = False
    if compressed:
        header.compress(
            RLELossless, np.ascontiguousarray(image), encoding_plugin="pylibjpeg", generate_instance_uid=False
        )
    header.save_as(path)
