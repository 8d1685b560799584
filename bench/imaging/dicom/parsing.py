"""One DICOM file from disk to elements: pydicom's parser, and what its exceptions mean in words."""

from __future__ import annotations

import re
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from bench.files.regular import what_else
from bench.imaging.dicom.deflated import at_pixels, read_deflated
from bench.imaging.faults import NotDicom, Packed, UnreadableImage

# The first element of a file, the one that names its encoding, and the encodings that are explicit little endian.
_META_LENGTH = b"\x02\0\0\0UL\x04\0"
_META_SYNTAX = b"\x02\0\x10\0UI"
_USUAL_SYNTAX = re.compile(rb"1\.2\.840\.10008\.1\.2\.(1|5|4\.\d{2,3})")
# How files of packers begin.
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
}
_TRANSFER_SYNTAX = BaseTag(0x00020010)

TOO_LARGE = (
    "needs more memory than a worker may use: it is damaged, or needs fewer --jobs on a machine with more memory"
)


def open_file(path: Path, *, pixels: bool = True) -> Dataset:
    """Parse a DICOM file, with or without its pixels.

    Raises:
        UnreadableImage: if the file cannot be opened, is not DICOM, or is no file.
    """
    try:
        if (other := what_else(path)) is not None:
            raise UnreadableImage(f"is {other}, not a file")
        try:
            return _open_usual(path, pixels) or _open_other(path, pixels)
        except InvalidDicomError:
            return _open_bare(path, pixels)
    except UnreadableImage:
        raise
    except MemoryError:
        raise UnreadableImage(TOO_LARGE) from None
    except OSError as error:
        if error.strerror is None:  # the parser's own
            raise UnreadableImage(f"is damaged: its header cannot be parsed ({words_of(error)})") from None
        raise UnreadableImage(f"cannot be opened: {error.strerror}") from None
    except Exception as error:  # damage makes the parser raise nearly anything
        raise UnreadableImage(f"is damaged: its header cannot be parsed ({words_of(error)})") from None


def _open_usual(path: Path, pixels: bool) -> Dataset | None:
    """Parse a file in a usual encoding, without pydicom's parsing of the file meta group, which takes half its time.

    None if the beginning looks any different; all else about the file is still pydicom's to read.
    """
    with path.open("rb") as file:
        start = file.read(1024)
        if start[128:132] != b"DICM" or start[132:140] != _META_LENGTH:
            return None
        end = 144 + int.from_bytes(start[140:144], "little")
        at = start.find(_META_SYNTAX, 144, end)
        length = int.from_bytes(start[at + 6 : at + 8], "little")
        syntax = start[at + 8 : at + 8 + length].rstrip(b" \0")
        explicit = start[end + 4 : end + 6].isalpha() and start[end : end + 2] == b"\x08\0"
        if at < 0 or not explicit or not _USUAL_SYNTAX.fullmatch(syntax):
            return None
        file.seek(end)
        ds = read_dataset(file, False, True, stop_when=None if pixels else at_pixels)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax.decode("ascii"))
    return ds


def _open_other(path: Path, pixels: bool, *, marked: bool = True) -> Dataset:
    """Parse a file in any encoding; ``marked`` if it must have the DICM mark.

    Deflated ones are not pydicom's to read: it inflates without limit.
    """
    with path.open("rb") as file:
        read_preamble(file, force=not marked)
        meta = read_dataset(file, False, True, stop_when=_after_meta)
        if meta.get(_TRANSFER_SYNTAX) is not None and meta[_TRANSFER_SYNTAX].value == DeflatedExplicitVRLittleEndian:
            ds = read_deflated(file, pixels=pixels)
            ds.file_meta = FileMetaDataset(meta)
            return ds
    return pydicom.dcmread(path, stop_before_pixels=not pixels, force=not marked)


def _after_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group != 2


def _open_bare(path: Path, pixels: bool) -> Dataset:
    """Parse a file without the DICM mark, as old scanners wrote them: its first element must be of group 2 or 8."""
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise UnreadableImage("is empty (0 bytes)")
    for mark, packing in _PACKED.items():
        if start.startswith(mark):
            raise Packed(packing)
    if len(start) < 8 or int.from_bytes(start[:2], "little") not in (2, 8) or start[3] != 0:
        raise NotDicom("is not a DICOM file: the DICM mark after its preamble is missing")
    return _open_other(path, pixels, marked=False)


def words_of(error: Exception) -> str:
    """An exception on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:120]}" if text else type(error).__name__
