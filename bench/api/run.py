"""``bench.run``: train and score approaches by name, and classes that were defined in this process."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import plugins
from bench.api.places import cache_folder, screen
from bench.api.results import Results
from bench.approach import Approach
from bench.errors import UsageError
from bench.jobs.in_process import run_here
from bench.jobs.live_source import live_source
from bench.jobs.plan import prepare, survey, to_do
from bench.jobs.request import Request
from bench.jobs.runner import Outcome
from bench.jobs.runner import run as run_jobs
from bench.jobs.stopping import Limit, TimeUp, is_over
from bench.jobs.store import finished_jobs
from bench.plugins import Plugin

One = str | type[Approach]


def run(
    approaches: One | Sequence[One],
    *,
    dataset: str = "phantom",
    data: Path | str | None = None,
    preset: str = "quick",
    settings: Mapping[str, Any] | None = None,
    ablations: Sequence[str] = (),
    folds: int | Path | str = 5,
    fold: int | Sequence[int] | None = None,
    seeds: int | Sequence[int] = 0,
    train_fractions: float | Sequence[float] = 1.0,
    plugin: Path | str | Sequence[Path | str] = (),
    out: Path | str = "runs",
    cache_dir: Path | str | None = None,
    device: str = "auto",
    precision: str = "auto",
    jobs: int | None = None,
    stop_after: str | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Results:
    """Train and score approaches on the same folds, as the command ``bench run`` does; finished jobs are reused.

    A class that was defined in a notebook or at a prompt runs in this process, one job at a time; its results say so.
    They are reused only if its source, with all that it uses of the session, can be read and is unchanged. Approaches
    by name run in processes of their own.

    Args:
        approaches: names, or subclasses of `bench.Approach`, or several of both.
        dataset: name, or name and preset, such as ``phantom:tiny``.
        data: the folder of a data set that is not generated.
        preset: of the approaches by name.
        settings: overrides by dotted key, such as ``{"severity.schedule.epochs": 3}``, or ``{"mil:severity.bag": 3}``
            for one approach only.
        ablations: named sets of overrides.
        folds: number of folds, or a CSV with ``study_id,fold``.
        fold: run only these folds.
        seeds: training seeds.
        train_fractions: shares of the training studies.
        plugin: files or folders of approaches and data sets of your own.
        out: the store, a folder.
        cache_dir: folder for generated data and prepared images; by default BENCH_CACHE or the user's cache folder.
        device, precision, jobs: as of ``bench run``.
        stop_after: a duration such as ``8h``: jobs end at their next checkpoint after it, and none is begun. The same
            call goes on.
        force: run all jobs again; old results are moved to ``replaced/``.
        quiet: show no progress.

    Returns:
        The results of these jobs; ``failed``, ``skipped`` and ``unfinished`` say what has none.

    Raises:
        UsageError: an argument makes no sense; the message names the command's option and the cure.
    """
    asked: list[One] = [approaches] if isinstance(approaches, (str, type)) else list(approaches)
    plugin = (plugin,) if isinstance(plugin, (str, Path)) else plugin
    paths = [Path(path).expanduser().resolve() for path in plugin]
    named = [_named(one, paths) for one in asked]
    live = [one for one in named if isinstance(one, Plugin)]
    request = Request(
        approaches=[one.name if isinstance(one, Plugin) else one for one in named],
        dataset=dataset,
        data=None if data is None else Path(data),
        preset=preset,
        ablations=tuple(ablations),
        overrides=tuple(_override(key, value) for key, value in (settings or {}).items()),
        folds=str(folds),
        only_folds=() if fold is None else _several(fold),
        seeds=_several(seeds),
        train_fractions=_several(train_fractions),
        plugins=paths,
        out=Path(out),
        cache=cache_folder(cache_dir),
        device=device,
        precision=precision,
        jobs=jobs,
        force=force,
        command="bench.run in Python",
        limit=None if stop_after is None else Limit.of(stop_after),
    )
    with plugins.known(live):
        return _run(request, {one.name for one in live}, quiet=quiet)


def _run(request: Request, in_process: set[str], *, quiet: bool) -> Results:
    with screen(quiet=quiet) as shown:
        try:
            prepared = prepare(request, shown.prepare)
        except TimeUp:
            return Results([], unfinished={"data": "being prepared; what is read is kept"})
        left = to_do(request, survey(request, prepared.jobs))
        shown.expect(left)
        apart = [job for job in left if job.approach not in in_process]
        outcome = run_jobs(request, apart, shown.on_event) if apart else Outcome()
        for job in left:
            if job.approach in in_process and request.limit is not None and is_over(request.limit.stop_at):
                outcome.not_begun.append(job)
            elif job.approach in in_process:
                run_here(request, job, outcome.sorting(shown.on_event))
    done = finished_jobs(job.folder_in(request.out) for job in prepared.jobs)
    words = [
        {job.label: reason for job, reason in ended} for ended in (outcome.failed, outcome.skipped, outcome.stopped)
    ]
    waiting = {job.label: "not begun" for job in outcome.not_begun}
    return Results(done, failed=words[0], skipped=words[1], unfinished=words[2] | waiting)


def _named(one: One, paths: Sequence[Path]) -> str | Plugin:
    """An approach by its name; a class of this process as a live plug-in."""
    if isinstance(one, str):
        return one
    if not issubclass(one, Approach):
        raise UsageError(f"{one.__name__} is no subclass of bench.Approach. Pass a name or such a class.")
    module = one.__module__.split(".")
    if module[:2] == ["bench", "approaches"] and len(module) > 2:
        return module[2]
    if one.__abstractmethods__:
        missing = ", ".join(sorted(one.__abstractmethods__))
        raise UsageError(f"{one.__name__} lacks {missing}. `bench.Approach` says what they have to do.")
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", one.__name__).lower()
    if name in plugins.available("approaches", paths):
        raise UsageError(f"class {one.__name__}: there is an approach {name!r} already. Choose another name for it.")
    live, _ = live_source(one)
    return Plugin("approaches", name, "defined in this session", live=live)


def _several(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, (Sequence, range)) else (values,)


def _override(key: str, value: Any) -> str:
    """A setting as ``--set`` takes it: the value as TOML."""
    if value is None:
        raise UsageError(f"settings[{key!r}] is None, which settings files cannot hold. Omit it.")
    return f"{key}={_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}" = {_toml(inner)}' for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
