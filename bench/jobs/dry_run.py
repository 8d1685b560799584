"""What a run would do, told without building, reading images or writing anything."""

from __future__ import annotations

from dataclasses import dataclass

from bench.data.folder import check_folder
from bench.data.load import Opened, open_dataset, resolve_dataset
from bench.data.tables import read_tables
from bench.dataset import Pending
from bench.errors import UsageError
from bench.imaging.layout import scan
from bench.imaging.preparation import unread_series
from bench.jobs.configured import Configured, resolve_approaches
from bench.jobs.plan import State, jobs_on, survey
from bench.jobs.request import Request, check_folds, check_request, check_studies


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a run would do.

    Attributes:
        jobs: how many it would have.
        first: what it would do before the jobs, in words; empty if the data are ready.
        labels: the jobs by name.
        states: what there is of each job; None while that cannot be told, since the data are not ready.
        opened: the data; None likewise.
        studies: how many there are; at most, while the data are not ready.
    """

    jobs: int
    first: str
    labels: tuple[str, ...]
    states: tuple[State, ...] | None = None
    opened: Opened | None = None
    studies: int = 0


def foresee(request: Request) -> Foreseen:
    """Check everything that a run checks before its jobs start, and tell what it would do.

    Raises:
        UsageError: as `bench.jobs.plan.prepare` does for the same request.
        DataError: likewise.
    """
    check_request(request)
    name, preset, dataset = resolve_dataset(request.dataset, request.plugins)
    configured = resolve_approaches(request, None)
    pending = dataset.pending(preset=preset, data=request.data, cache=request.cache)
    if pending is not None:
        check_studies(request, pending.studies, what=name)
        return _unready(request, configured, _generation_text(pending), pending.studies)
    folder = dataset.locate(preset=preset, data=request.data, cache=request.cache, jobs=1, progress=_refuse)
    check_folder(folder)
    tables = read_tables(folder)
    check_studies(request, len(tables.labels), what=str(folder))
    excluded = dataset.excluded_studies()
    layout = scan(folder)
    series = tables.series[~tables.series["study_id"].isin(excluded)]
    unread = unread_series(layout, series, cache=request.cache)
    if unread:
        return _unready(
            request, configured, f"would read {unread:,} series of {folder} into the cache", len(tables.labels)
        )
    opened = open_dataset(dataset, folder, cache=request.cache, jobs=1, progress=_refuse, remember=False)
    _, jobs = jobs_on(request, configured, name, folder, opened)
    return Foreseen(
        len(jobs), "", tuple(job.label for job in jobs), tuple(survey(request, jobs)), opened, len(opened.cohort)
    )


def _generation_text(pending: Pending) -> str:
    """Such as: would generate 100 studies, about 0.4 GB, and 0.7 GB of prepared images, in FOLDER."""
    size = "" if pending.gigabytes is None else f", about {pending.gigabytes:.2g} GB"
    if pending.prepared_gigabytes is not None:
        size += f" and {pending.prepared_gigabytes:.2g} GB of prepared images"
    return f"would generate {pending.studies} studies{size}, in {pending.folder}"


def _unready(request: Request, configured: list[Configured], first: str, studies: int) -> Foreseen:
    folds = request.only_folds or range(check_folds(request))
    labels = tuple(
        f"{approach}-{preset} fold {fold}"
        + (f" seed {seed}" if seed else "")
        + ("" if fraction == 1 else f" train {fraction:g}")
        for approach, preset, _ in configured
        for fraction in request.train_fractions
        for seed in request.seeds
        for fold in folds
    )
    return Foreseen(len(labels), first, labels, studies=studies)


def _refuse(what: str, done: int, total: int) -> None:
    """Progress of work that a dry run must not do; it may read images, to see that they are as they were."""
    if done < total and what != "hashing images":
        raise UsageError(f"a dry run does not do this: {what}. Run without --dry-run.")
