"""One series from its files into the cache: parse, order, decode, bring to common units, measure, write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from bench.errors import DataError
from bench.imaging.assembly import Assembled, assemble
from bench.imaging.dicom import Header, header_of, open_file
from bench.imaging.faults import Fault, NotDicom, UnreadableImage
from bench.imaging.layout import SeriesFiles
from bench.imaging.pixels import Pixels, decode
from bench.imaging.slices import Slice
from bench.imaging.volumes import READER_VERSION, SCHEMA_VERSION, Record, checksum, record_of, write_series


def build_series(task: SeriesFiles, folder: str, most_bytes: int | None = None) -> Record:
    """Read a series and keep it in the cache; the record says what it is and what is wrong with it.

    Raises:
        CacheFull: if the series needs more than ``most_bytes``.
    """
    faults: list[Fault] = []
    opened = _open(task, faults)
    assembled = _assembled(task, opened, faults)
    decoded, assembled = _decoded(task, opened, assembled, faults)
    if assembled.series is None:
        record = _empty(task, faults)
        write_series(Path(folder), record, None)
        return record
    volume, mapping = _common_units(assembled, decoded)
    if most_bytes is not None and volume.nbytes > most_bytes:
        raise CacheFull(
            f"series {task.series_id} needs {volume.nbytes:,} bytes of the cache, which has {most_bytes:,} left"
        )
    record = record_of(assembled.series) | {
        "files": [f"{one.path}#{one.frame_index}" if one.frame_index else one.path for one in assembled.slices],
        "encodings": sorted({opened[one.path].header.transfer_syntax for one in assembled.slices}),
        "decoders": sorted({decoded[one.path].decoder for one in assembled.slices}),
        "dtype": volume.dtype.name,
        "mapping": list(mapping),
        "window": [percentiles(part) for part in _unpadded(volume, assembled)],
        "checksum": checksum(volume),
        "faults": [fault.to_json() for fault in faults],
    }
    write_series(Path(folder), record, volume)
    return record


def keep_failure(task: SeriesFiles, folder: str, what: str) -> Record:
    """Record that a series could not be read at all."""
    path = str(Path(task.files[0]).parent)
    record = _empty(task, [Fault(path, what, "this series is left out", task.study_id, task.series_id)])
    write_series(Path(folder), record, None)
    return record


class CacheFull(DataError):  # noqa: N818 - named for what it is about
    """A series is larger than what may still be written."""


IMAGE_SUFFIXES = (".dcm", ".dicom", ".ima", ".mr", "")
_COUNTED_PX = 65536


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


def _common_units(assembled: Assembled, decoded: dict[str, Pixels]) -> tuple[NDArray[Any], tuple[float, float]]:
    """(S, H, W) unsigned volume padded with zeros, and the slope and intercept back to the file's units.

    The file's integers are kept, moved up where some are negative; only where slopes differ within a series, or 32 bits
    do not fit into 16, values are quantised over their range.
    """
    parts = [
        (decoded[one.path].frames[one.frame_index], one.frame.slope, one.frame.intercept) for one in assembled.slices
    ]
    if any(decoded[one.path].inverted for one in assembled.slices):
        parts = [_upright(part, decoded[one.path]) for part, one in zip(parts, assembled.slices, strict=True)]
    scales = {(slope, intercept) for _, slope, intercept in parts}
    lowest, highest = min(int(part.min()) for part, _, _ in parts), max(int(part.max()) for part, _, _ in parts)
    offset = min(lowest, 0)
    if len(scales) > 1 or highest - offset > 65535:
        return _quantised(parts)
    slope, intercept = scales.pop()
    narrow = np.uint8 if highest - offset <= 255 and parts[0][0].dtype.itemsize == 1 else np.uint16
    volume = _blank([part for part, _, _ in parts], narrow)
    for target, (part, _, _) in zip(volume, parts, strict=True):
        rows, columns = part.shape
        target[:rows, :columns] = part if offset == 0 else part.astype(np.int64) - offset
    return volume, (slope, intercept + slope * offset)


def _upright(part: tuple[NDArray[Any], float, float], pixels: Pixels) -> tuple[NDArray[Any], float, float]:
    """A MONOCHROME1 slice turned so that high is bright; the slope back to the file's units is then negative."""
    values, slope, intercept = part
    if not pixels.inverted:
        return part
    top = (1 << pixels.bits_stored) - 1 if np.issubdtype(values.dtype, np.unsignedinteger) else -1
    return top - values.astype(np.int64), -slope, intercept + slope * top


def _quantised(parts: Sequence[tuple[NDArray[Any], float, float]]) -> tuple[NDArray[Any], tuple[float, float]]:
    real = [part.astype(np.float64) * slope + intercept for part, slope, intercept in parts]
    low, high = min(part.min() for part in real), max(part.max() for part in real)
    step = float(high - low) / 65535 or 1.0
    volume = _blank(real, np.uint16)
    for target, part in zip(volume, real, strict=True):
        target[: part.shape[0], : part.shape[1]] = np.rint((part - low) / step)
    return volume, (step, float(low))


def _blank(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    shape = np.max([part.shape for part in parts], axis=0)
    return np.zeros((len(parts), *shape), dtype=dtype)


def _unpadded(volume: NDArray[Any], assembled: Assembled) -> Iterable[NDArray[Any]]:
    for values, one in zip(volume, assembled.slices, strict=True):
        yield values[: one.frame.rows, : one.frame.columns]


def percentiles(values: NDArray[Any]) -> tuple[int, int]:
    """The smallest values that at least 1 % and at least 99 % of the pixels do not exceed.

    Of a large slice every second or fourth row is counted, so that this costs little beside decoding.
    """
    counted = values[:: max(1, values.size // _COUNTED_PX)]
    below = np.cumsum(np.bincount(counted.ravel()))
    low, high = np.searchsorted(below, (0.01 * counted.size, 0.99 * counted.size))
    return int(low), int(high)


def _empty(task: SeriesFiles, faults: Sequence[Fault]) -> Record:
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
