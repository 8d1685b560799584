"""Files that are no images: other objects are passed over, packed ones are named with the cure."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile

import pandas as pd
import pydicom
import pytest
from pydicom.uid import UID

from bench.imaging.discovery import discover
from bench.imaging.preparation import prepare
from bench.targets import TARGET_NAMES

OTHER = {
    "raw data": "1.2.840.10008.5.1.4.1.1.66",
    "report": "1.2.840.10008.5.1.4.1.1.88.33",
    "presentation state": "1.2.840.10008.5.1.4.1.1.11.1",
    "spectrum": "1.2.840.10008.5.1.4.1.1.4.2",
    "private": "1.3.12.2.1107.5.9.1",
}


def zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("1.dcm", content)
    return stream.getvalue()


PACKERS = {"gzip": (gzip.compress, ".gz"), "bzip2": (bz2.compress, ".bz2"), "zip": (zipped, ".zip")}


@pytest.fixture
def faults(data, tmp_path):
    """Prepare `data` now: its faults, and how many slices series 11 has."""
    data.study(1)
    data.tables([1], TARGET_NAMES)

    def run():
        table = pd.read_csv(data.root / "train_series_descriptions.csv")
        prepared = prepare(data.root, table, cache=tmp_path / "cache", jobs=1, progress=lambda *_: None)
        series = {one.series_id: one for one in prepared.studies[0].series}
        return prepared.faults, len(series[11]) if 11 in series else 0

    return run


def other_object(path, uid: str, *, in_meta: bool = False) -> None:
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = UID(uid), "1.2.3"
    if not in_meta:
        ds.SOPClassUID, ds.SOPInstanceUID = UID(uid), "1.2.3"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1", "1.11"
    ds.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("kind", OTHER)
def test_other_objects_are_passed_over(faults, data, kind):
    other_object(data.file(1, 11, 9), OTHER[kind])
    assert faults() == ((), 4)
    series, found = discover(data.root / "train_images", jobs=1, progress=lambda *_: None)
    assert found == ()
    assert len(series) == 3


@pytest.mark.parametrize("name", ["DICOMDIR", "dicomdir", "Dicomdir", "index.dcm"])
def test_directories_of_a_medium_are_passed_over(faults, data, name):
    directory = "1.2.840.10008.1.3.10"
    for folder in (data.file(1, 11, 9).parent, *([data.root / "train_images"] if "dir" in name.lower() else [])):
        other_object(folder / name, directory, in_meta=True)
    assert faults() == ((), 4)
    assert discover(data.root / "train_images", jobs=1, progress=lambda *_: None)[1] == ()


def test_a_damaged_image_is_no_other_object(faults, data):
    ds = pydicom.dcmread(data.file(1, 11, 1))
    del ds.Rows, ds.PixelData
    ds.save_as(data.file(1, 11, 1))
    (fault,), slices = faults()
    assert "has no image: it is cut short" in fault.what
    assert not fault.usable
    assert slices == 3


@pytest.mark.parametrize("packer", PACKERS)
def test_one_packed_slice_is_left_out_with_the_cure(faults, data, packer):
    pack, ending = PACKERS[packer]
    path = data.file(1, 11, 1)
    path.with_name(f"1.dcm{ending}").write_bytes(pack(path.read_bytes()))
    path.unlink()
    (fault,), slices = faults()
    assert (fault.path, fault.usable) == (f"train_images/1/11/1.dcm{ending}", False)
    assert fault.what == f"is compressed ({packer}), not a DICOM file: unpack it"
    assert slices == 3
    found = discover(data.root / "train_images", jobs=1, progress=lambda *_: None)[1]
    assert [(one.what, one.usable) for one in found] == [(fault.what, False)]


def test_a_packed_file_of_another_name_is_ignored(faults, data):
    (data.file(1, 11, 1).parent / "notes.txt.gz").write_bytes(gzip.compress(b"hello"))
    (fault,), slices = faults()
    assert fault.usable
    assert slices == 4


def empty(data):
    folder = data.file(1, 11, 1).parent
    for path in folder.iterdir():
        path.unlink()
    return folder


def test_a_series_of_packed_files_is_a_fault_with_the_cure(faults, data):
    blobs = {path.name: path.read_bytes() for path in data.file(1, 11, 1).parent.iterdir()}
    folder = empty(data)
    for name, blob in blobs.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(blob))
    (fault,), slices = faults()
    assert (slices, fault.path, fault.series_id, fault.usable) == (0, "train_images/1/11", 11, False)
    assert fault.what == "has no image: its 4 files are compressed (gzip); unpack them in this folder"
    assert fault.effect == "this series is left out"


@pytest.mark.parametrize("content", ["archive", "text", "reports"])
def test_a_series_without_an_image_is_a_fault_with_the_cure(faults, data, content):
    folder = empty(data)
    if content == "archive":
        (folder / "series.zip").write_bytes(zipped(b"image"))
    elif content == "text":
        (folder / "readme.txt").write_text("the images are elsewhere")
    else:
        other_object(folder / "1.dcm", OTHER["report"])
    (fault,), slices = faults()
    assert (slices, fault.path, fault.usable) == (0, "train_images/1/11", False)
    cure = "unpack them" if content == "archive" else "copy its images here, or drop its row"
    assert fault.what.startswith("has no image: its only file is ")
    assert cure in fault.what


@pytest.mark.parametrize("archive", ["1/11.zip", "1.tar"])
def test_an_archive_beside_an_absent_series_is_named(faults, data, archive):
    empty(data).rmdir()
    (data.root / "train_images" / archive).write_bytes(b"PK\3\4")
    found = [fault for fault in faults()[0] if not fault.usable]
    assert [fault.path for fault in found] == ["train_images/1/11"]
    assert found[0].what.endswith(f"; unpack train_images/{archive}")
