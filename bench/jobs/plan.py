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
from bench.data.load import Opened, open_dataset, resolve_dataset
from bench.dataset import DataSet, Progress
from bench.errors import BenchError, UsageError
from bench.files.locks import Lock
from bench.jobs import config as configuration
from bench.jobs import hardware
from bench.jobs.fingerprint import fingerprint
from bench.jobs.folder import JobFolder
from bench.jobs.job import Job
from bench.jobs.result import SplitRecord
from bench.jobs.split import SplitFolder
from bench.jobs.store import check_store, judge_folder
from bench.targets import TARGETS, row_id

TO_SCORE = "to score anew"


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for, as the command line has it."""

    approaches: Sequence[str]
    dataset: str = "phantom"
    data: Path | None = None
    preset: str = configuration.DEFAULT_PRESET
    ablations: Sequence[str] = ()
    overrides: Sequence[str] = ()
    folds: str = "5"
    only_folds: Sequence[int] = ()
    seeds: Sequence[int] = (0,)
    train_fractions: Sequence[float] = (1.0,)
    plugins: Sequence[Path] = ()
    out: Path = Path("runs")
    cache: Path = Path()
    device: str = "auto"
    precision: str = "auto"
    jobs: int | None = None
    executor: str = "local"
    timeout_s: float | None = None
    force: bool = False
    only_missing: bool = False
    deterministic: bool = False
    command: str = ""


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


def resolve_approaches(request: Request) -> list[tuple[str, str, str]]:
    """(approach, name of its configuration, configuration) of everything asked for, each checked before any work."""
    resolved = []
    for name in request.approaches:
        plugin = plugins.find("approaches", name, request.plugins)
        overrides = _meant_for(name, request.overrides, request.approaches)
        for ablation in _meant_for(name, request.ablations, request.approaches) or (None,):
            options = {"preset": request.preset, "ablation": ablation, "overrides": overrides}
            memory = request.cache / "configurations"
            resolved.append((name, *configuration.resolve_remembered(plugin, memory, **options)))
    return list(dict.fromkeys(resolved))


def _meant_for(name: str, values: Sequence[str], approaches: Sequence[str]) -> tuple[str, ...]:
    """Those of ``value`` and ``approach:value`` that are for one approach, the prefix taken off."""
    meant = []
    for value in values:
        prefix, colon, rest = value.partition(":")
        if not colon or prefix not in approaches:
            meant.append(value)
        elif prefix == name:
            meant.append(rest)
    return tuple(meant)


def open_data(request: Request, progress: Progress) -> tuple[str, Path, DataSet, Opened]:
    """The data set by its full name, its folder, its plug-in, and what is in it."""
    name, preset, dataset = resolve_dataset(request.dataset, request.plugins)
    jobs, cache = hardware.cpu_count(), request.cache
    folder = dataset.locate(preset=preset, data=request.data, cache=cache, jobs=jobs, progress=progress)
    return name, folder, dataset, open_dataset(dataset, folder, cache=cache, jobs=jobs, progress=progress)


def prepare(request: Request, progress: Progress) -> Prepared:
    """Open the data, make or read the split, write down what jobs need of both, and name the jobs."""
    check_store(request.out)
    configured = resolve_approaches(request)
    dataset_name, folder, dataset, opened = open_data(request, progress)
    if opened.cohort.labels is None or not len(opened.cohort):
        raise BenchError(f"{folder}: no usable study with labels. Run: bench data check {folder}")
    split = _split(request.folds, opened)
    jobs = _jobs(request, configured, dataset_name, folder, opened.data_hash, split)
    split_folder = JobFolder(jobs[0].folder_in(request.out)).split
    best = dataset.best_predictions(folder)
    changed = _write_split(split_folder, split, opened, best, dataset_name, dataset.caveat)
    write_cohort_index(split_folder.cohort_index(jobs[0].data, request.cache), opened)
    return Prepared(opened, split_folder.path, jobs, tuple(changed))


def _jobs(
    request: Request,
    configured: Sequence[tuple[str, str, str]],
    dataset: str,
    folder: Path,
    data_hash: str,
    split: pd.DataFrame,
) -> tuple[Job, ...]:
    """Every job asked for. Raises UsageError for a fold that the split does not have."""
    count = int(split["fold"].max()) + 1
    chosen = request.only_folds or range(count)
    for fold in chosen:
        if not 0 <= fold < count:
            raise UsageError(
                f"fold {fold} does not exist: the split has {count} folds (0 to {count - 1}). "
                f"Pass --folds {fold + 1} to split anew, or choose another --fold."
            )
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
    cohort = opened.cohort
    try:
        count = int(wish)
    except ValueError:
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
