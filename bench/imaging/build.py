"""One series from its files into the cache: parse, order, decode, bring to common units, measure, write."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset

from bench.errors import DataError
from bench.imaging.assembly import Assembled, assemble
from bench.imaging.cache import READER_VERSION, SCHEMA_VERSION, Record, checksum, locked, record_of, write_series
from bench.imaging.dicom import Header, header_of, open_file
from bench.imaging.faults import Fault, NotDicom, UnreadableImage
from bench.imaging.layout import SeriesFiles
from bench.imaging.pixels import Pixels, decode
from bench.imaging.slices import Slice
from bench.imaging.values import common_units, percentiles, unpadded

# A file of another name that is not DICOM merely lies there.
IMAGE_SUFFIXES = (".dcm", ".dicom", ".ima", ".mr", "")


def build_series(task: SeriesFiles, folder: str, most_bytes: int | None = None) -> Record:
    """Read a series and keep it in the cache; the record says what it is and what is wrong with it.

    Raises:
        CacheFull: if the cache would grow beyond ``most_bytes``.
        CacheUnwritable: if the disk is full, or the folder may not be written.
    """
    record, volume = read_series(task)
    try:
        if most_bytes is None or volume is None:
            write_series(Path(folder), record, volume)
        else:
            _write_within(Path(folder), record, volume, most_bytes)
    except OSError as error:
        raise CacheUnwritable(
            f"the cache {folder} cannot be written: {error.strerror or error}. Make room there, or choose another "
            "place with --cache-dir; what is done is kept."
        ) from None
    return record


def _write_within(folder: Path, record: Record, volume: NDArray[Any], most_bytes: int) -> None:
    """Write only what the limit allows; one worker at a time, so that two together keep to it."""
    with locked(folder / "size.lock"):
        with os.scandir(folder) as entries:
            used = sum(entry.stat().st_size for entry in entries)
        # Beside its pixels a series takes a header and a record.
        if used + volume.nbytes + 512 * (8 + len(volume)) > most_bytes:
            raise CacheFull(f"{used:,} bytes are used, series {record['series_id']} needs {volume.nbytes:,} more")
        write_series(folder, record, volume)


def inspect_series(task: SeriesFiles) -> Record:
    """Read a series and keep nothing but the record."""
    return read_series(task)[0]


def read_series(task: SeriesFiles) -> tuple[Record, NDArray[Any] | None]:
    """The record of a series, and its (S, H, W) pixels unless no slice of it is usable."""
    faults: list[Fault] = []
    opened = _open(task, faults)
    assembled = _assembled(task, opened, faults)
    decoded, assembled = _decoded(task, opened, assembled, faults)
    if assembled.series is None:
        return empty_record(task, faults), None
    volume, mapping = common_units(assembled, decoded)
    encodings = Counter(opened[one.path].header.transfer_syntax for one in assembled.slices)
    record = record_of(assembled.series) | {
        "files": [f"{one.path}#{one.frame_index}" if one.frame_index else one.path for one in assembled.slices],
        "encodings": dict(sorted(encodings.items())),
        "decoders": sorted({decoded[one.path].decoder for one in assembled.slices}),
        "dtype": volume.dtype.name,
        "bytes": volume.nbytes,
        "mapping": list(mapping),
        "window": [percentiles(part) for part in unpadded(volume, assembled)],
        "checksum": checksum(volume),
        "faults": [fault.to_json() for fault in faults],
    }
    return record, volume


def keep_failure(task: SeriesFiles, folder: str, what: str) -> Record:
    """Record that a series could not be read at all."""
    path = str(Path(task.files[0]).parent)
    record = empty_record(task, [Fault(path, what, "this series is left out", task.study_id, task.series_id)])
    write_series(Path(folder), record, None)
    return record


class CacheFull(DataError):  # noqa: N818 - named for what it is about
    """A series is larger than what may still be written."""


class CacheUnwritable(DataError):  # noqa: N818 - named for what it is about
    """The cache's folder cannot be written."""


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    ds: Dataset
    header: Header


def _open(task: SeriesFiles, faults: list[Fault]) -> dict[str, _Opened]:
    """Every file that parses, by its path; the encoded pixels stay in memory, so each file is read once."""
    opened = {}
    for path in task.files:
        try:
            ds = open_file(Path(task.root) / path)
            opened[path] = _Opened(ds, header_of(ds))
        except UnreadableImage as error:
            faults.append(fault_of(task, path, error))
    return opened


def fault_of(task: SeriesFiles, path: str, error: UnreadableImage) -> Fault:
    """The fault of a file that cannot be used; a stray file that is no image does no harm."""
    if isinstance(error, NotDicom) and Path(path).suffix.lower() not in IMAGE_SUFFIXES:
        return Fault(path, str(error), "it is ignored", task.study_id, task.series_id, usable=True)
    return Fault(path, str(error), "this slice is left out", task.study_id, task.series_id)


def _assembled(task: SeriesFiles, opened: dict[str, _Opened], faults: list[Fault]) -> Assembled:
    slices, assumptions = slices_of((path, item.header) for path, item in opened.items())
    assembled = assemble(task.study_id, task.series_id, task.description, slices, assumptions)
    faults += assembled.faults
    return assembled


def slices_of(headers: Iterable[tuple[str, Header]]) -> tuple[list[Slice], list[str]]:
    """The slices of some files with their instance numbers, and what was odd about the files.

    The number is the file's name, as the tables have it; InstanceNumber where the name is none; in a multi-frame object
    the frame's number (after the file's, if there are several files).
    """
    files = list(headers)
    slices, notes, renamed = [], dict[str, int](), 0
    for path, header in files:
        for note in header.assumptions:
            notes[note] = notes.get(note, 0) + 1
        stem = Path(path).stem
        number = int(stem) if stem.isascii() and stem.isdigit() and len(stem) < 10 else header.instance_number
        renamed += header.instance_number is not None and number != header.instance_number
        for index, frame in enumerate(header.frames):
            slices.append(Slice(path, index, _frame_number(number or 0, index, header, len(files)), frame))
    assumptions = [note if count == 1 else f"{note} ({count} times)" for note, count in notes.items()]
    if renamed:
        assumptions.append(f"InstanceNumber differs from the file name in {renamed} files: the name is trusted")
    return slices, assumptions


def _frame_number(number: int, index: int, header: Header, files: int) -> int:
    if not header.multi_frame:
        return number
    return index + 1 if files == 1 else number * 100_000 + index + 1


def _decoded(
    task: SeriesFiles, opened: dict[str, _Opened], assembled: Assembled, faults: list[Fault]
) -> tuple[dict[str, Pixels], Assembled]:
    """The pixels of every file that decodes, and the series without the slices of those that do not."""
    decoded: dict[str, Pixels] = {}
    broken = set()
    for path in dict.fromkeys(one.path for one in assembled.slices):
        try:
            decoded[path] = decode(opened[path].ds, opened[path].header)
        except UnreadableImage as error:
            faults.append(fault_of(task, path, error))
            broken.add(path)
    if broken:
        kept = [one for one in assembled.slices if one.path not in broken]
        notes = slices_of((path, item.header) for path, item in opened.items() if path in decoded)[1]
        assembled = assemble(task.study_id, task.series_id, task.description, kept, notes)
    return decoded, assembled


def empty_record(task: SeriesFiles, faults: Sequence[Fault]) -> Record:
    """The record of a series of which nothing is usable."""
    return {
        "schema_version": SCHEMA_VERSION,
        "reader_version": READER_VERSION,
        "study_id": task.study_id,
        "series_id": task.series_id,
        "description": task.description,
        "instance_numbers": [],
        "bytes": 0,
        "assumptions": [],
        "faults": [fault.to_json() for fault in faults],
    }
