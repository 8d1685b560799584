"""Pixels out of files: encodings, signs, junk bits, inverted grey, and sizes that are not believed."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from bench.imaging.build import read_series
from bench.imaging.dicom.header import header_of
from bench.imaging.dicom.parsing import open_file
from bench.imaging.dicom.pixels import decode
from bench.imaging.faults import UnreadableImage
from bench.imaging.layout import SeriesFiles
from bench.targets import SAGITTAL_T1

RAMP = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 3


@pytest.fixture
def volume(tmp_path, write_slice):
    """Write slices at 0, 4, 8 mm with these tags and read them: stored volume, slope, intercept, record."""

    def read(*pixels, tags=({},), **options):
        for index, one in enumerate(pixels, start=1):
            extra = tags[(index - 1) % len(tags)]
            path = tmp_path / "s" / f"{index}.dcm"
            write_slice(path, instance=index, position=(4 * index, 0, 0), pixels=one, **options, **extra)
        files = tuple(f"s/{index}.dcm" for index in range(1, len(pixels) + 1))
        record, stack = read_series(SeriesFiles(1, 11, SAGITTAL_T1, str(tmp_path), files))
        return np.stack(stack), *record.get("mapping", ()), record

    return read


def reencoded(path, uid):
    ds = pydicom.dcmread(path)
    if uid == ExplicitVRBigEndian:
        swapped = pydicom.Dataset()
        swapped.update({element.tag: element for element in ds})
        swapped.PixelData = ds.pixel_array.astype(">u2").tobytes()
        swapped.file_meta = ds.file_meta
        swapped.file_meta.TransferSyntaxUID = uid
        swapped.save_as(path, implicit_vr=False, little_endian=False, enforce_file_format=True)
    elif uid == DeflatedExplicitVRLittleEndian:
        ds.file_meta.TransferSyntaxUID = uid
        ds.save_as(path)
    else:
        ds.compress(uid, encoding_plugin="pylibjpeg" if uid == JPEG2000Lossless else "")
        ds.save_as(path)


@pytest.mark.parametrize("uid", [RLELossless, JPEG2000Lossless, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_encodings_give_the_same_native_pixels(tmp_path, write_slice, uid):
    path = tmp_path / "1.dcm"
    write_slice(path, pixels=RAMP, rle=False)
    reencoded(path, uid)
    ds = open_file(path)
    header = header_of(ds)
    assert header.transfer_syntax == uid
    pixels = decode(ds, header)
    np.testing.assert_array_equal(pixels.frames[0], RAMP)
    assert pixels.frames.dtype.isnative
    assert pixels.decoder.split()[0] in ("pylibjpeg-rle", "python-gdcm", "pylibjpeg-openjpeg", "pydicom")


def test_values_come_back_by_the_mapping(volume):
    stored, slope, intercept, record = volume(RAMP, RAMP[::-1], RescaleSlope=2.5, RescaleIntercept=-100)
    np.testing.assert_array_equal(stored[1], RAMP[::-1])
    np.testing.assert_allclose(stored * slope + intercept, np.stack([RAMP, RAMP[::-1]]) * 2.5 - 100)
    assert record["decoders"] == [record["decoders"][0]]
    assert record["window"][0] == [10 * 3, 1013 * 3] or np.allclose(
        record["window"][0], np.percentile(RAMP, (1, 99)), atol=3
    )


def test_signed_values_are_moved_up(volume):
    signed = RAMP.astype(np.int16) - 1000
    stored, slope, intercept, _ = volume(signed, BitsStored=16, HighBit=15)
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored[0] * slope + intercept, signed)


def test_junk_above_the_stored_bits_is_masked(volume):
    stored, *_ = volume(RAMP | 0xF000, rle=False)
    np.testing.assert_array_equal(stored[0], RAMP)


def test_junk_above_a_sign_is_replaced_by_the_sign(volume):
    signed = (RAMP % 4096).astype(np.int16) - 2048
    stored, slope, intercept, _ = volume(signed & 0x0FFF, rle=False)
    np.testing.assert_array_equal(stored[0] * slope + intercept, signed)


def test_inverted_grey_is_turned_and_its_values_stay(volume):
    stored, slope, intercept, _ = volume(RAMP, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(stored[0], 4095 - RAMP)
    np.testing.assert_array_equal(stored[0] * slope + intercept, RAMP)


def test_slopes_that_differ_are_brought_to_one_within_half_a_step(volume):
    stored, slope, intercept, _ = volume(RAMP, RAMP, tags=({"RescaleSlope": 1.7}, {"RescaleSlope": 0.3}))
    real = np.stack([RAMP * 1.7, RAMP * 0.3])
    np.testing.assert_allclose(stored * slope + intercept, real, atol=slope * 0.5001)


def test_smaller_slices_are_padded_and_their_window_ignores_it(volume):
    stored, _, _, record = volume(RAMP + 50, RAMP[:20, :16] + 50)
    assert stored.shape == (2, 32, 32)
    assert not stored[1, 20:].any()
    assert not stored[1, :, 16:].any()
    assert record["window"][1][0] >= 50
    assert record["shapes"] == [[32, 32], [20, 16]]


PADDED = {  # dtype of the pixels, the padding in them, the tags
    "signed": (np.int16, -32768, {"PixelPaddingValue": -32768, "BitsStored": 16, "HighBit": 15}),
    "unsigned": (np.uint16, 65535, {"PixelPaddingValue": 65535, "BitsStored": 16, "HighBit": 15}),
    "in few bits": (np.int16, -2000, {"PixelPaddingValue": -2000}),
    "range": (np.int16, -1990, {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1900}),
    "range downwards": (np.int16, -1990, {"PixelPaddingValue": -1900, "PixelPaddingRangeLimit": -2000}),
    "inverted": (np.uint16, 4095, {"PixelPaddingValue": 4095, "PhotometricInterpretation": "MONOCHROME1"}),
}


@pytest.mark.parametrize("kind", PADDED)
@pytest.mark.parametrize("rle", [True, False])
def test_padding_is_left_out_of_the_window_and_stays_in_the_pixels(volume, kind, rle):
    dtype, padding, tags = PADDED[kind]
    ramp = RAMP // 2
    padded = ramp.astype(dtype)
    padded[:, :12] = padding
    stored, slope, intercept, record = volume(padded, rle=rle, **tags)
    low, high = np.array(record["window"][0]) * slope + intercept
    measured = np.percentile(ramp[:, 12:], (1, 99))
    np.testing.assert_allclose(sorted((low, high)), measured, atol=6)
    np.testing.assert_array_equal(stored[0] * slope + intercept, padded)


def test_a_slice_of_nothing_but_padding_has_a_window(volume):
    *_, record = volume(np.full((32, 32), 7, dtype=np.uint16), PixelPaddingValue=7)
    assert record["window"][0] == (7, 7)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"Rows": 16000, "Columns": 16000}, "cut short"),
        ({"Rows": 60000}, "declares a matrix of 60000 x 32"),
        ({"BitsAllocated": 12}, "12 bits"),
        ({"NumberOfFrames": 5000000}, "5000000 frames"),
        ({"NumberOfFrames": 3}, "without positions"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "not a grey-level image"),
        ({"PixelData": None}, "no pixel data"),
        ({"Rows": None}, "has no image: it is cut short"),
    ],
)
@pytest.mark.parametrize("encoded", ["native", "rle", "j2k"])
def test_sizes_that_cannot_be_are_refused_before_decoding(tmp_path, write_slice, tags, words, encoded):
    path = tmp_path / "1.dcm"
    write_slice(path, pixels=RAMP, rle=encoded == "rle")
    if encoded == "j2k":
        reencoded(path, JPEG2000Lossless)
    ds = pydicom.dcmread(path)
    for tag, value in tags.items():
        if value is None:
            delattr(ds, tag)
        else:
            setattr(ds, tag, value)
    ds.save_as(path)
    again = open_file(path)
    with pytest.raises(UnreadableImage, match=words):
        decode(again, header_of(again))


def test_codestream_of_another_size_is_refused(tmp_path, write_slice):
    path = tmp_path / "1.dcm"
    write_slice(path, pixels=RAMP, rle=False)
    reencoded(path, JPEG2000Lossless)
    ds = pydicom.dcmread(path)
    ds.Rows = 31
    ds.save_as(path)
    again = open_file(path)
    with pytest.raises(UnreadableImage, match="declares 31 x 32 pixels, but the image encoded in it 32 x 32"):
        decode(again, header_of(again))


def test_codestream_of_several_samples_is_refused(tmp_path, write_slice):
    path = tmp_path / "1.dcm"
    write_slice(path, pixels=RAMP, rle=False)
    reencoded(path, JPEG2000Lossless)
    blob = bytearray(path.read_bytes())
    at = blob.index(b"\xff\x4f\xff\x51")
    assert blob[at + 40 : at + 42] == b"\0\x01"
    blob[at + 40] = 0x40
    path.write_bytes(blob)
    again = open_file(path)
    with pytest.raises(UnreadableImage, match="the image encoded in it 32 x 32 of 16385 samples"):
        decode(again, header_of(again))


def encoded_as(path, write_slice, uid) -> pydicom.Dataset:
    """A slice whose pixels are 64 zero bytes said to be of an encoding."""
    write_slice(path, pixels=RAMP, rle=False)
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = uid
    ds.PixelData = encapsulate([b"\x00" * 64])
    ds["PixelData"].is_undefined_length = True
    ds.save_as(path)
    return open_file(path)


def test_damaged_pixels_say_what_the_file_is_who_refused_it_and_the_cure(tmp_path, write_slice):
    ds = encoded_as(tmp_path / "1.dcm", write_slice, JPEGLSLossless)
    with pytest.raises(UnreadableImage, match="cannot be decoded from JPEG-LS Lossless") as caught:
        decode(ds, header_of(ds))
    words = str(caught.value)
    assert "(32 x 32): refused by python-gdcm " in words
    assert words.endswith("copy it again from its source; else convert it to an uncompressed file.")


def test_encoding_without_a_decoder_is_named_with_the_cure(tmp_path, write_slice, monkeypatch):
    ds = encoded_as(tmp_path / "1.dcm", write_slice, "1.2.840.10008.1.2.4.100")
    with pytest.raises(UnreadableImage, match=r"is MPEG2 .*\(32 x 32\), which no decoder supports .*gdcmconv --raw"):
        decode(ds, header_of(ds))
    ds = encoded_as(tmp_path / "2.dcm", write_slice, JPEG2000Lossless)
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.available_plugins", ())
    with pytest.raises(UnreadableImage, match=r"is JPEG 2000 .* no decoder of it is installed .*gdcmconv --raw"):
        decode(ds, header_of(ds))


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        (b"0\\0 ", "PixelSpacing [0.0, 0.0] is not positive"),
        (b"0,5\\0,5 ", "PixelSpacing ['0,5', '0,5'] is not numeric"),
        (b"0.5 ", "PixelSpacing [0.5] is not 2 numbers"),
        (b"nan\\1 ", "PixelSpacing [nan, 1.0] is not 2 numbers"),
        (b"", "PixelSpacing is missing"),
    ],
)
def test_unusable_spacing_shows_the_value_found(tmp_path, write_slice, spacing, words):
    path = tmp_path / "1.dcm"
    write_slice(path)
    blob = path.read_bytes()
    at = blob.index(b"\x28\x00\x30\x00DS")
    length = int.from_bytes(blob[at + 6 : at + 8], "little")
    path.write_bytes(blob[: at + 6] + len(spacing).to_bytes(2, "little") + spacing + blob[at + 8 + length :])
    record, stack = read_series(SeriesFiles(1, 11, SAGITTAL_T1, str(tmp_path), ("1.dcm",)))
    assert stack is None
    assert [fault["what"] for fault in record["faults"]] == [f"{words}; not available from its series"]
