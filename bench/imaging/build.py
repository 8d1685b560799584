"""One series from its files into the cache: parse, order, decode, bring to common units, measure, write."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.files.atomic import explanation
from bench.imaging.assembly import assemble
from bench.imaging.cache import READER_VERSION, SCHEMA_VERSION, Record, checksum, locked, record_of, write_series
from bench.imaging.dicom.header import Header, header_of
from bench.imaging.dicom.parsing import open_file
from bench.imaging.dicom.pixels import Pixels, decode
from bench.imaging.faults import Fault, NoImage, NotDicom, Packed, UnreadableImage
from bench.imaging.kinds import unlike_its_description
from bench.imaging.layout import SeriesFiles
from bench.imaging.slices import Slice
from bench.imaging.values import Stack, common_units, percentiles

# A file of another name that is not DICOM is unrelated.
IMAGE_SUFFIXES = (".dcm", ".dicom", ".ima", ".mr", "")


def build_series(task: SeriesFiles, folder: str, most_bytes: int | None = None) -> Record:
    """Read a series and keep it in the cache; the record has its geometry and its faults.

    Raises:
        CacheFull: if the cache would grow beyond ``most_bytes``.
        CacheUnwritable: if the disk is full, or the folder may not be written.
    """
    record, stack = read_series(task)
    try:
        if most_bytes is None or stack is None:
            write_series(Path(folder), record, stack)
        else:
            _write_within(Path(folder), record, stack, most_bytes)
    except OSError as error:
        why = str(explanation(error, Path(folder)))
        cure = "--cache-dir names another place; finished series are kept."
        raise CacheUnwritable(f"the cache cannot be written: {why} {cure}") from None
    return record


def _write_within(folder: Path, record: Record, stack: Stack, most_bytes: int) -> None:
    """Write only what the limit allows; one worker at a time, so that two together keep to it."""
    with locked(folder / "size.lock"):
        with os.scandir(folder) as entries:
            used = sum(entry.stat().st_size for entry in entries)
        # In addition to its pixels a series needs a header and a record.
        if used + record["bytes"] + 512 * (8 + len(stack)) > most_bytes:
            raise CacheFull(f"{used:,} bytes are used, series {record['series_id']} needs {record['bytes']:,} more")
        write_series(folder, record, stack)


def inspect_series(task: SeriesFiles) -> Record:
    """Read a series and keep only the record."""
    return read_series(task)[0]


def read_series(task: SeriesFiles) -> tuple[Record, Stack | None]:
    """The record of a series, and its slices in order unless none of them is usable.

    Every file is read once and decoded immediately, so that only one encoded file is in memory.
    """
    headers: dict[str, Header] = {}
    pixels: dict[str, Pixels] = {}
    refused: dict[str, UnreadableImage] = {}
    for path in task.files:
        try:
            ds = open_file(Path(task.root) / path)
            header = header_of(ds, geometry_alone=True)
            pixels[path], headers[path] = decode(ds, header), header
        except UnreadableImage as error:
            refused[path] = error
    faults = [fault_of(task, path, error) for path, error in refused.items() if not isinstance(error, NoImage)]
    if task.description and headers and (other := unlike_its_description(list(headers.values()))) is not None:
        return empty_record(task, [*faults, _of_another_kind(task, other)]), None

    def same_pixels(one: Slice, other: Slice) -> bool:
        return np.array_equal(pixels[one.path].frames[one.frame_index], pixels[other.path].frames[other.frame_index])

    assembled = assemble(task.study_id, task.series_id, task.description, *slices_of(headers), same_pixels)
    faults += assembled.faults
    if assembled.series is None:
        if not headers and all(_is_another_thing(path, error) for path, error in refused.items()):
            faults = [nothing_left(task, list(refused.values()))]
        return empty_record(task, faults), None
    stack, mapping = common_units(assembled.slices, pixels)
    encodings = Counter(headers[one.path].transfer_syntax for one in assembled.slices)
    record = record_of(assembled.series) | {
        "files": [f"{one.path}#{one.frame_index}" if one.frame_index else one.path for one in assembled.slices],
        "encodings": dict(sorted(encodings.items())),
        "decoders": sorted({pixels[one.path].decoder for one in assembled.slices}),
        "dtype": stack[0].dtype.name,
        "bytes": sum(part.nbytes for part in stack),
        "mapping": list(mapping),
        "window": [
            percentiles(part[: one.frame.rows, : one.frame.columns], _padding(pixels[one.path], one))
            for part, one in zip(stack, assembled.slices, strict=True)
        ],
        "checksum": checksum(stack),
        "contents": task.contents,
        "faults": [fault.to_json() for fault in faults],
    }
    return record, stack


def _padding(pixels: Pixels, one: Slice) -> NDArray[np.bool_] | None:
    return None if pixels.padding is None else pixels.padding[one.frame_index]


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


def fault_of(task: SeriesFiles, path: str, error: UnreadableImage) -> Fault:
    """The fault of a file that cannot be used; a stray file that is no image does no harm."""
    if isinstance(error, NotDicom) and not named_as_image(path, error):
        return Fault(path, str(error), "it is ignored", task.study_id, task.series_id, usable=True)
    return Fault(path, str(error), "this slice is left out", task.study_id, task.series_id)


def named_as_image(path: str, error: UnreadableImage, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> bool:
    """Whether a file is meant to be an image by its name; of a packed one, by the name that it will have unpacked."""
    name = Path(path)
    if name.suffix.lower() in suffixes:
        return True
    inner = Path(name.stem)
    return isinstance(error, Packed) and (inner.suffix.lower() in IMAGE_SUFFIXES[:-1] or inner.name.isdigit())


def _is_another_thing(path: str, error: UnreadableImage) -> bool:
    """Whether a file is no damaged image, but packed, another object, or a stray file."""
    return isinstance(error, (Packed, NoImage)) or (isinstance(error, NotDicom) and not named_as_image(path, error))


def nothing_left(task: SeriesFiles, refused: Sequence[UnreadableImage]) -> Fault:
    """The fault of a series whose files are there, but none is an image."""
    count = "its only file is" if len(refused) == 1 else f"its {len(refused)} files are"
    packings = {error.format for error in refused if isinstance(error, Packed)}
    if packings:
        what, cure = f"compressed ({', '.join(sorted(packings))})", "unpack them in this folder"
    elif all(isinstance(error, NoImage) for error in refused):
        what, cure = "objects of other kinds", "copy its images here, or drop its row from the series table"
    else:
        what, cure = "no DICOM files", "copy its images here, or drop its row from the series table"
    path = str(Path(task.files[0]).parent)
    return Fault(
        path, f"has no image: {count} {what}; {cure}", "this series is left out", task.study_id, task.series_id
    )


def _of_another_kind(task: SeriesFiles, what: str) -> Fault:
    """The fault of a series that is listed as a kind which its own headers rule out."""
    listed = f"is listed as {task.description}, but its headers say {what}: correct or drop its row in the series table"
    path = str(Path(task.files[0]).parent)
    return Fault(path, listed, "this series is left out", task.study_id, task.series_id)


def slices_of(headers: Mapping[str, Header]) -> tuple[list[Slice], list[str]]:
    """The slices of some files with their instance numbers, and what was odd about the files.

    The number is the file's name, as the tables have it; InstanceNumber where the name is none; in a multi-frame object
    the frame's number (after the file's, if there are several files).
    """
    slices, notes, renamed = [], Counter[str](), 0
    for path, header in headers.items():
        notes.update(header.assumptions)
        stem = Path(path).stem
        number = int(stem) if stem.isascii() and stem.isdigit() and len(stem) < 10 else header.instance_number
        renamed += header.instance_number is not None and number != header.instance_number
        for index, frame in enumerate(header.frames):
            slices.append(Slice(path, index, _frame_number(number or 0, index, header, len(headers)), frame))
    assumptions = [note if count == 1 else f"{note} ({count} times)" for note, count in notes.items()]
    if renamed:
        assumptions.append(f"InstanceNumber differs from the file name in {renamed} files: the name is trusted")
    return slices, assumptions


def _frame_number(number: int, index: int, header: Header, files: int) -> int:
    if not header.multi_frame:
        return number
    return index + 1 if files == 1 else number * 100_000 + index + 1


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
        "contents": task.contents,
        "assumptions": [],
        "faults": [fault.to_json() for fault in faults],
    }
