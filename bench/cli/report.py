"""``bench report``: everything in a store, or the runs named, compared on one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import PathType, plugin_paths
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.jobs.store import StoredJob


@click.command(short_help="Compare everything in a store on one page.")
@click.argument("runs", type=PathType, nargs=-1)
@click.option("-o", "--output", type=PathType, help="Where to write the page.  [default: report.html]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; a page is written only with -o.")
@click.option("--report", "name", default="comparison", show_default=True, help="The report plug-in.")
@click.option("--plugin", "plugins", type=PathType, multiple=True, help="A plug-in's file or folder.")
def command(runs: tuple[Path, ...], output: Path | None, as_json: bool, name: str, plugins: tuple[Path, ...]) -> None:
    """Compare what is stored in RUNS: a store, or folders of runs below it.  [default: ./runs]

    Each data set and split gets a section of its own and is compared with no other. With --json the document is that
    of the one section, or holds `sections` where there are several.
    """
    from bench.comparison import compare_each, comparisons_json
    from bench.plugins import load

    report = load("reports", name, plugin_paths(plugins))()
    comparisons = compare_each(_jobs(runs or (Path("runs"),)))
    if as_json:
        click.echo(json.dumps(comparisons_json(comparisons), indent=1, ensure_ascii=False, allow_nan=False))
    if output is not None or not as_json:
        page = output or Path("report.html")
        if page.is_dir():
            raise UsageError(f"-o {page}: that is a folder. Name a file, such as {page / 'report.html'}.")
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
