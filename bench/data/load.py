"""Opening a data set: tables checked, images in the cache, what is broken named and left out."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from bench import plugins
from bench.data.cohort import Cohort
from bench.data.tables import LABELS, POINTS, SERIES, Tables, read_tables, table_path
from bench.errors import DataError, UsageError, unknown
from bench.files.places import require_folder
from bench.imaging.faults import Fault
from bench.imaging.layout import IMAGES, Layout, scan
from bench.imaging.preparation import Prepared, prepare
from bench.imaging.study import Study
from bench.imaging.volumes import Volumes

if TYPE_CHECKING:
    from bench.dataset import DataSet, Progress


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A data set ready for use.

    Attributes:
        cohort: every usable study, with labels and points.
        volumes: the pixels of their series.
        exclusions: studies of ``train.csv`` that are left out, each with its reason.
        faults: all that is wrong with files, series and points.
        data_hash: see `data_hash`.
        folder: the data folder.
    """

    cohort: Cohort
    volumes: Volumes
    exclusions: Mapping[int, str]
    faults: tuple[Fault, ...]
    data_hash: str
    folder: Path


def resolve_dataset(name: str, plugin_paths: Sequence[Path] = ()) -> tuple[str, str | None, DataSet]:
    """A data set as the user writes it, such as ``phantom:standard``: its full name, its preset if any, its plug-in.

    Raises:
        UsageError: there is no such data set, or no such preset of it.
    """
    plain, _, preset = name.partition(":")
    dataset: DataSet = plugins.load("datasets", plain, plugin_paths)()
    if preset and not dataset.presets:
        raise UsageError(f"--dataset {name}: {plain} has no presets. Write --dataset {plain}.")
    if not preset and dataset.presets:
        preset = dataset.presets[0]
    if preset and preset.partition(":")[0] not in dataset.presets:
        raise unknown(f"preset of {plain}", preset.partition(":")[0], dataset.presets)
    return (f"{plain}:{preset}" if preset else plain), preset or None, dataset


def open_dataset(
    dataset: DataSet,
    folder: Path,
    cache: Path,
    jobs: int,
    progress: Progress,
    *,
    most_gb: float | None = None,
    retry_faults: bool = False,
) -> Opened:
    """Open a folder in the competition's layout; on first use its images are read into the cache.

    Args:
        dataset: what is known about the data.
        folder: what its `locate` returned.
        cache: where caches lie.
        jobs: how many processes may read.
        progress: called as work goes on.
        most_gb: refuse to let the cache grow beyond this.
        retry_faults: read series again that had faults before.

    Raises:
        DataError: if tables or images are missing, a table is wrong, or no study is usable.
    """
    check_folder(folder)
    tables = read_tables(folder)
    layout = scan(folder)
    excluded = {study: why for study, why in dataset.excluded_studies().items() if study in tables.labels.index}
    table = tables.series[~tables.series["study_id"].isin(excluded)]
    prepared = prepare(
        folder,
        table,
        cache=cache,
        jobs=jobs,
        progress=progress,
        layout=layout,
        most_gb=most_gb,
        retry_faults=retry_faults,
    )
    exclusions = {**left_out(tables, prepared), **excluded}
    studies = tuple(_annotated(study, dataset.known_faults()) for study in prepared.studies)
    if not studies:
        first = prepared.faults[0] if prepared.faults else None
        raise DataError(
            f"{folder} has no usable study: {len(exclusions)} are left out"
            + (f", e.g. {first.path} {first.what}" if first else "")
            + ". `bench data check` names every fault."
        )
    points, point_faults = place_points(tables.points, studies)
    ids = [study.study_id for study in studies]
    cohort = Cohort(studies, tables.labels.loc[ids], points)
    faults = (*prepared.faults, *point_faults)
    return Opened(cohort, prepared.volumes, dict(sorted(exclusions.items())), faults, data_hash(folder, layout), folder)


def data_hash(folder: Path, layout: Layout | None = None) -> str:
    """Hash of a data folder: contents of the tables, paths and sizes of the images, reader version."""
    layout = layout or scan(folder)
    whole = hashlib.sha256(layout.images_hash.encode())
    for name in (LABELS, POINTS, SERIES):
        path = table_path(folder, name)
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        whole.update(hashlib.sha256(content).digest())
    return whole.hexdigest()


def check_folder(folder: Path) -> None:
    """Raise UsageError if the folder is not there or a file, DataError if it is empty."""
    require_folder(folder, "", f"Name the folder that holds {LABELS} and {IMAGES}.")
    if not any(folder.iterdir()):
        raise DataError(f"the folder {folder} is empty. Pass --data the folder that holds {LABELS} and {IMAGES}.")


def left_out(tables: Tables, prepared: Prepared) -> dict[int, str]:
    """Why studies of the label table have no usable series."""
    usable = {study.study_id for study in prepared.studies}
    listed = set(tables.series["study_id"])
    reasons = {}
    for study_id in tables.labels.index:
        if study_id in usable:
            continue
        faults = [fault for fault in prepared.faults if fault.study_id == study_id]
        if study_id not in listed:
            reasons[study_id] = f"{SERIES} lists no series of it"
        elif faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            reasons[study_id] = f"no series can be read: {faults[0].path} {faults[0].what}{more}"
        else:
            reasons[study_id] = "no series can be read"
    return reasons


def _annotated(study: Study, known: Mapping[int, str]) -> Study:
    """The study with the published faults that concern it among its notes."""
    ids = [study.study_id, *(series.series_id for series in study.series)]
    notes = tuple(f"published fault of {number}: {known[number]}" for number in ids if number in known)
    return replace(study, notes=(*study.notes, *notes)) if notes else study


def place_points(points: pd.DataFrame, studies: tuple[Study, ...]) -> tuple[pd.DataFrame, list[Fault]]:
    """The points whose slice is there, and a fault for every series with others."""
    slices = {
        (series.series_id, int(number))
        for study in studies
        for series in study.series
        for number in series.instance_numbers
    }
    points = points[points["study_id"].isin({study.study_id for study in studies})]
    pairs = zip(points["series_id"], points["instance_number"], strict=True)
    found = pd.Series(
        [(int(series), int(number)) in slices for series, number in pairs], index=points.index, dtype=bool
    )
    faults = [
        _fault_of_points(int(group["study_id"].iloc[0]), int(group["series_id"].iloc[0]), group)
        for _, group in points[~found].groupby(["study_id", "series_id"])
    ]
    return points[found].reset_index(drop=True), faults


def _fault_of_points(study_id: int, series_id: int, points: pd.DataFrame) -> Fault:
    """The fault of the points of one series whose slices are not there."""
    path, slices = f"{IMAGES}/{study_id}/{series_id}", sorted(set(points["instance_number"]))
    targets = [f"{condition} {level}" for condition, level in zip(points["condition"], points["level"], strict=True)]
    named = f"the point of {targets[0]}" if len(targets) == 1 else f"{len(targets)} points ({targets[0]} and others)"
    where = f"{path}/{slices[0]}.dcm" if len(slices) == 1 else path
    what = f"carries {named}, but is absent or unusable"
    if len(slices) > 1:
        what = f"carries {named} on slices {', '.join(map(str, slices))}, which are absent or unusable"
    return Fault(where, what, "these points are left out; their labels stay", study_id, series_id)
