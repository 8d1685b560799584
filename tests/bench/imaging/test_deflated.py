"""Deflated files are inflated as far as their header justifies, and no further."""

from __future__ import annotations

import tracemalloc
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from bench.imaging.build import read_series
from bench.imaging.dicom.header import read_header
from bench.imaging.dicom.parsing import open_file
from bench.imaging.layout import SeriesFiles
from bench.targets import SAGITTAL_T1

BOMB_BYTES = 256 << 20


@pytest.fixture
def deflate(tmp_path, write_slice):
    """Write a slice, and write it anew deflated with these tags; ``plain`` changes the data set's bytes before."""

    def make(name="1.dcm", plain=lambda content: content, meta=True, **tags):
        path = tmp_path / name
        write_slice(path, rle=False)
        ds = pydicom.dcmread(path)
        for tag, value in tags.items():
            setattr(ds, tag, value)
        ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        inner = DicomBytesIO()
        inner.is_little_endian, inner.is_implicit_VR = True, False
        write_dataset(inner, pydicom.Dataset({element.tag: element for element in ds}))
        deflating = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        content = plain(inner.getvalue())
        outer = DicomBytesIO()
        pydicom.filewriter.write_file_meta_info(outer, ds.file_meta)
        packed = deflating.compress(content) + deflating.flush()
        path.write_bytes((bytes(128) + b"DICM" if meta else b"") + outer.getvalue() + packed)
        return path

    return make


def pixel_bomb(content: bytes) -> bytes:
    """The data set with its pixels replaced by many more."""
    at = content.rindex(b"\xe0\x7f\x10\x00OW")
    return content[: at + 8] + BOMB_BYTES.to_bytes(4, "little") + bytes(BOMB_BYTES)


def header_bomb(content: bytes) -> bytes:
    """The data set with an endless private element before its pixels."""
    at = content.rindex(b"\xe0\x7f\x10\x00OW")
    return (
        content[:at] + b"\x51\x00\x10\x00UN\0\0" + BOMB_BYTES.to_bytes(4, "little") + bytes(BOMB_BYTES) + content[at:]
    )


def surplus_bomb(content: bytes) -> bytes:
    """The data set with as much behind its pixels."""
    return content + b"\xfc\xff\xfc\xffOB\0\0" + BOMB_BYTES.to_bytes(4, "little") + bytes(BOMB_BYTES)


@pytest.mark.parametrize("meta", [True, False])
def test_a_whole_file_is_read_as_pydicom_reads_it(deflate, meta):
    path = deflate(meta=meta)
    expected = pydicom.dcmread(path, force=True)
    ds = open_file(path)
    assert ds.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    assert ds == pydicom.Dataset({element.tag: element for element in expected})
    assert read_header(path).instance_number == 1


@pytest.mark.parametrize("bomb", [pixel_bomb, header_bomb, surplus_bomb])
def test_inflation_stops_at_what_the_header_declares(deflate, tmp_path, bomb):
    path = deflate(plain=bomb)
    assert path.stat().st_size < 1 << 20
    task = SeriesFiles(1, 11, SAGITTAL_T1, str(tmp_path), (path.name,))
    tracemalloc.start()
    try:
        record, stack = read_series(task)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert stack is None
    assert record["faults"][0]["what"].startswith("inflates to more than ")
    assert "but its header declares" in record["faults"][0]["what"]
    assert peak < BOMB_BYTES / 4


def test_a_cut_file_is_named(deflate, tmp_path):
    path = deflate()
    path.write_bytes(path.read_bytes()[:-400])
    record, stack = read_series(SeriesFiles(1, 11, SAGITTAL_T1, str(tmp_path), (path.name,)))
    assert stack is None
    assert len(record["faults"]) == 1


def test_pixels_come_back(deflate, tmp_path):
    path = deflate()
    _, stack = read_series(SeriesFiles(1, 11, SAGITTAL_T1, str(tmp_path), (path.name,)))
    np.testing.assert_array_equal(stack[0], pydicom.dcmread(path).pixel_array)
