"""From what the user asked for to jobs: the data, the split, the jobs, and what of them is left to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench import plugins
from bench.data import folds
from bench.data.cohort_index import write_cohort_index
from bench.data.folder import check_folder
from bench.data.load import Opened, open_dataset, resolve_dataset
from bench.data.tables import read_tables
from bench.dataset import DataSet, Progress
from bench.errors import BenchError
from bench.files.locks import Lock
from bench.jobs import hardware
from bench.jobs.configured import Configured, resolve_approaches
from bench.jobs.fingerprint import fingerprint
from bench.jobs.folder import JobFolder
from bench.jobs.job import Job
from bench.jobs.request import Request, check_request, check_studies, fold_count
from bench.jobs.result import SplitRecord
from bench.jobs.split import SplitFolder
from bench.jobs.stopping import stopping_between_steps
from bench.jobs.store import check_store, judge_folder
from bench.targets import TARGETS, row_id

TO_SCORE = "to score anew"


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The data opened, the split written, the jobs named.

    Attributes:
        opened: the data.
        split_folder: where their results lie.
        jobs: every job asked for.
        changed: files beside the runs that somebody had changed, in words; they are written anew.
    """

    opened: Opened
    split_folder: Path
    jobs: tuple[Job, ...]
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What there is of a job already.

    ``done``, ``stale``, ``to score anew``, ``running``, ``failed``, ``interrupted`` or ``missing``.
    """

    job: Job
    status: str
    why: str = ""


def open_data(request: Request, progress: Progress) -> tuple[str, Path, DataSet, Opened]:
    """The data set by its full name, its folder, its plug-in, and what is in it."""
    name, preset, dataset = resolve_dataset(request.dataset, request.plugins)
    jobs, cache = hardware.cpu_count(), request.cache
    pending = dataset.pending(preset=preset, data=request.data, cache=cache)
    if pending is not None:
        check_studies(request, pending.studies, what=name)
    folder = dataset.locate(preset=preset, data=request.data, cache=cache, jobs=jobs, progress=progress)
    check_folder(folder)
    check_studies(request, len(read_tables(folder).labels), what=str(folder))
    return name, folder, dataset, open_dataset(dataset, folder, cache=cache, jobs=jobs, progress=progress)


def prepare(request: Request, progress: Progress) -> Prepared:
    """Open the data, make or read the split, write down what jobs need of both, and name the jobs.

    What was asked for is checked in full before any data are touched.

    Raises:
        TimeUp: the time limit was reached meanwhile; studies and series that are done are kept.
    """
    progress = stopping_between_steps(request.limit, progress)
    check_request(request)
    resolve_dataset(request.dataset, request.plugins)
    configured = resolve_approaches(request, request.cache / "configurations")
    check_store(request.out)
    dataset_name, folder, dataset, opened = open_data(request, progress)
    split, jobs = jobs_on(request, configured, dataset_name, folder, opened)
    split_folder = JobFolder(jobs[0].folder_in(request.out)).split
    best = dataset.best_predictions(folder)
    changed = _write_split(split_folder, split, opened, best, dataset_name, dataset.caveat)
    changed += write_cohort_index(split_folder.cohort_index(jobs[0].data, request.cache), opened)
    return Prepared(opened, split_folder.path, jobs, tuple(changed))


def jobs_on(
    request: Request, configured: Sequence[Configured], dataset: str, folder: Path, opened: Opened
) -> tuple[pd.DataFrame, tuple[Job, ...]]:
    """The split of opened data, and the jobs on it."""
    if opened.cohort.labels is None or not len(opened.cohort):
        raise BenchError(f"{folder}: no usable study with labels. Run: bench data check {folder}")
    check_studies(request, len(opened.cohort), what=str(folder))
    split = _split(request.folds, opened)
    return split, _jobs(request, configured, dataset, folder, opened.data_hash, split)


def _jobs(
    request: Request,
    configured: Sequence[Configured],
    dataset: str,
    folder: Path,
    data_hash: str,
    split: pd.DataFrame,
) -> tuple[Job, ...]:
    """Every job asked for."""
    count = int(split["fold"].max()) + 1
    chosen = request.only_folds or range(count)
    return tuple(
        Job(
            approach=approach,
            preset=preset,
            config=config,
            dataset=dataset,
            data=str(folder.resolve()),
            data_hash=data_hash,
            folds=count,
            fold_hash=folds.fold_hash(split),
            fold=fold,
            seed=seed,
            train_fraction=fraction,
            plugins=tuple(str(Path(path).resolve()) for path in request.plugins),
        )
        for approach, preset, config in configured
        for fraction in request.train_fractions
        for seed in request.seeds
        for fold in chosen
    )


def survey(request: Request, jobs: Sequence[Job]) -> list[State]:
    """What there is of each job already."""
    found = {
        name: plugins.find("approaches", name, request.plugins) for name in dict.fromkeys(job.approach for job in jobs)
    }
    return [_state(job, JobFolder(job.folder_in(request.out)), fingerprint(job, found[job.approach])) for job in jobs]


def _state(job: Job, files: JobFolder, made_from: Mapping[str, Any]) -> State:
    if files.is_running():
        return State(job, "running")
    verdict = judge_folder(files, made_from)
    if verdict.action == "resume":
        return State(job, "failed" if files.failed.exists() else "interrupted")
    words = {"start": "missing", "reuse": "done", "replace": "stale", "score": TO_SCORE}
    return State(job, words[verdict.action], verdict.why)


def to_do(request: Request, states: Sequence[State]) -> list[Job]:
    """The jobs that have to run; with ``--force`` what lies there is set aside first."""
    if request.force:
        for state in states:
            if state.status != "running":
                files = JobFolder(state.job.folder_in(request.out))
                with Lock(files.lock):
                    files.set_aside()
        return [state.job for state in states]
    passed_over = ("done", "stale", TO_SCORE) if request.only_missing else ("done",)
    return [state.job for state in states if state.status not in passed_over]


def _split(wish: str, opened: Opened) -> pd.DataFrame:
    cohort, count = opened.cohort, fold_count(wish)
    if count is None:
        return folds.read_folds(Path(wish), cohort.study_ids.tolist(), opened.exclusions)
    return folds.make_folds(cohort.study_ids, cohort.grades, count)


def _write_split(
    split_folder: SplitFolder,
    split: pd.DataFrame,
    opened: Opened,
    best: pd.DataFrame | None,
    dataset: str,
    caveat: str | None,
) -> list[str]:
    """Write what the scores stand on beside the runs. Returns what had been changed by hand, in words."""
    cohort = opened.cohort
    assert cohort.labels is not None
    contents = {
        split_folder.folds.name: folds.fold_csv(split),
        split_folder.labels.name: cohort.labels.to_csv(lineterminator="\n"),
    }
    if cohort.points is not None:
        contents[split_folder.points.name] = cohort.points.to_csv(index=False, lineterminator="\n")
    if best is not None:
        rows = [row_id(study, target) for study in split["study_id"] for target in TARGETS]
        contents[split_folder.floor.name] = best.set_index("row_id").loc[rows].to_csv(lineterminator="\n")
    record = SplitRecord(
        dataset=dataset,
        caveat=caveat,
        folder=str(opened.folder),
        data_hash=opened.data_hash,
        fold_hash=folds.fold_hash(split),
        studies=len(cohort),
        excluded=dict(opened.exclusions),
        faults=len(opened.faults),
    )
    return split_folder.write(contents, record)
