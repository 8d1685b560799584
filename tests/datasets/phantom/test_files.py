from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

TAGS = {
    "SOPClassUID", "SOPInstanceUID", "ContentDate", "ContentTime", "SeriesDescription", "PatientID", "SliceThickness",
    "SpacingBetweenSlices", "PatientPosition", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "SliceLocation", "SamplesPerPixel",
    "PhotometricInterpretation", "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "WindowCenter", "WindowWidth", "PixelData",
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tiny: Path) -> list[Path]:
    return sorted(tiny.glob("train_images/*/*/*.dcm"))


def test_tags_are_the_competitions(files: list[Path]) -> None:
    for path in files[::17]:
        header = pydicom.dcmread(path)
        assert {element.keyword for element in header} == TAGS
        assert header.file_meta.TransferSyntaxUID == RLELossless
        assert (header.BitsAllocated, header.BitsStored, header.HighBit) == (16, 12, 11)
        assert header.InstanceNumber == int(path.stem)
        assert header.PatientID == header.StudyInstanceUID == path.parts[-3]
        assert header.SeriesInstanceUID == f"{path.parts[-3]}.{path.parts[-2]}"
        assert np.cross(header.ImageOrientationPatient[:3], header.ImageOrientationPatient[3:]) @ np.array(
            header.ImagePositionPatient
        ) == pytest.approx(float(header.SliceLocation), abs=1e-3)


def test_frames_of_reference_differ_between_series(files: list[Path]) -> None:
    frames: dict[str, set[str]] = {}
    for path in files:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        frames.setdefault(str(path.parent), set()).add(header.FrameOfReferenceUID)
    assert all(len(one) == 1 for one in frames.values())
    assert len({frame for one in frames.values() for frame in one}) == len(frames)


def test_pixels_are_equal_in_three_readers(files: list[Path]) -> None:
    gdcm = pytest.importorskip("gdcm")
    simple = pytest.importorskip("SimpleITK")
    for path in files[::41]:
        ours = pydicom.dcmread(path).pixel_array
        assert ours.max() < 4096
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        raw = reader.GetImage().GetBuffer().encode("utf-8", errors="surrogateescape")
        np.testing.assert_array_equal(np.frombuffer(raw, dtype=np.uint16).reshape(ours.shape), ours)
        np.testing.assert_array_equal(simple.GetArrayFromImage(simple.ReadImage(str(path)))[0], ours)
