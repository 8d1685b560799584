"""Checking a folder: read every file once, count its contents, and list its faults."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.data.folder import check_folder
from bench.data.points import place_points
from bench.data.tables import LABELS, SERIES, Tables, read_series, read_tables, table_path
from bench.errors import BenchError, DataError
from bench.imaging.build import empty_record, inspect_series
from bench.imaging.cache import Record
from bench.imaging.discovery import discover
from bench.imaging.faults import Fault
from bench.imaging.layout import IMAGES, SeriesFiles, scan
from bench.imaging.preparation import limit_s, studies_of, tasks_of
from bench.imaging.workers import Failure, run_isolated

if TYPE_CHECKING:
    from bench.dataset import Progress

SCHEMA_VERSION = 1


@dataclass(slots=True)
class Check:
    """The contents and faults of a folder.

    Attributes:
        folder: the folder.
        layout: ``competition`` with its tables, or ``own`` for any other tree of DICOM files.
        faults: all faults, with their effect on training.
        notes: (path, assumption) of series that were read with an assumption.
        known: published faults of studies and series of this folder, by id.
        studies: number of studies with a usable series.
        series: series by kind.
        slices: slices by kind.
        sizes: slices by rows and columns.
        encodings: slices by transfer syntax UID.
        spacings_mm: in-plane spacing of every series.
        steps_mm: distance between slices of every series.
        labels: numbers of studies, labels and points; empty without tables.
        cache_bytes: size of the volume cache of this folder, whether it exists or not.
        seconds: duration of the check.
    """

    folder: Path
    layout: str
    faults: list[Fault] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    known: dict[int, str] = field(default_factory=dict)
    studies: int = 0
    series: Counter[str] = field(default_factory=Counter)
    slices: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    encodings: Counter[str] = field(default_factory=Counter)
    spacings_mm: list[float] = field(default_factory=list)
    steps_mm: list[float] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    cache_bytes: int = 0
    seconds: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether nothing had to be left out."""
        return all(fault.usable for fault in self.faults)

    def to_json(self) -> dict[str, Any]:
        """The whole check as a JSON object."""
        return {
            "schema_version": SCHEMA_VERSION,
            "folder": str(self.folder),
            "layout": self.layout,
            "usable": self.usable,
            "studies": self.studies,
            "series": self.series.total(),
            "slices": self.slices.total(),
            "series_by_kind": dict(self.series),
            "slices_by_kind": dict(self.slices),
            "sizes": dict(self.sizes.most_common()),
            "encodings": dict(self.encodings.most_common()),
            "spacing_mm": spread(self.spacings_mm),
            "slice_distance_mm": spread(self.steps_mm),
            "tables": self.labels,
            "cache_bytes": self.cache_bytes,
            "faults": [fault.to_json() for fault in self.faults],
            "notes": [{"path": path, "what": what} for path, what in self.notes],
            "known_faults": [{"id": number, "what": what} for number, what in self.known.items()],
            "seconds": round(self.seconds, 3),
        }


def check(folder: Path, *, jobs: int, progress: Progress, known_faults: Mapping[int, str]) -> Check:
    """Read every file of a folder, in the competition's layout or any other tree of DICOM files, and store nothing.

    Raises:
        DataError: the folder does not exist or has no image.
    """
    check_folder(folder)
    started = time.monotonic()
    competition = (folder / IMAGES).is_dir() and any((folder / f"{SERIES}{end}").is_file() for end in ("", ".gz"))
    checked = Check(folder, "competition" if competition else "own")
    records = (_competition if competition else _own)(checked, jobs, progress)
    if not records and not checked.faults:
        raise DataError(f"{folder} has no images: DICOM files are expected in it or in its subfolders.")
    for record in records:
        _count(checked, record)
    checked.faults.sort(key=lambda fault: fault.usable)  # unusable data first
    checked.studies = len(studies_of(records))
    ids = {number for record in records for number in (record["study_id"], record["series_id"])}
    checked.known = {number: text for number, text in known_faults.items() if number in ids}
    checked.seconds = time.monotonic() - started
    return checked


def _competition(checked: Check, jobs: int, progress: Progress) -> list[Record]:
    """The records of all series of the table; problems of tables and points are added to the faults."""
    folder = checked.folder
    layout = scan(folder)
    tables = _tables(checked)
    table = read_series(table_path(folder, SERIES)) if tables is None else tables.series
    tasks, faults = tasks_of(layout, table)
    checked.faults += [*layout.faults, *faults]
    records = _inspected(tasks, jobs, progress)
    if tables is not None:
        checked.labels = {
            "studies": len(tables.labels),
            "labels": int(tables.labels.notna().to_numpy().sum()),
            "missing_labels": int(tables.labels.isna().to_numpy().sum()),
            "points": len(tables.points),
        }
        studies = studies_of(records)
        checked.faults += place_points(tables.points, studies)[1]
        usable = {study.study_id for study in studies}
        for study in tables.labels.index.difference(list(usable)):
            checked.faults.append(
                Fault(f"{IMAGES}/{study}", "none of its series can be read", "this study is left out", int(study))
            )
    return records


def _tables(checked: Check) -> Tables | None:
    try:
        return read_tables(checked.folder)
    except DataError as error:
        checked.faults.append(Fault(LABELS, str(error), "no training on this folder until this is fixed"))
        return None


def _own(checked: Check, jobs: int, progress: Progress) -> list[Record]:
    found, faults = discover(checked.folder, jobs=jobs, progress=progress)
    checked.faults += faults
    for one in found:
        folder = str(Path(one.files.files[0]).parent)
        use = f"taken as {one.files.description}" if one.files.description else "of a kind that approaches do not use"
        checked.notes.append((folder, f"{use}: {one.why}"))
    return _inspected([one.files for one in found], jobs, progress)


def _inspected(tasks: Sequence[SeriesFiles], jobs: int, progress: Progress) -> list[Record]:
    records: dict[int, Record] = {}
    progress("reading images", 0, len(tasks))
    calls = [(task,) for task in tasks]
    for index, outcome in run_isolated(inspect_series, calls, jobs=jobs, limit_s=lambda at: limit_s(tasks[at])):
        if isinstance(outcome, BenchError):
            raise outcome
        records[index] = _failed(tasks[index], outcome) if isinstance(outcome, Failure) else outcome
        progress("reading images", len(records), len(tasks))
    return [records[index] for index in sorted(records)]


def _failed(task: SeriesFiles, failure: Failure) -> Record:
    path = str(Path(task.files[0]).parent)
    return empty_record(task, [Fault(path, failure.what, "this series is left out", task.study_id, task.series_id)])


def _count(checked: Check, record: Record) -> None:
    checked.faults += [Fault.from_json(fault) for fault in record["faults"]]
    if not record["instance_numbers"]:
        return
    kind = record["description"] or "other"
    checked.series[kind] += 1
    checked.slices[kind] += len(record["instance_numbers"])
    checked.sizes.update(f"{rows} x {columns}" for rows, columns in record["shapes"])
    checked.encodings.update(record["encodings"])
    checked.spacings_mm.append(float(np.median(record["spacings"])))
    positions = np.array(record["positions"])
    if len(positions) > 1:
        checked.steps_mm.append(float(np.median(np.linalg.norm(np.diff(positions, axis=0), axis=1))))
    checked.cache_bytes += record["bytes"]
    folder = str(Path(record["files"][0]).parent)
    checked.notes += [(folder, note) for note in record["assumptions"]]


def spread(values: Iterable[float]) -> dict[str, float] | None:
    """Smallest, median and largest value; None without values."""
    known = list(values)
    if not known:
        return None
    return {"min": round(min(known), 4), "median": round(float(np.median(known)), 4), "max": round(max(known), 4)}
