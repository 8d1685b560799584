"""Preparing a data set: decode every series into the volume cache once, in worker processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, DataError
from bench.files.atomic import explanation
from bench.imaging.cache import Record, locked, read_index, read_record, series_of, write_index
from bench.imaging.contents import Contents, read_contents
from bench.imaging.faults import Fault
from bench.imaging.held import Holding, is_kept, mended_cache, target_folder, volume_folder
from bench.imaging.layout import IMAGES, Layout, SeriesFiles, scan
from bench.imaging.study import Study
from bench.imaging.volumes import Volumes
from bench.imaging.workers import Failure, run_isolated

if TYPE_CHECKING:
    from bench.dataset import Progress

_ABSENT = "is in the series table, but there is no such folder with files"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set in the cache.

    Attributes:
        studies: every study with a usable series, in ascending order.
        volumes: their pixels.
        faults: all faults of files and series.
        mended: what was damaged or outdated in the cache, and was made anew.
    """

    studies: tuple[Study, ...]
    volumes: Volumes
    faults: tuple[Fault, ...]
    mended: tuple[Fault, ...] = ()


def prepare(
    folder: Path,
    series_table: Any,
    *,
    cache: Path,
    jobs: int,
    progress: Progress,
    layout: Layout | None = None,
    contents: Contents | None = None,
    most_gb: float | None = None,
    retry_faults: bool = False,
    verify: bool = False,
) -> Prepared:
    """Bring every series of the table into the cache and describe the studies.

    Args:
        folder: a data folder in the competition's layout.
        series_table: DataFrame with ``study_id, series_id, series_description``.
        cache: where caches lie; this one goes into a folder in ``volumes``, see `target_folder`.
        jobs: number of worker processes.
        progress: called after every series.
        layout: what `scan` found, if that is known already.
        contents: the hashes of its series, if they are known already.
        most_gb: refuse to let the cache of this data set grow beyond this.
        retry_faults: read series again that had faults before.
        verify: compare all cached pixels with their checksums, and not a sample alone.

    Raises:
        DataError: if the cache cannot be written, or would become larger than ``most_gb``.
    """
    layout = layout or scan(folder)
    tasks, faults = tasks_of(layout, series_table)
    if contents is None:
        keys = [(task.study_id, task.series_id) for task in tasks]
        contents = read_contents(layout, cache, jobs=jobs, progress=progress, only=keys)
    tasks = [replace(task, contents=contents.series[task.study_id, task.series_id]) for task in tasks]
    holding = Holding(layout, strict=verify)
    target, records = target_folder(cache, layout, contents, holding, tasks)
    mended = [*contents.mended, *mended_cache(target, records, tasks, progress, whole=verify)]
    records = read_index(target) if mended else records
    mended += holding.newly_changed(target, records)
    if retry_faults or not all(holding.holds(target, records.get(task.series_id), task) for task in tasks):
        records = _built(tasks, target, holding, jobs, progress, most_gb, retry_faults)
    wanted = {task.series_id for task in tasks}
    found = [record for series_id, record in sorted(records.items()) if series_id in wanted]
    faults += [Fault.from_json(fault) for record in found for fault in record["faults"]]
    return Prepared(studies_of(found), Volumes(target), (*layout.faults, *faults), tuple(mended))


def unread_series(layout: Layout, series_table: Any, *, cache: Path) -> int:
    """How many series `prepare` would read because the cache lacks them, changed contents aside. Writes nothing."""
    target = volume_folder(cache, layout)
    records = read_index(target)
    return sum(not is_kept(target, records.get(task.series_id), task) for task in tasks_of(layout, series_table)[0])


def limit_s(task: SeriesFiles) -> float:
    """Seconds that reading a series may take. It usually takes about a second."""
    return 60.0 + 2.0 * len(task.files)


def tasks_of(layout: Layout, series_table: Any) -> tuple[list[SeriesFiles], list[Fault]]:
    """The series that are both in the table and on disk, and the faults of those that are not."""
    tasks, faults, listed = [], [], set()
    rows = zip(series_table["study_id"], series_table["series_id"], series_table["series_description"], strict=True)
    for study_id, series_id, description in sorted(rows):
        key = int(study_id), int(series_id)
        listed.add(key)
        files = layout.files.get(key)
        if files:
            tasks.append(SeriesFiles(*key, str(description), str(layout.root), files))
        elif not any(fault.series_id == series_id for fault in layout.faults):
            path = f"{IMAGES}/{key[0]}/{key[1]}"
            what = _ABSENT + _archive_beside(layout, path)
            faults.append(Fault(path, what, "this series is left out", *key))
    studies = {study_id for study_id, _ in listed}
    for study_id, series_id in sorted(set(layout.files) - listed):
        if study_id in studies:
            path = f"{IMAGES}/{study_id}/{series_id}"
            faults.append(
                Fault(path, "is not in the series table", "this series is ignored", study_id, series_id, usable=True)
            )
    return tasks, faults


def _archive_beside(layout: Layout, path: str) -> str:
    """A hint at an archive of a series or of its study, such as ``123.zip`` for the folder ``123``."""
    places = (f"{path}.", f"{path.rpartition('/')[0]}.")
    found = next((fault.path for fault in layout.faults if fault.path.startswith(places)), None)
    return "" if found is None else f"; unpack {found}"


def _built(
    tasks: Sequence[SeriesFiles],
    target: Path,
    holding: Holding,
    jobs: int,
    progress: Progress,
    most_gb: float | None,
    retry: bool,
) -> dict[int, Record]:
    """The records of all series, those that were missing built now, by one process at a time."""
    waiting = partial(progress, "waiting for another process that reads the same images", 0, 0)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with locked(target / "lock", waiting):
            for left_over in target.glob(".*.tmp"):  # of a worker that was killed while writing
                left_over.unlink(missing_ok=True)
            holding.take_over(target, tasks)
            records = _Building(tasks, target, holding, progress, most_gb, retry).run(jobs)
            write_index(target, read_index(target) | records)
    except OSError as error:
        raise _unwritable(target, error) from None
    return records


def _unwritable(target: Path, error: OSError) -> DataError:
    why = str(explanation(error, target))
    return DataError(f"the cache cannot be written: {why} --cache-dir names another place; finished series are kept.")


class _Building:
    """One run over the series that are not in the cache yet."""

    def __init__(
        self,
        tasks: Sequence[SeriesFiles],
        folder: Path,
        holding: Holding,
        progress: Progress,
        most_gb: float | None,
        retry: bool,
    ) -> None:
        self.tasks = tasks
        self.folder = folder
        self.holding = holding
        self.progress = progress
        self.most_bytes = None if most_gb is None else int(most_gb * 1e9)
        self.retry = retry
        self.records: dict[int, Record] = {}

    def run(self, jobs: int) -> dict[int, Record]:
        """Build what is missing; the records of all series."""
        from bench.imaging.build import (  # pydicom and its decoders, only where something must be read
            CacheFull,
            build_series,
        )

        missing = [task for task in self.tasks if not self._kept(task)]
        total = len(self.tasks)
        self.progress("reading images", len(self.records), total)
        calls = [(task, str(self.folder), self.most_bytes) for task in missing]
        limits = [limit_s(task) for task in missing]
        for index, outcome in run_isolated(build_series, calls, jobs=jobs, limit_s=limits.__getitem__):
            if isinstance(outcome, CacheFull):
                raise self._too_large()
            if isinstance(outcome, BenchError):
                raise outcome
            task = missing[index]
            self.records[task.series_id] = self._failed(task, outcome) if isinstance(outcome, Failure) else outcome
            self.progress("reading images", len(self.records), total)
        return self.records

    def _kept(self, task: SeriesFiles) -> bool:
        record = read_record(self.folder, task.series_id)
        if record is None or not self.holding.holds(self.folder, record, task) or (self.retry and record["faults"]):
            return False
        self.records[task.series_id] = record
        return True

    def _failed(self, task: SeriesFiles, failure: Failure) -> Record:
        from bench.imaging.build import keep_failure

        return keep_failure(task, str(self.folder), failure.what)

    def _too_large(self) -> DataError:
        used = sum(record["bytes"] for record in self.records.values())
        count, total = len(self.records), len(self.tasks)
        share = f"all of them about {used / 1e9 * total / count:.3g} GB" if count else "not even one fits"
        return DataError(
            f"the cache {self.folder} would grow beyond {(self.most_bytes or 0) / 1e9:g} GB: {count} of {total} series "
            f"take {used / 1e9:.3g} GB, {share}. Allow more with --max-gb, put it on a larger disk with --cache-dir, "
            "or delete that folder."
        )


def studies_of(records: Sequence[Record]) -> tuple[Study, ...]:
    """The studies that some records make up, in ascending order."""
    by_study = defaultdict(list)
    for record in records:
        series = series_of(record)
        if series is not None:
            by_study[series.study_id].append(series)
    return tuple(
        Study(study_id, tuple(sorted(series, key=lambda one: (one.description, one.series_id))))
        for study_id, series in sorted(by_study.items())
    )
