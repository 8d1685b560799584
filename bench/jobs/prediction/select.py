"""One approach of a store: which finished jobs a name or a folder means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import UsageError, unknown
from bench.jobs.store import StoredJob, names_of, stored_jobs


def jobs_of_run(
    run: str,
    store: Path,
    *,
    folds: Sequence[int] = (),
    seeds: Sequence[int] = (),
    say: Callable[[str], None] = lambda _: None,
) -> list[StoredJob]:
    """The finished jobs of one approach in one configuration, on one data set, split and train fraction.

    Args:
        run: a folder of a store, as `bench list runs` shows it, or a name such as ``mil``, ``mil-quick`` or
            ``mil-quick@0.5``.
        store: where a name is looked for.
        folds, seeds: which of its folds and seeds; all if none is named.
        say: told which jobs are left out because they are not finished.

    Raises:
        UsageError: there is no such run, it means several, or a fold or seed of it is not finished.
    """
    path = Path(run).expanduser()
    if path.is_file():
        raise UsageError(f"{run}: that is a file. Name a run: a folder of a store, or an approach such as mil.")
    if path.is_dir():
        jobs, where = stored_jobs(path.resolve()), f"the folder {path}"
    else:
        every = stored_jobs(store) if store.is_dir() else []
        if not every:
            raise UsageError(
                f"{run}: no such folder, and no runs in {store}. Name a run's folder, or its store with --runs."
            )
        jobs, where = [job for job in every if run in names_of(job)], f"{run!r} in {store}"
        if not jobs:
            raise unknown("run", run, sorted({name for job in every for name in names_of(job)[:2]}))
    if not jobs:
        raise UsageError(f"{where} holds no job. Name a folder of a store, such as one that `bench list runs` shows.")
    _require_one(jobs, where)
    for job in jobs:
        if (state := job.status) != "done" and (not folds or job.fold in folds) and (not seeds or job.seed in seeds):
            say(f"left out: {job.label} is {state}")
    return _finished(jobs, where, folds, seeds)


def _require_one(jobs: Sequence[StoredJob], where: str) -> None:
    """Refuse jobs of several approaches, configurations, data sets, splits or train fractions."""
    lines = {(job.files.split.path, job.run_name, job.train_fraction): job for job in jobs}
    if len(lines) > 1:
        names = sorted({names_of(job)[-1] for job in lines.values()})
        splits = sorted({str(job.files.split.path / job.run_name) for job in lines.values()})
        choice = ", ".join(names if len(names) == len(lines) else splits)
        raise UsageError(f"{where} means several results: {choice}. Name one of them.")


def _finished(jobs: Sequence[StoredJob], where: str, folds: Sequence[int], seeds: Sequence[int]) -> list[StoredJob]:
    done = [job for job in jobs if job.status == "done"]
    if not done:
        states = ", ".join(sorted({job.status for job in jobs}))
        raise UsageError(f"{where} has no finished job ({len(jobs)} {states}). Run the same `bench run` again.")
    for what, wanted, there in (
        ("fold", folds, {job.fold for job in done}),
        ("seed", seeds, {job.seed for job in done}),
    ):
        for one in wanted:
            if one not in there:
                known = ", ".join(map(str, sorted(there)))
                raise UsageError(f"--{what} {one}: {where} has no finished job of it. Finished: {known}.")
    chosen = [job for job in done if (not folds or job.fold in folds) and (not seeds or job.seed in seeds)]
    if not chosen:
        raise UsageError(f"{where} has no finished job of this fold and seed together. Leave --fold or --seed out.")
    return chosen
