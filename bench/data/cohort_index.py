"""What a job needs of an opened data set, written once by planning, so that no job lists the images again.

Two files: a JSON document with checksums and the names of studies and series, and beside it an ``.npz`` with the
geometry of all slices. A job checks that the tables and the volume cache are still what planning saw.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.load import Opened
from bench.data.tables import LABELS, POINTS, SERIES, table_path
from bench.errors import DataError
from bench.files.atomic import write_bytes, write_text
from bench.imaging.cache import index_path, read_index
from bench.imaging.sealed import read_sealed, sealed
from bench.imaging.study import Series, Study
from bench.imaging.volumes import Volumes

SCHEMA_VERSION = 1
CURE = "Run the command again: it reads the data anew."
ARRAYS = ("instance_numbers", "positions", "orientations", "spacings", "shapes")


@dataclass(frozen=True, slots=True, eq=False)
class Indexed:
    """The studies of a cohort, without labels and points, and the pixels of their series."""

    studies: tuple[Study, ...]
    volumes: Volumes


def write_cohort_index(path: Path, opened: Opened) -> list[str]:
    """Write what `read_cohort_index` reads; files that say the same already stay.

    Args:
        path: the JSON document; the arrays take its name with ``.npz``.
        opened: the data set.

    Returns:
        What was there and is damaged, in words; it is written anew.
    """
    content = _npz(opened.cohort.studies)
    volumes = opened.volumes.folder
    about: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "data_hash": opened.data_hash,
        "tables": {str(table): _sha256(table) for table in _tables(opened.folder)},
        "volumes": str(volumes.resolve()),
        "volumes_index": _sha256(index_path(volumes)),
        "arrays": hashlib.sha256(content).hexdigest(),
        "series": [_row(series) for study in opened.cohort.studies for series in study.series],
        "notes": {str(study.study_id): list(study.notes) for study in opened.cohort.studies},
    }
    there = _there(path)
    same = there is not None and {**there, "records": None} == {**about, "records": None}
    if same and _sha256(_arrays(path)) == about["arrays"]:
        return []
    damaged = [_arrays(path)] if same and _arrays(path).exists() else []
    if there is None and path.exists() and (read_sealed(path) or about).get("schema_version") == SCHEMA_VERSION:
        damaged = [path]  # and no other version's
    records = _records_hash(volumes, (row[1] for row in about["series"]))
    write_bytes(_arrays(path), content)
    write_text(path, sealed(json.dumps({**about, "records": records}, allow_nan=False)))
    return [f"{one} was damaged" for one in damaged]


def read_cohort_index(path: Path, data_hash: str) -> Indexed:
    """The studies and volumes that planning opened.

    Args:
        path: the JSON document.
        data_hash: of the data that the job is to be run on.

    Raises:
        DataError: a file is gone or damaged, or tables or volume cache changed since. The message names the cure.
    """
    about = _there(path)
    if about is None:
        raise DataError(f"{path} is gone or damaged. {CURE}")
    if about["data_hash"] != data_hash:
        raise DataError(f"{path} is of data {about['data_hash'][:8]}, the job is of {data_hash[:8]}. {CURE}")
    for table, digest in about["tables"].items():
        if _sha256(Path(table)) != digest:
            raise DataError(f"{table} changed since the jobs were planned. {CURE}")
    volumes = Path(about["volumes"])
    ids = [row[1] for row in about["series"]]
    if _sha256(index_path(volumes)) != about["volumes_index"] and _records_hash(volumes, ids) != about["records"]:
        # Another run may have added series of its own; of ours, something changed.
        raise DataError(f"the volume cache {volumes} changed since the jobs were planned. {CURE}")
    try:
        content = _arrays(path).read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != about["arrays"]:
        raise DataError(f"{_arrays(path)} is gone or damaged. {CURE}")
    return Indexed(_studies(about, content), Volumes(volumes))


def _there(path: Path) -> dict[str, Any] | None:
    """The document, or None where there is none that this release can read."""
    found = read_sealed(path)
    keys = {"data_hash", "tables", "volumes", "volumes_index", "records", "arrays", "series", "notes"}
    whole = found is not None and found.get("schema_version") == SCHEMA_VERSION and keys <= found.keys()
    return found if whole else None


def _row(series: Series) -> list[Any]:
    thickness = None if np.isnan(series.thickness_mm) else series.thickness_mm
    return [series.study_id, series.series_id, series.description, len(series), thickness, list(series.assumptions)]


def _studies(about: dict[str, Any], content: bytes) -> tuple[Study, ...]:
    """The studies as they were opened: in the same order, equal to the last bit."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS}
        by_study: dict[str, list[Series]] = {study_id: [] for study_id in about["notes"]}
        start = 0
        for study_id, series_id, description, slices, thickness, assumptions in about["series"]:
            own = {name: values[start : start + slices] for name, values in arrays.items()}
            start += slices
            mm = float("nan") if thickness is None else float(thickness)
            series = Series(study_id, series_id, description, thickness_mm=mm, assumptions=tuple(assumptions), **own)
            by_study[str(study_id)].append(series)
        notes = about["notes"]
        return tuple(Study(int(key), tuple(series), tuple(notes[key])) for key, series in by_study.items())
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"the index of the cohort is damaged ({error!r}). {CURE}") from error


def _npz(studies: Sequence[Study]) -> bytes:
    """The geometry of all slices of all series, one after the other. Equal studies give equal bytes."""
    every = [series for study in studies for series in study.series]
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: np.concatenate([getattr(series, name) for series in every]) for name in ARRAYS}
    np.savez(stream, **arrays)
    return stream.getvalue()


def _arrays(path: Path) -> Path:
    return path.with_suffix(".npz")


def _tables(folder: Path) -> list[Path]:
    return [table_path(folder, name).resolve() for name in (LABELS, POINTS, SERIES)]


def _records_hash(volumes: Path, series_ids: Iterable[int]) -> str:
    """The sha256 of what the cache knows of these series; of a series that it lacks, nothing."""
    records = read_index(volumes)
    text = json.dumps([records.get(series_id) for series_id in sorted(series_ids)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    """The checksum of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
