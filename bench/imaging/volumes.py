"""The volume cache: pixels of prepared series, one ``.npy`` a series with a JSON record beside it.

``<series_id>.npy`` is (S, H, W) unsigned 8 or 16 bits in anatomical slice order; ``<series_id>.json`` says everything
else, and is written last: a series is there if its record is. ``index.json`` gathers the records once all are there, so
that a second opening reads one file. Deleting the folder is safe; it is built again when it is needed.
"""

from __future__ import annotations

import json
import os
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.imaging.study import Series

# Raised whenever the reader gives other pixels, another order or another geometry than before.
READER_VERSION = 1
SCHEMA_VERSION = 1
# Each open memory map holds a file descriptor, of which a process commonly has 1,024.
_OPEN_MAPS = 128

Record = dict[str, Any]


class Volumes:
    """Pixels of prepared series, read from the cache by memory map. Cheap to make, to pickle and to open."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._records: dict[int, Record] = {}
        self._maps: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._index_read = False

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]

    def array(self, series_id: int) -> NDArray[Any]:
        """(S, H, W) read-only uint8 or uint16 in the slice order of `Series`.

        Slices smaller than the largest of their series are padded with zeros at the right and bottom, so pixel
        coordinates hold. Raises DataError if the series is not in the cache.
        """
        found = self._maps.get(series_id)
        if found is not None:
            self._maps.move_to_end(series_id)
            return found
        try:
            opened = np.load(self.folder / f"{int(series_id)}.npy", mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise self._absent(series_id) from None
        self._maps[series_id] = opened
        if len(self._maps) > _OPEN_MAPS:
            self._maps.popitem(last=False)
        return opened

    def window(self, series_id: int) -> NDArray[np.float32]:
        """(S, 2) 1st and 99th percentile of every slice without its padding, in stored units."""
        return np.array(self.record(series_id)["window"], dtype=np.float32).reshape(-1, 2)

    def mapping(self, series_id: int) -> tuple[float, float]:
        """Slope and intercept: the value in the file's own units is stored * slope + intercept."""
        slope, intercept = self.record(series_id)["mapping"]
        return float(slope), float(intercept)

    def record(self, series_id: int) -> Record:
        """Everything the cache knows of a series."""
        if not self._index_read:
            self._index_read = True
            self._records.update(read_index(self.folder))
        if series_id not in self._records:
            record = read_record(self.folder, series_id)
            if record is None:
                raise self._absent(series_id)
            self._records[series_id] = record
        return self._records[series_id]

    def _absent(self, series_id: int) -> DataError:
        return DataError(
            f"series {series_id} is not in the volume cache {self.folder}: it was not prepared, could not be read, or "
            "the cache was deleted meanwhile. Run the command again, or `bench data prepare`."
        )


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


def write_series(folder: Path, record: Record, array: NDArray[Any] | None) -> None:
    """Keep a series: the pixels first, the record last, each written whole or not at all."""
    target = folder / f"{int(record['series_id'])}.npy"
    if array is not None:
        temporary = _temporary(target)
        try:
            with temporary.open("wb") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
            record["bytes"] = temporary.stat().st_size
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    write_json(target.with_suffix(".json"), record)


def checksum(array: NDArray[Any]) -> str:
    """CRC-32 of the pixels in C order, as eight hexadecimal digits."""
    return f"{zlib.crc32(np.ascontiguousarray(array).data):08x}"


def read_record(folder: Path, series_id: int) -> Record | None:
    """The record of a series whose pixels are there in full; None if it must be built (again)."""
    path = folder / f"{int(series_id)}.json"
    try:
        record = json.loads(path.read_bytes())
        size = path.with_suffix(".npy").stat().st_size if record["instance_numbers"] else 0
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if record.get("schema_version") == SCHEMA_VERSION and size == record["bytes"] else None


def read_index(folder: Path) -> dict[int, Record]:
    """All gathered records by series id; empty if there is no index yet."""
    try:
        document = json.loads((folder / "index.json").read_bytes())
        if document["schema_version"] != SCHEMA_VERSION:
            return {}
        return {record["series_id"]: record for record in document["series"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_index(folder: Path, records: Mapping[int, Record]) -> None:
    """Gather the records of all series in one file."""
    series = [records[series_id] for series_id in sorted(records)]
    write_json(folder / "index.json", {"schema_version": SCHEMA_VERSION, "series": series})


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document whole or not at all."""
    temporary = _temporary(path)
    try:
        temporary.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")
