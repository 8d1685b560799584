"""What a preset takes in time, memory and disk: measured in a store, or in the table that an approach carries."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data.folds import training_studies
from bench.errors import BenchError
from bench.jobs.store import StoredJob, read_store
from bench.plugins import Plugin

PACKAGED = "measured.md"
_COLUMNS = ("preset", "training studies", "training, s", "predicting, s per study", "memory, GB", "disk, MB")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one job of a preset took; None for what was not measured.

    Attributes:
        preset: of the approach.
        training_studies: how many it learnt from.
        fit_s: seconds of training, stages that were shared included.
        predict_s: seconds of predicting, per study.
        memory_gb: peak memory.
        disk_mb: of the trained approach.
        where: how it was measured, with the number of jobs.
    """

    preset: str
    training_studies: int | None
    fit_s: float | None
    predict_s: float | None
    memory_gb: float | None
    disk_mb: float | None
    where: str


def packaged_costs(plugin: Plugin) -> list[Cost]:
    """The rows of ``measured.md`` in an approach's folder; none where there is no such file."""
    path = plugin.folder() / PACKAGED if plugin.has_files else None
    if path is None or not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or len(cells) != len(_COLUMNS) + 1 or cells[0] in (_COLUMNS[0], "---"):
            continue
        numbers = [float(cell) if cell else None for cell in cells[1:-1]]
        studies, fit, predict, memory, disk = numbers
        found.append(
            Cost(cells[0], None if studies is None else int(studies), fit, predict, memory, disk, where=cells[-1])
        )
    return found


def measured_costs(approach: str, store: Path) -> list[Cost]:
    """The median over the finished jobs of each preset and number of training studies in a store."""
    jobs = read_store(store)[0] if store.is_dir() else []
    groups: dict[tuple[str, int, str], list[StoredJob]] = {}
    for job in jobs:
        if job.approach != approach or job.status != "done" or job.result.fit_seconds is None:
            continue
        studies = _training_count(job)
        if studies is not None:
            threads = "1 thread" if job.threads == 1 else f"{job.threads} threads"
            where = f"{job.result.hardware.get('device', 'unknown device')}, {threads}"
            groups.setdefault((job.preset, studies, where), []).append(job)
    return [_cost(preset, studies, where, each) for (preset, studies, where), each in sorted(groups.items())]


def _cost(preset: str, studies: int, where: str, jobs: Sequence[StoredJob]) -> Cost:
    results = [job.result for job in jobs]
    per_study = [(one.predict_seconds or 0.0) / one.studies for one in results if one.studies]
    memory = [one.peak_memory_mb / 1024 for one in results if one.peak_memory_mb is not None]
    disk = [size for job in jobs if (size := _megabytes(job.files.checkpoint)) is not None]
    return Cost(
        preset,
        studies,
        statistics.median(one.fit_seconds or 0.0 for one in results),
        statistics.median(per_study) if per_study else None,
        max(memory, default=None),
        statistics.median(disk) if disk else None,
        f"{where}; n = {len(jobs)} job{'s' if len(jobs) > 1 else ''} here",
    )


def _training_count(job: StoredJob) -> int | None:
    try:
        split = job.files.split.read_folds()
    except BenchError:
        return None
    return len(training_studies(split, job.fold, job.train_fraction))


def _megabytes(folder: Path) -> float | None:
    if not folder.is_dir():
        return None
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
