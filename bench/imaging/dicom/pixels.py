"""Pixels of one DICOM file, decoded by pydicom's plug-ins after its sizes were checked against its length."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from rle.utils import decode_pixel_data

from bench.imaging.dicom import tags
from bench.imaging.dicom.codestream import declared_size
from bench.imaging.dicom.header import Header
from bench.imaging.dicom.objects import without_image
from bench.imaging.dicom.parsing import TOO_LARGE
from bench.imaging.faults import UnreadableImage

# In order of preference. pylibjpeg's RLE is several times as quick as pydicom's own; gdcm has no HTJ2K.
_PREFERENCE = ("pylibjpeg", "gdcm", "pillow", "pydicom")
_PREFERENCE_JPEG = ("gdcm", "pylibjpeg", "pillow", "pydicom")
_DISTRIBUTIONS = {
    "pylibjpeg": ("pylibjpeg-rle", "pylibjpeg-openjpeg"),
    "gdcm": ("python-gdcm",),
    "pillow": ("pillow",),
    "pydicom": ("pydicom",),
}
# A run-length pair of 2 bytes holds at most 128 (DICOM PS3.5, G.3).
_RLE_RATIO = 64
# A blank picture compresses without limit; beyond this size it is damage.
_ANY_RATIO_BYTES = 64 << 20
_RATIO = 2000


_CONVERT = "Convert it to an uncompressed file, such as with gdcmconv --raw."
_COPY_OR_CONVERT = "If it is damaged, copy it again from its source; else convert it to an uncompressed file."


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """Decoded pixels, still in the file's integers.

    Attributes:
        frames: (F, H, W) native-endian integers, bits above BitsStored masked.
        decoder: name and version of the decoder.
        inverted: MONOCHROME1: low is bright.
        bits_stored: number of bits of the value.
        padding: (F, H, W) where pixels are no measurement (PixelPaddingValue, or the range up to its limit); None if
            nowhere.
    """

    frames: NDArray[np.integer]
    decoder: str
    inverted: bool
    bits_stored: int
    padding: NDArray[np.bool_] | None = None


def decode(ds: Dataset, header: Header) -> Pixels:
    """Decode the pixels of a file.

    Raises:
        UnreadableImage: if they are missing, cut short, in no known encoding, or damaged.
    """
    try:
        return _decode(ds, header)
    except UnreadableImage:
        raise
    except MemoryError:
        raise UnreadableImage(TOO_LARGE) from None
    except Exception as error:  # damage makes parser and decoders raise nearly anything
        raise UnreadableImage(
            f"cannot be decoded from {_described(header)}: {_words(error)}. {_COPY_OR_CONVERT}"
        ) from None


def _decode(ds: Dataset, header: Header) -> Pixels:
    encoded = tags.content(ds, tags.PIXEL_DATA)
    if not encoded:
        raise without_image(ds, "has no pixel data: the file is cut short or its header damaged")
    shape = len(header.frames), header.frames[0].rows, header.frames[0].columns
    bits, stored = _integer(ds, tags.BITS_ALLOCATED, 16), _integer(ds, tags.BITS_STORED, 16)
    high, samples = _integer(ds, tags.HIGH_BIT, stored - 1), _integer(ds, tags.SAMPLES, 1)
    photometric = tags.text(ds, tags.PHOTOMETRIC) or "MONOCHROME2"
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        raise UnreadableImage(f"is not a grey-level image ({photometric}, {samples} samples a pixel)")
    if bits not in (8, 16, 32) or not 0 < stored <= bits or not stored - 1 <= high < bits:
        raise UnreadableImage(f"declares {stored} of {bits} bits with the highest at {high}")
    uid = UID(header.transfer_syntax or ImplicitVRLittleEndian)
    _check_length(len(encoded), uid, prod(shape) * (bits // 8))
    _check_codestreams(encoded, uid, shape)
    array, decoder = _first_decoder_that_can(ds, header, uid, shape)
    if array.size != prod(shape):
        raise UnreadableImage(f"decodes to {array.size} pixels instead of {'x'.join(map(str, shape))}")
    array = array.reshape(shape).astype(array.dtype.newbyteorder("="), copy=False)
    values = _masked(array, stored, high)
    return Pixels(values, decoder, photometric == "MONOCHROME1", stored, _padding(ds, array, values))


def _integer(ds: Dataset, tag: BaseTag, default: int) -> int:
    value = tags.integer(ds, tag)
    return default if value is None else value


def _check_length(length: int, uid: UID, needed: int) -> None:
    """Refuse sizes that the data cannot hold, before anything is allocated."""
    if not uid.is_compressed or uid == DeflatedExplicitVRLittleEndian:
        enough = needed <= length
    elif uid == RLELossless:
        enough = needed <= length * _RLE_RATIO
    else:
        enough = length > 0 and (needed <= _ANY_RATIO_BYTES or needed <= length * _RATIO)
    if not enough:
        raise UnreadableImage(f"is cut short: {length:,} bytes of pixel data for an image of {needed:,}")


def _check_codestreams(pixel_data: bytes, uid: UID, shape: tuple[int, int, int]) -> None:
    """Refuse encoded images that declare another size than the file: decoders allocate what these say."""
    if not uid.is_encapsulated or uid == RLELossless:
        return
    for encoded in generate_frames(pixel_data, number_of_frames=shape[0]):
        found = declared_size(encoded)
        if found is not None and found != (*shape[1:], 1):
            samples = f" of {found[2]} samples" if found[2] != 1 else ""
            raise UnreadableImage(
                f"declares {shape[1]} x {shape[2]} pixels, but the image encoded in it {found[0]} x {found[1]}{samples}"
            )


def _run_length_decoded(ds: Dataset, shape: tuple[int, int, int]) -> NDArray[np.integer]:
    """What pydicom's plug-in does, without the copies and checks around it, which take a fifth of the time."""
    bits, sign = _integer(ds, tags.BITS_ALLOCATED, 16), "i" if _integer(ds, tags.SIGNED, 0) == 1 else "u"
    options: dict[str, Any] = {"rows": shape[1], "columns": shape[2], "bits_allocated": bits}
    encoded = generate_frames(tags.content(ds, tags.PIXEL_DATA), number_of_frames=shape[0])
    frames = [np.frombuffer(decode_pixel_data(frame, version=2, **options), f"<{sign}{bits // 8}") for frame in encoded]
    return frames[0] if len(frames) == 1 else np.concatenate(frames)


def _first_decoder_that_can(
    ds: Dataset, header: Header, uid: UID, shape: tuple[int, int, int]
) -> tuple[NDArray[np.integer], str]:
    try:
        decoder = get_decoder(uid)
    except NotImplementedError:
        raise UnreadableImage(f"is {_described(header)}, which no decoder supports ({uid}). {_CONVERT}") from None
    if decoder.is_native:
        return decoder.as_array(ds, raw=True)[0], f"pydicom {_version('pydicom')}"
    order = _PREFERENCE if uid == RLELossless else _PREFERENCE_JPEG
    plugins = sorted(decoder.available_plugins, key=lambda name: order.index(name) if name in order else len(order))
    errors = []
    for plugin in plugins:
        try:
            if uid == RLELossless and plugin == "pylibjpeg":
                return _run_length_decoded(ds, shape), describe(plugin)
            return decoder.as_array(ds, raw=True, decoding_plugin=plugin)[0], describe(plugin)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # each plug-in has errors of its own, and Rust panics are no Exception
            errors.append(f"{describe(plugin)}: {_words(error)}")
    if not errors:
        missing = "; ".join(decoder.missing_dependencies) or "none is known"
        raise UnreadableImage(f"is {_described(header)}, and no decoder of it is installed ({missing}). {_CONVERT}")
    refused = f"refused by {'; '.join(errors)}"
    raise UnreadableImage(f"cannot be decoded from {_described(header)}: {refused}. {_COPY_OR_CONVERT}")


def _described(header: Header) -> str:
    """What a file is: its encoding and its size."""
    uid, frame, count = UID(header.transfer_syntax), header.frames[0], len(header.frames)
    frames = f"{count} frames of " if count > 1 else ""
    return f"{uid.name or 'an unnamed encoding'} ({frames}{frame.rows} x {frame.columns})"


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _padding(ds: Dataset, *arrays: NDArray[np.integer]) -> NDArray[np.bool_] | None:
    """Where any of some arrays of one shape holds the padding value, or one of its range (DICOM PS3.3, C.7.5.1.1.2)."""
    signed = arrays[0].dtype.kind == "i"
    value = tags.pixel_value(ds, tags.PADDING, signed=signed)
    if value is None:
        return None
    limit = tags.pixel_value(ds, tags.PADDING_LIMIT, signed=signed)
    low, high = sorted((value, value if limit is None else limit))
    found = np.logical_or.reduce([(array >= low) & (array <= high) for array in arrays])
    return found if found.any() else None


@cache
def describe(plugin: str) -> str:
    """A decoding plug-in with the versions of the packages behind it."""
    return ", ".join(f"{package} {_version(package)}" for package in _DISTRIBUTIONS.get(plugin, (plugin,)))


@cache
def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def _masked(array: NDArray[np.integer], stored: int, high: int) -> NDArray[np.integer]:
    """The value alone: what lies above and below the stored bits (old overlays) is dropped, the sign kept."""
    allocated = array.dtype.itemsize * 8
    if stored >= allocated or high >= allocated:
        return array
    above = allocated - 1 - high
    signed = np.issubdtype(array.dtype, np.signedinteger)
    lowest, highest = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)
    if high == stored - 1 and array.max() <= highest and (not signed or array.min() >= lowest):
        return array
    # Shifting up and down again drops the junk; the shift down of a signed type carries the sign.
    return (array << above) >> (allocated - stored)
