"""``bench run``: train and score approaches on the same folds."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from bench.cli import options as shared
from bench.cli.options import Listed, cache_folder, default_cache, flat, plugin_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bench.data.load import Opened
    from bench.jobs.plan import Prepared, State
    from bench.jobs.request import Request
    from bench.jobs.runner import Outcome

words = Listed(str, "names")
integers = Listed(int, "whole numbers", ranges=True)
numbers = Listed(float, "numbers")


@click.command(short_help="Train and score approaches on the same folds.")
@click.option("--approach", "approaches", type=words, multiple=True, required=True, help="One or more approaches.")
@shared.dataset
@shared.data
@click.option("--preset", default="quick", show_default=True, help="Preset; `bench list APPROACH` shows them.")
@click.option(
    "--ablation",
    "ablations",
    type=words,
    multiple=True,
    help="Named ablations of the approach; for one approach only: approach:name.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override one setting; for one approach only: approach:key=value.",
)
@click.option("--folds", default="5", show_default=True, help="Number of folds, or a CSV with study_id,fold.")
@click.option(
    "--fold",
    "only_folds",
    type=integers,
    multiple=True,
    help="Only these folds: 0,2 or 0-2.  [default: all]",
)
@click.option("--seed", "seeds", type=integers, multiple=True, help="Training seeds, such as 0,1 or 0-2.  [default: 0]")
@click.option(
    "--train-fraction",
    "fractions",
    type=numbers,
    multiple=True,
    help="One or more fractions of the training studies.  [default: 1]",
)
@shared.store
@shared.cache_dir
@click.option(
    "--jobs",
    type=int,
    help="Largest number of concurrent jobs.  "
    "[default: one per GPU, else one per core; the first batch may be up to 50 % larger to avoid a leftover batch]",
)
@shared.device
@shared.precision("training and prediction")
@click.option("--executor", default="local", show_default=True, help="local, or ray for a cluster.")
@shared.plugins
@click.option("--job-timeout", type=float, help="Seconds after which a job is stopped and counts as failed.")
@click.option(
    "--stop-after",
    metavar="DURATION",
    help="End after this time, such as 8h, 90m or 1h30m, counted from the start: each job at its next checkpoint. Exit "
    "code 3; the same command goes on.",
)
@click.option("--only-missing", is_flag=True, help="Run missing jobs only; keep stale results as they are.")
@click.option(
    "--deterministic", is_flag=True, help="Same result each time on CUDA too, at the cost of speed. CPUs need no flag."
)
@click.option("--force", is_flag=True, help="Run all jobs again; old results are moved to replaced/.")
@click.option(
    "--dry-run", is_flag=True, help="Check everything, show what would run and what it would cost; build nothing."
)
def command(**options: Any) -> int:
    """Train and score approaches on the same folds.

    Lists are comma-separated or repeated: --seed 0,1 or --seed 0 --seed 1. The default data set is generated on first
    use. The same command resumes an interrupted run and repeats no finished job.

    Exit codes: 0 done; 1 a job failed; 2 wrong use; 3 ended by --stop-after, with work left for the same command.
    """
    from bench.console.screen import Screen
    from bench.console.terminal import lines, terminal
    from bench.jobs.plan import prepare, survey, to_do
    from bench.jobs.runner import run
    from bench.jobs.stopping import EXIT_STOPPED, TimeUp

    console = terminal()
    request = _request(options)
    lines(console, [f"store: {request.out.resolve()}", f"cache: {request.cache}"])
    if options["dry_run"]:
        return _show_foreseen(console, request)
    cache_folder(request.cache)
    try:
        with Screen(console) as screen:
            prepared = prepare(request, screen.prepare)
    except TimeUp:
        return _say_stopped_early(console, request)
    _say_who_shares(console, request)
    _say_what_is_left_out(console, prepared.opened, prepared.changed)
    states = survey(request, prepared.jobs)
    _say_states(console, states)
    jobs = to_do(request, states)
    with Screen(console) as screen:
        screen.expect(jobs)
        outcome = run(request, jobs, screen.on_event)
    _show_result(console, prepared, outcome, request)
    if outcome.is_unfinished:
        _say_stopped(console, request, outcome)
        return EXIT_STOPPED
    return 1 if outcome.failed else 0


def _request(options: dict[str, Any]) -> Request:
    from bench.jobs.request import Request
    from bench.jobs.stopping import Limit

    return Request(
        approaches=flat(options["approaches"]),
        dataset=options["dataset"],
        data=options["data"],
        preset=options["preset"],
        ablations=flat(options["ablations"]),
        overrides=options["overrides"],
        folds=options["folds"],
        only_folds=flat(options["only_folds"]),
        seeds=flat(options["seeds"]) or (0,),
        train_fractions=flat(options["fractions"]) or (1.0,),
        plugins=plugin_paths(options["plugins"]),
        out=options["out"],
        cache=(options["cache_dir"] or default_cache()).resolve(),
        device=options["device"],
        precision=options["precision"],
        jobs=options["jobs"],
        executor=options["executor"],
        timeout_s=options["job_timeout"],
        force=options["force"],
        deterministic=options["deterministic"],
        only_missing=options["only_missing"],
        command=shlex.join(["bench", *sys.argv[1:]]),
        limit=None if options["stop_after"] is None else Limit.of(options["stop_after"]),
    )


def _show_foreseen(console: Console, request: Request) -> int:
    from bench.console.terminal import line, message
    from bench.jobs.dry_run import foresee
    from bench.jobs.request import check_folds

    foreseen = foresee(request)
    _say_who_shares(console, request)
    if foreseen.states is None:
        message(console, foreseen.first)
        line(console, f"jobs: {foreseen.jobs} (which of them are done is known once the data are ready)")
    elif foreseen.opened is not None:
        _say_what_is_left_out(console, foreseen.opened, ())
        _say_states(console, foreseen.states)
    _show_forecast(console, request, foreseen.studies, check_folds(request))
    line(console, "dry run: nothing was built or written")
    return 0


def _show_forecast(console: Console, request: Request, studies: int, folds: int) -> None:
    """What all jobs of the run would cost; unknown for approaches that do not tell."""
    from bench.console.forecast_table import print_forecast
    from bench.console.terminal import line
    from bench.jobs import hardware
    from bench.jobs.executors import choose_slots
    from bench.jobs.forecast import forecast_run, study_counts
    from bench.jobs.plan import resolve_approaches

    fractions = [(fraction, study_counts(studies, folds, fraction)) for fraction in request.train_fractions]
    jobs = len(request.only_folds or range(folds)) * len(request.seeds)
    approaches = resolve_approaches(request, None)
    line(console, "forecast: counting what the networks cost, then measuring this CPU for about 10 seconds")
    found = forecast_run(approaches, request.plugins, fractions, jobs)
    all_jobs = jobs * len(fractions) * len(approaches)
    gpus = hardware.device_count(hardware.choose_device(request.device))
    beside = choose_slots(request.jobs, all_jobs, gpus=gpus, cores=hardware.cpu_count())
    print_forecast(console, found, beside=beside)


def _say_who_shares(console: Console, request: Request) -> None:
    from bench.console.terminal import line
    from bench.files.sharing import shared_with

    for what, folder in (("store", request.out), ("cache", request.cache)):
        if (others := shared_with(folder)) is not None:
            cure = f"If that is not meant: chmod go-w {shlex.quote(str(folder))}"
            line(console, f"  {others} may write to the {what}, and so change results. {cure}")


def _say_what_is_left_out(console: Console, opened: Opened, changed: Sequence[str]) -> None:
    from bench.console.terminal import line, lines

    check = f"bench data check {shlex.quote(str(opened.folder))}"
    line(console, f"data: {opened.folder} ({len(opened.cohort)} studies)")
    left_out = list(opened.exclusions.items())
    lines(console, (f"  left out: study {study}: {reason}" for study, reason in left_out[:10]))
    if len(left_out) > 10:
        line(console, f"  and {len(left_out) - 10} more; {check} lists them")
    lines(console, (f"  written anew: {what}" for what in changed))
    lines(console, (f"  {fault.path}: {fault.what}; {fault.effect}" for fault in opened.mended[:10]))
    if len(opened.mended) > 10:
        line(console, f"  and {len(opened.mended) - 10} more")
    if opened.faults:
        line(console, f"  {len(opened.faults)} faults in the files; {check} lists them")


def _say_states(console: Console, states: Sequence[State]) -> None:
    from bench.console.terminal import line, lines

    counts: dict[str, int] = {}
    for state in states:
        counts[state.status] = counts.get(state.status, 0) + 1
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    line(console, f"jobs: {len(states)} ({told})")
    lines(console, (f"  {state.status}: {state.job.label}: {state.why}" for state in states if state.why))


def _show_result(console: Console, prepared: Prepared, outcome: Outcome, request: Request) -> None:
    from bench.comparison import compare
    from bench.console.result_table import result_table
    from bench.console.terminal import line, message
    from bench.jobs.store import finished_jobs

    finished = finished_jobs(job.folder_in(request.out) for job in prepared.jobs)
    if finished:
        console.print(result_table(compare(finished), console.width))
    for job, reason in outcome.skipped:
        message(console, f"skipped: {job.label}: {reason}")
    for job, reason in outcome.failed:
        message(console, f"failed: {job.label}: {reason}", style="red")
    line(console, f"results: {prepared.split_folder}")
    if finished:
        line(console, f"next: bench report {shlex.quote(str(request.out))}")


def _say_stopped_early(console: Console, request: Request) -> int:
    """What to do about a time limit that was reached while the data were prepared. Returns the exit code."""
    from bench.console.terminal import line
    from bench.jobs.stopping import EXIT_STOPPED, how_to_go_on

    assert request.limit is not None
    line(console, f"stopped after {request.limit.after} (--stop-after) while preparing the data; what is read is kept.")
    line(console, f"to go on: {how_to_go_on(request.command)}")
    return EXIT_STOPPED


def _say_stopped(console: Console, request: Request, outcome: Outcome) -> None:
    from bench.console.terminal import line, message
    from bench.jobs.stopping import how_to_go_on

    assert request.limit is not None
    for job, reason in outcome.stopped:
        message(console, f"stopped: {job.label}: {reason}")
    counts = f"{len(outcome.done)} done, {len(outcome.stopped)} stopped, {len(outcome.not_begun)} not begun"
    line(console, f"stopped after {request.limit.after} (--stop-after): {counts}")
    line(console, f"to go on: {how_to_go_on(request.command)}")
