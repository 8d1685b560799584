"""Deflated data sets, inflated only as far as their own header justifies: 6 MB can inflate to 6 GB."""

from __future__ import annotations

import zlib
from math import prod
from typing import IO

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from bench.imaging.dicom import tags
from bench.imaging.faults import UnreadableImage

FIRST_PIXEL_TAG = 0x7FE00008
# What may come before the pixels: the functional groups of a thousand frames take about 2 MB.
_HEADER_BYTES = 16 << 20
# What may follow them.
_SURPLUS_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16


def read_deflated(file: IO[bytes], *, pixels: bool) -> Dataset:
    """Parse the rest of a file, which starts with its deflated data set (DICOM PS3.5, A.5).

    Raises:
        UnreadableImage: it inflates to more than its header declares.
    """
    stream = _Inflated(file)
    ds = read_dataset(stream, False, True, stop_when=at_pixels)  # type: ignore[arg-type]
    if pixels:
        declared = _declared_bytes(ds)
        stream.allow(stream.tell() + declared + _SURPLUS_BYTES, f"an image of {declared:,} bytes")
        ds.update(read_dataset(stream, False, True))  # type: ignore[arg-type]
    return ds


def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    """Whether the pixels, or what lies behind them, begin with this element."""
    return tag >= FIRST_PIXEL_TAG


def _declared_bytes(ds: Dataset) -> int:
    sizes = (tags.ROWS, tags.COLUMNS, tags.NUMBER_OF_FRAMES, tags.SAMPLES)
    # What is negative, or no number, is refused where the header is read.
    counts = [max(1 if found is None else found, 0) for found in (tags.integer(ds, tag) for tag in sizes)]
    return prod(counts) * -(-(tags.integer(ds, tags.BITS_ALLOCATED) or 16) // 8)


class _Inflated:
    """The inflated bytes as a file that can be read, and read again."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._content = bytearray()
        self._at = 0
        self.allow(_HEADER_BYTES, "a header without pixels")

    def allow(self, limit: int, what: str) -> None:
        """Allow so many bytes from the start, for what is declared."""
        self._limit, self._what = limit, what

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2:
            self._fill(self._limit + 1)
        self._at = offset + (0, self._at, len(self._content))[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._limit + 1 if size < 0 else self._at + size
        self._fill(end)
        found = bytes(memoryview(self._content)[self._at : end])
        self._at += len(found)
        return found

    def _fill(self, end: int) -> None:
        """Inflate up to ``end``, or to the end of the file."""
        while len(self._content) < end and not self._inflate.eof:
            piece = self._inflate.unconsumed_tail or self._file.read(_PIECE_BYTES)
            inflated = self._inflate.decompress(piece, min(end, self._limit + 1) - len(self._content))
            self._content += inflated
            if len(self._content) > self._limit:
                raise UnreadableImage(
                    f"inflates to more than {self._limit:,} bytes, but its header declares {self._what}: it is damaged"
                )
            if not piece and not inflated:
                return
