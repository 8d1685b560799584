"""From what the user asked for to jobs: the data, the split, the jobs, and what of them is left to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import plugins
from bench.data import folds
from bench.data.load import Opened, open_dataset, resolve_dataset
from bench.dataset import DataSet, Progress
from bench.errors import BenchError, UsageError
from bench.files.atomic import read_json, write_json, write_text
from bench.files.locks import Lock
from bench.jobs import config as configuration
from bench.jobs import hardware, store
from bench.jobs.fingerprint import fingerprint
from bench.jobs.job import Job
from bench.targets import TARGETS, row_id


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
    command: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The data opened, the split written, the jobs named."""

    opened: Opened
    split_folder: Path
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What there is of a job already: ``done``, ``stale``, ``running``, ``failed``, ``interrupted`` or ``missing``."""

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
    """Open the data, make or read the split and write it down, and name the jobs."""
    store.check_store(request.out)
    configured = resolve_approaches(request)
    dataset_name, folder, dataset, opened = open_data(request, progress)
    cohort = opened.cohort
    if cohort.labels is None or not len(cohort):
        raise BenchError(f"{folder}: no usable study with labels. Run: bench data check {folder}")
    split = _split(request.folds, opened)
    count = int(split["fold"].max()) + 1
    chosen = request.only_folds or range(count)
    for fold in chosen:
        if not 0 <= fold < count:
            raise UsageError(
                f"fold {fold} does not exist: the split has {count} folds (0 to {count - 1}). "
                f"Pass --folds {fold + 1} to split anew, or choose another --fold."
            )
    jobs = tuple(
        Job(
            approach=approach,
            preset=preset,
            config=config,
            dataset=dataset_name,
            data=str(folder.resolve()),
            data_hash=opened.data_hash,
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
    split_folder = jobs[0].folder_in(request.out).parents[2]
    best = dataset.best_predictions(folder)
    _write_split(split_folder, split, opened, best, dataset_name, dataset.caveat)
    return Prepared(opened, split_folder, jobs)


def survey(request: Request, jobs: Sequence[Job]) -> list[State]:
    """What there is of each job already."""
    found = {
        name: plugins.find("approaches", name, request.plugins) for name in dict.fromkeys(job.approach for job in jobs)
    }
    states = []
    for job in jobs:
        stored = store.read_job(job.folder_in(request.out))
        if stored is None:
            states.append(State(job, "missing"))
            continue
        stale = store.why_stale(stored, fingerprint(job, found[job.approach]))
        status = stored.status
        states.append(State(job, status if stale is None or status == "running" else "stale", stale or ""))
    return states


def to_do(request: Request, states: Sequence[State]) -> list[Job]:
    """The jobs that have to run; with ``--force`` what lies there is set aside first."""
    if request.force:
        for state in states:
            if state.status != "running":
                with Lock(state.job.folder_in(request.out) / store.LOCK):
                    store.set_aside(state.job.folder_in(request.out))
        return [state.job for state in states]
    passed_over = ("done", "stale") if request.only_missing else ("done",)
    return [state.job for state in states if state.status not in passed_over]


def _split(wish: str, opened: Opened) -> Any:
    cohort = opened.cohort
    try:
        count = int(wish)
    except ValueError:
        return folds.read_folds(Path(wish), cohort.study_ids.tolist(), opened.exclusions)
    return folds.make_folds(cohort.study_ids, cohort.grades, count)


def _write_split(folder: Path, split: Any, opened: Opened, best: Any, dataset: str, caveat: str | None) -> None:
    """Write what the score stands on beside the runs: the split, the labels, and what is known of the data."""
    if (folder / "dataset.json").exists() and read_json(folder / "dataset.json")["data_hash"] == opened.data_hash:
        return
    assert opened.cohort.labels is not None
    write_text(folder / "folds.csv", folds.fold_csv(split))
    write_text(folder / "labels.csv", opened.cohort.labels.to_csv(lineterminator="\n"))
    if opened.cohort.points is not None:
        write_text(folder / "points.csv", opened.cohort.points.to_csv(index=False, lineterminator="\n"))
    if best is not None:
        rows = [row_id(study, target) for study in split["study_id"] for target in TARGETS]
        write_text(folder / store.FLOOR, best.set_index("row_id").loc[rows].to_csv(lineterminator="\n"))
    about = {
        "dataset": dataset,
        "caveat": caveat,
        "folder": str(opened.folder),
        "data_hash": opened.data_hash,
        "fold_hash": folds.fold_hash(split),
        "studies": len(opened.cohort),
        "excluded": {str(study): reason for study, reason in opened.exclusions.items()},
        "faults": len(opened.faults),
    }
    write_json(folder / "dataset.json", {"schema_version": store.SCHEMA_VERSION, **about})
