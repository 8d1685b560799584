"""Compressed tables, inflated only as far as a table may be long: a file of 1 MB can inflate to 1 GB and more."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from bench.errors import DataError

# Twenty times the competition's largest table, and little enough to be held in memory.
LIMIT_BYTES = 128 << 20
_PIECE_BYTES = 1 << 16
_OPENERS: dict[str, Callable[[Path], IO[bytes] | Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# Kinds that pandas opens by their names, if it has what it needs for it.
_REFUSED = (".zst", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz")
# What openers raise for damaged files.
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)


def check_inflated(path: Path) -> None:
    """Raise DataError if a compressed file cannot be inflated, or is longer than a table may be; needs little memory.

    Plain files pass, however long they are.
    """
    if path.name.lower().endswith(_REFUSED):
        raise DataError(f"{path} is packed in a way that is not read here: unpack it and pass the plain CSV file.")
    for _ in _pieces(path):
        pass


def read_inflated(path: Path) -> bytes:
    """The contents of a plain file, or of one compressed by gzip, bzip2 or xz.

    Raises:
        DataError: it cannot be inflated, or is longer than a table may be.
        OSError: a plain file cannot be read.
    """
    return b"".join(_pieces(path)) if path.suffix in _OPENERS else path.read_bytes()


def _pieces(path: Path) -> Iterator[bytes]:
    """The contents of a compressed file, piece by piece; of an archive, and of a plain file, nothing."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:  # no member gives more than its declared size
                _refuse_beyond(path, sum(member.file_size for member in archive.infolist()))
        elif path.suffix in _OPENERS:
            total = 0
            with _OPENERS[path.suffix](path) as file:
                while piece := file.read(_PIECE_BYTES):
                    total += len(piece)
                    _refuse_beyond(path, total)
                    yield piece
    except PermissionError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from None
    except _DAMAGED as error:
        raise DataError(f"{path} is damaged, or not compressed as its name says ({error}). Copy it again.") from None


def _refuse_beyond(path: Path, total: int) -> None:
    if total > LIMIT_BYTES:
        raise DataError(
            f"{path} inflates beyond {LIMIT_BYTES >> 20} MiB from {path.stat().st_size:,} bytes, as no table does; "
            "it is damaged, or made to fill the memory. If it is right, unpack it and pass the plain file."
        )
