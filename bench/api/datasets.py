"""``bench.open_dataset``: a data set with its studies, pixels and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import pandas as pd

from bench.api.places import cache_folder, screen
from bench.data.cohort import Cohort
from bench.data.folds import make_folds
from bench.data.load import open_dataset as open_folder
from bench.data.load import resolve_dataset
from bench.errors import UsageError
from bench.imaging.faults import Fault
from bench.imaging.study import Study
from bench.imaging.volumes import Volumes
from bench.jobs import hardware

_pixels_of: WeakKeyDictionary[Study, Volumes] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """An opened data set.

    Attributes:
        name: as `bench.run` takes it, such as ``phantom:tiny``.
        cohort: every usable study, with labels and points.
        volumes: the pixels of their series: ``volumes.array(series_id)`` is (S, H, W).
        split: fold by study id: that of `bench.run` with the same number of folds.
        exclusions: studies that are left out, each with its reason.
        faults: all that is wrong with files, series and points.
        folder: where the data lie.
    """

    name: str
    cohort: Cohort
    volumes: Volumes
    split: pd.Series
    exclusions: dict[int, str]
    faults: tuple[Fault, ...]
    folder: Path

    def study(self, study_id: int) -> Study:
        """The study with this id. Raises KeyError if it is left out or unknown."""
        return self.cohort.subset([study_id]).studies[0]

    def __repr__(self) -> str:
        out = f", {len(self.exclusions)} left out" if self.exclusions else ""
        folds = int(self.split.max()) + 1
        return f"Data({self.name!r}: {len(self.cohort)} studies in {folds} folds{out}; .cohort, .volumes, .split)"


def open_dataset(
    dataset: str = "phantom",
    *,
    data: Path | str | None = None,
    folds: int = 5,
    cache_dir: Path | str | None = None,
    plugin: Sequence[Path | str] = (),
) -> Data:
    """Open a data set; a generated one is built on first use, and images are read into the cache.

    Args:
        dataset: name, or name and preset, such as ``phantom:tiny``.
        data: the folder of a data set that is not generated.
        folds: number of folds of `Data.split`; at most one per study.
        cache_dir: folder for generated data and prepared images; by default BENCH_CACHE or the user's cache folder.
        plugin: files or folders of data sets of your own.

    Raises:
        UsageError: there is no such data set, preset or folder.
        DataError: tables or images are missing or wrong.
    """
    name, preset, source = resolve_dataset(dataset, [Path(path) for path in plugin])
    cache, jobs = cache_folder(cache_dir), hardware.cpu_count()
    with screen() as shown:
        where = None if data is None else Path(data)
        folder = source.locate(preset=preset, data=where, cache=cache, jobs=jobs, progress=shown.prepare)
        opened = open_folder(source, folder, cache=cache, jobs=jobs, progress=shown.prepare)
    cohort = opened.cohort
    table = make_folds(cohort.study_ids, cohort.grades, min(folds, len(cohort)))
    split = table.set_index("study_id")["fold"]
    for study in cohort.studies:
        _pixels_of[study] = opened.volumes
    return Data(name, cohort, opened.volumes, split, dict(opened.exclusions), opened.faults, opened.folder)


def pixels_of(study: Study) -> Volumes:
    """The pixels of a study that `open_dataset` opened. Raises UsageError for another one."""
    found = _pixels_of.get(study)
    if found is None:
        raise UsageError(
            f"the pixels of study {study.study_id} are not at hand: it does not come from bench.open_dataset. Pass "
            "volumes=..., such as context.volumes."
        )
    return found
