"""``bench report``: compare a store, or some of its runs, on one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import DEFAULT_STORE, PathType, plugin_paths
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.jobs.store import StoredJob

DEFAULT_REPORT = "comparison"


@click.command(short_help="Compare all results of a store on one page.")
@click.argument("runs", type=PathType, nargs=-1)
@options.output("The page to write.", default="report.html")
@options.as_json
@click.option("--report", "name", default=DEFAULT_REPORT, show_default=True, help="The report plug-in.")
@options.plugins
def command(runs: tuple[Path, ...], out: Path | None, as_json: bool, name: str, plugins: tuple[Path, ...]) -> None:
    """Compare the results in RUNS: a store, or folders of runs in one.  [default: ./runs]

    Each data set and split has its own section; scores of different sections are not compared. With --json no page is
    written unless -o is given, and the document is that of the only section, or lists several as `sections`.
    """
    from bench.comparison import compare_each, comparisons_json
    from bench.plugins import load

    report = load("reports", name, plugin_paths(plugins))()
    comparisons = compare_each(_jobs(runs or (DEFAULT_STORE,)))
    if as_json:
        click.echo(json.dumps(comparisons_json(comparisons), indent=1, ensure_ascii=False, allow_nan=False))
    if out is not None or not as_json:
        page = out or Path("report.html")
        if page.is_dir():
            raise UsageError(f"-o {page}: this is a folder. Name a file, such as {page / 'report.html'}.")
        report.write(comparisons, page)
        click.echo(f"report: {page.resolve()}", err=as_json)


def _jobs(roots: tuple[Path, ...]) -> list[StoredJob]:
    """The jobs below these folders, each once."""
    from bench.jobs.store import read_store

    found: dict[Path, StoredJob] = {}
    for root in roots:
        if not root.is_dir():
            raise UsageError(f"{root}: no such folder. Name a store, such as ./runs, or a folder of runs below it.")
        jobs, unreadable = read_store(root.resolve())
        for each in unreadable:
            click.echo(f"left out: {each.reason}", err=True)
        if not jobs and unreadable:
            raise UsageError(f"{root}: no readable run there ({len(unreadable)} unreadable).")
        if not jobs:
            raise UsageError(f"{root}: no runs there. Run one first, for example: bench run --approach prior")
        found |= {job.folder: job for job in jobs}
    return list(found.values())
