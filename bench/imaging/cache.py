"""The files of the volume cache: one ``.npy`` per series, and its JSON record.

``<series_id>.npy`` is (S, H, W) unsigned 8 or 16 bits in anatomical slice order. ``<series_id>.json`` says everything
else, with the checksum of the pixels and the hash of the files they were read from. It is written last: a series is
there if its record is. ``index.json`` gathers the records once all are there, so that a second opening reads one file.
Both JSON files carry their own hash. Deleting the folder is safe; it is built again when it is needed.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bench.files.atomic import temporary_beside
from bench.files.regular import open_unlinked
from bench.imaging.sealed import read_sealed, write_sealed
from bench.imaging.study import Series

# Raised whenever the reader gives other pixels, another order or another geometry than before.
READER_VERSION = 1
SCHEMA_VERSION = 1

Record = dict[str, Any]


def series_of(record: Record) -> Series | None:
    """The geometry that a record keeps, or None if no slice of the series could be read."""
    if not record["instance_numbers"]:
        return None
    thickness = record["thickness_mm"]
    return Series(
        study_id=record["study_id"],
        series_id=record["series_id"],
        description=record["description"],
        instance_numbers=np.array(record["instance_numbers"], dtype=np.int64),
        positions=np.array(record["positions"], dtype=np.float64),
        orientations=np.array(record["orientations"], dtype=np.float64),
        spacings=np.array(record["spacings"], dtype=np.float64),
        shapes=np.array(record["shapes"], dtype=np.int64),
        thickness_mm=float("nan") if thickness is None else thickness,
        assumptions=tuple(record["assumptions"]),
    )


def record_of(series: Series) -> Record:
    """What `series_of` reads: the geometry of a series as JSON."""
    return {
        "schema_version": SCHEMA_VERSION,
        "reader_version": READER_VERSION,
        "study_id": series.study_id,
        "series_id": series.series_id,
        "description": series.description,
        "instance_numbers": series.instance_numbers.tolist(),
        "positions": series.positions.tolist(),
        "orientations": series.orientations.tolist(),
        "spacings": series.spacings.tolist(),
        "shapes": series.shapes.tolist(),
        "thickness_mm": None if np.isnan(series.thickness_mm) else series.thickness_mm,
        "assumptions": list(series.assumptions),
    }


def write_series(folder: Path, record: Record, stack: Sequence[NDArray[Any]] | None) -> None:
    """Keep a series: its slices as one ``.npy`` first, the record last, each written whole or not at all."""
    target = folder / f"{int(record['series_id'])}.npy"
    if stack is not None:
        temporary = temporary_beside(target)
        try:
            with temporary.open("wb") as file:
                shape = (len(stack), *stack[0].shape)
                header = {"descr": stack[0].dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for part in stack:
                    file.write(part.data)
            record["bytes"] = temporary.stat().st_size
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    write_sealed(target.with_suffix(".json"), json.dumps(record, allow_nan=False))


def checksum(stack: Iterable[NDArray[Any]]) -> str:
    """CRC-32 of the pixels of a series, slice by slice in C order, as eight hexadecimal digits."""
    value = 0
    for part in stack:
        value = zlib.crc32(part.data, value)
    return f"{value:08x}"


def read_record(folder: Path, series_id: int) -> Record | None:
    """The record of a series whose pixels are there in full; None if it must be built (again)."""
    path = folder / f"{int(series_id)}.json"
    record = read_sealed(path)
    try:
        if record is None:
            return None
        size = path.with_suffix(".npy").stat().st_size if record["instance_numbers"] else 0
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if record.get("schema_version") == SCHEMA_VERSION and size == record["bytes"] else None


def index_path(folder: Path) -> Path:
    """The file that gathers all records."""
    return folder / "index.json"


def read_index(folder: Path) -> dict[int, Record]:
    """All gathered records by series id; empty if there is no index yet, or a damaged one."""
    document = read_sealed(index_path(folder))
    try:
        if document is None or document["schema_version"] != SCHEMA_VERSION:
            return {}
        return {int(record["series_id"]): record for record in document["series"]}
    except (ValueError, KeyError, TypeError):
        return {}


def write_index(folder: Path, records: Mapping[int, Record]) -> None:
    """Gather the records of all series in one file."""
    series = [records[series_id] for series_id in sorted(records)]
    document = {"schema_version": SCHEMA_VERSION, "series": series}
    write_sealed(index_path(folder), json.dumps(document, allow_nan=False))


def is_whole(folder: Path, record: Record) -> bool:
    """Whether the pixels of a series are what was written: type, shape and checksum."""
    try:
        if not record["instance_numbers"]:
            return True
        found = np.load(folder / f"{int(record['series_id'])}.npy", mmap_mode="r", allow_pickle=False)
        shape = (len(record["shapes"]), *np.max(record["shapes"], axis=0).tolist())
        kind = np.dtype(record["dtype"])
        return bool(found.shape == shape and found.dtype == kind) and checksum(found) == record["checksum"]
    except (OSError, EOFError, ValueError, KeyError, TypeError):  # EOFError: an empty file
        return False


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one process in at a time; the lock goes with its process, however that ends.

    On a file system without locks two processes may enter; files are replaced whole, so that this only costs time.
    """
    with open(open_unlinked(path, os.O_RDWR | os.O_CREAT), "r+") as file:
        while not _try_lock(file):
            waiting()
            time.sleep(0.2)
        yield


def _try_lock(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
