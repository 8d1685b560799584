"""Opening a data set: tables checked, images in the cache, what is broken named and left out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench import plugins
from bench.data.cohort import Cohort
from bench.data.folder import check_folder
from bench.data.points import place_points
from bench.data.tables import LABELS, POINTS, SERIES, Tables, read_tables, table_path
from bench.errors import DataError, UsageError, unknown
from bench.files.inflated import read_inflated
from bench.imaging.contents import Contents, read_contents
from bench.imaging.faults import Fault
from bench.imaging.layout import scan
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
        mended: what was damaged or outdated in the cache, and was made anew.
    """

    cohort: Cohort
    volumes: Volumes
    exclusions: Mapping[int, str]
    faults: tuple[Fault, ...]
    data_hash: str
    folder: Path
    mended: tuple[Fault, ...] = ()


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
    verify: bool = False,
    remember: bool = True,
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
        verify: hash all files again, whatever their times say, and compare all cached pixels with their checksums.
        remember: keep the hashes of images in the cache, so that they are not hashed again.

    Raises:
        DataError: if tables or images are missing, a table is wrong, or no study is usable.
    """
    check_folder(folder)
    tables = read_tables(folder)
    layout = scan(folder)
    contents = read_contents(layout, cache, jobs=jobs, progress=progress, trust_times=not verify, remember=remember)
    excluded = {study: why for study, why in dataset.excluded_studies().items() if study in tables.labels.index}
    table = tables.series[~tables.series["study_id"].isin(excluded)]
    prepared = prepare(
        folder,
        table,
        cache=cache,
        jobs=jobs,
        progress=progress,
        layout=layout,
        contents=contents,
        most_gb=most_gb,
        retry_faults=retry_faults,
        verify=verify,
    )
    exclusions = {**left_out(tables, prepared), **excluded}
    studies = prepared.studies
    if not studies:
        first = prepared.faults[0] if prepared.faults else None
        raise DataError(
            f"{folder} has no usable study: {len(exclusions)} are left out"
            + (f", e.g. {first.path} {first.what}" if first else "")
            + ". `bench data check` names every fault."
        )
    points, point_faults = place_points(tables.points, studies)
    faults = (*prepared.faults, *point_faults)
    # Faults of points stay out of the notes: approaches see these, and must not see where held-out points lie.
    studies = tuple(_annotated(study, dataset.known_faults(), prepared.faults) for study in studies)
    ids = [study.study_id for study in studies]
    cohort = Cohort(studies, tables.labels.loc[ids], points)
    return Opened(
        cohort=cohort,
        volumes=prepared.volumes,
        exclusions=dict(sorted(exclusions.items())),
        faults=faults,
        data_hash=data_hash(folder, contents),
        folder=folder,
        mended=prepared.mended,
    )


def data_hash(folder: Path, contents: Contents) -> str:
    """Hash of a data folder: contents of tables and images, names of the images, reader version; not its place."""
    whole = hashlib.sha256(contents.hash.encode())
    for name in (LABELS, POINTS, SERIES):
        path = table_path(folder, name)
        whole.update(hashlib.sha256(read_inflated(path)).digest())
    return whole.hexdigest()


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


def _annotated(study: Study, known: Mapping[int, str], faults: Sequence[Fault]) -> Study:
    """The study with the published faults that concern it, and what was left out of it, among its notes."""
    ids = [study.study_id, *(series.series_id for series in study.series)]
    notes = [f"published fault of {number}: {known[number]}" for number in ids if number in known]
    notes += fault_notes([fault for fault in faults if fault.study_id == study.study_id])
    return replace(study, notes=(*study.notes, *notes)) if notes else study


def fault_notes(faults: Sequence[Fault]) -> list[str]:
    """One note for all faults of a series that have the same effect; stray files, which are ignored, need none."""
    groups: dict[tuple[int | None, str], list[Fault]] = {}
    for fault in faults:
        if not (fault.usable and fault.effect.endswith("ignored")):
            groups.setdefault((fault.series_id, fault.effect), []).append(fault)
    return [
        f"{first.path}: {first.what}; {first.effect}" + (f" (and {len(more)} more like it)" if more else "")
        for first, *more in groups.values()
    ]
