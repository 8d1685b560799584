"""Which series a volume cache holds: read from files with these contents, complete, and not damaged since."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import DataError
from bench.imaging.cache import Record, index_path, is_whole, read_index, read_record
from bench.imaging.contents import Contents
from bench.imaging.faults import Fault
from bench.imaging.layout import Layout, SeriesFiles
from bench.imaging.sealed import read_sealed

if TYPE_CHECKING:
    from bench.dataset import Progress

# At every start so many series, and more up to so many bytes, are compared with their checksums: of a small data set
# all, of the competition's (some 40 GB) 0.2 % of the pixels.
SAMPLE = 16
SAMPLE_BYTES = 64 << 20


def volume_folder(cache: Path, layout: Layout) -> Path:
    """The first folder for the volumes of these images. Its name does not depend on labels: these can be corrected."""
    return cache / "volumes" / layout.images_hash[:16]


def target_folder(
    cache: Path, layout: Layout, contents: Contents, holding: Holding, tasks: Sequence[SeriesFiles]
) -> tuple[Path, dict[int, Record]]:
    """The folder for volumes of these contents, and its index: `volume_folder`, or another where that holds other ones.

    Two data folders may agree in all names and sizes, as one does with itself before and after its pixels changed.
    """
    first = volume_folder(cache, layout)
    records = read_index(first)
    known = [task for task in tasks if task.series_id in records]
    holding.changed = [task for task in known if not holding.agrees(first, records[task.series_id], task)]
    if not holding.changed:
        return first, records
    holding.earlier = first
    other = first.with_name(f"{first.name}-{contents.hash[:16]}")
    return other, read_index(other)


class Holding:
    """What a cache folder holds of a layout.

    Attributes:
        layout: the files.
        strict: believe no record that does not say from which contents it was read, as earlier versions wrote them.
        earlier: a folder with the volumes of other contents, of which unchanged series can be taken over.
        changed: the series that have other contents there.
    """

    def __init__(self, layout: Layout, *, strict: bool = False) -> None:
        self.layout = layout
        self.strict = strict
        self.earlier: Path | None = None
        self.changed: list[SeriesFiles] = []

    def holds(self, folder: Path, record: Record | None, task: SeriesFiles) -> bool:
        """Whether the cache holds this series in full, by the size of its file, read from the files as they are."""
        if record is None or not is_kept(folder, record, task):
            return False
        return self.agrees(folder, record, task) and not (self.strict and "contents" not in record)

    def agrees(self, folder: Path, record: Record, task: SeriesFiles) -> bool:
        """Whether a record is of these contents; one without their hash must be younger than the files."""
        if "contents" in record:
            return bool(record["contents"] == task.contents)
        volume = folder / f"{task.series_id}{'.npy' if record['instance_numbers'] else '.json'}"
        try:
            return volume.stat().st_mtime_ns >= self.layout.signs[task.study_id, task.series_id].newest_ns
        except OSError:
            return False

    def take_over(self, folder: Path, tasks: Sequence[SeriesFiles]) -> None:
        """Link the volumes of unchanged series into a folder from an earlier one; copy them where links cannot be."""
        if self.earlier is None:
            return
        for task in tasks:
            record = read_record(self.earlier, task.series_id)
            if self.holds(self.earlier, record, task) and read_record(folder, task.series_id) is None:
                for ending in (".npy", ".json"):  # the record last, as always
                    _link(self.earlier / f"{task.series_id}{ending}", folder / f"{task.series_id}{ending}")

    def newly_changed(self, folder: Path, records: Mapping[int, Record]) -> list[Fault]:
        """The changed series that a folder with these records does not hold yet, for the user to see."""
        return [
            Fault(str(Path(task.files[0]).parent), "changed since the cache was made", "it is read again", usable=True)
            for task in self.changed
            if not self.holds(folder, records.get(task.series_id), task)
        ]


def is_kept(folder: Path, record: Record | None, task: SeriesFiles) -> bool:
    """Whether a folder has this series in full, by the size of its file, from whatever contents."""
    if record is None or record["description"] != task.description or record["study_id"] != task.study_id:
        return False
    if not record["instance_numbers"]:
        return True
    try:
        return bool((folder / f"{task.series_id}.npy").stat().st_size == record["bytes"])
    except OSError:
        return False


def _link(source: Path, target: Path) -> None:
    if not source.exists():  # a series without a usable slice has no pixels
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def mended_cache(
    folder: Path, records: Mapping[int, Record], tasks: Sequence[SeriesFiles], progress: Progress, *, whole: bool
) -> list[Fault]:
    """What is damaged in the cache, taken out so that it is read from the images again.

    Args:
        folder: the cache.
        records: its index.
        tasks: the series that are needed.
        progress: called after every series.
        whole: compare the records and pixels of all with their checksums; else of a sample, drawn anew each time (see
            `SAMPLE`), and of all once something is damaged.

    Raises:
        DataError: the damage cannot be taken out.
    """
    faults, index = [], index_path(folder)
    if not records and os.path.lexists(index):
        faults.append(_mended(index, "was damaged in the cache: it does not match its checksum"))
        whole = True
    chosen = [task.series_id for task in tasks] if whole else _sample(records, tasks)
    damaged = {}
    for done, series_id in enumerate(chosen, start=1):
        if (fault := _damage(folder, series_id, records.get(series_id))) is not None:
            if not whole:
                return mended_cache(folder, records, tasks, progress, whole=True)
            damaged[series_id] = fault
        if whole:
            progress("verifying checksums", done, len(chosen))
    faults += damaged.values()
    _take_out(faults, [index, *(folder / f"{one}{ending}" for one in damaged for ending in (".json", ".npy"))])
    return faults


def _sample(records: Mapping[int, Record], tasks: Sequence[SeriesFiles]) -> list[int]:
    """Some of the series that are in the cache, in any order."""
    known = [task.series_id for task in tasks if task.series_id in records]
    random.SystemRandom().shuffle(known)
    chosen: list[int] = []
    size = 0
    for series_id in known:
        if len(chosen) >= SAMPLE and size >= SAMPLE_BYTES:
            break
        chosen.append(series_id)
        size += int(records[series_id]["bytes"])
    return chosen


def _damage(folder: Path, series_id: int, known: Record | None) -> Fault | None:
    """What of a series is not as it was written; None also for one that is not there."""
    path = folder / f"{series_id}.json"
    record = read_sealed(path)
    if record is None and os.path.lexists(path):
        return _mended(path, "was damaged in the cache: it does not match its checksum")
    record = record or known
    if record is None or is_whole(folder, record):
        return None
    return _mended(folder / f"{series_id}.npy", "was damaged in the cache: its pixels changed")


def _take_out(faults: Sequence[Fault], paths: Sequence[Path]) -> None:
    """Remove these files of the cache if there are faults; the index goes first, as it vouches for the others."""
    for path in paths if faults else ():
        try:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                f"{faults[0].path} {faults[0].what}, and {path} cannot be taken out ({error.strerror or error}). "
                "Remove it, make the cache writable, or choose another one with --cache-dir."
            ) from None


def _mended(path: Path, what: str) -> Fault:
    return Fault(str(path), what, "it is made from the images again", usable=True)
