"""``bench report``: compare a store, or some of its runs, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import DEFAULT_STORE, Listed, PathType, flat, plugin_paths
from bench.console.terminal import echo, echo_json
from bench.errors import UsageError, unknown
from bench.files.foreign import one_line

if TYPE_CHECKING:
    from bench.comparison import Comparison
    from bench.jobs.store import StoredJob, Unreadable
    from bench.report import Output

DEFAULT_REPORT = "comparison"
# What each format is written to unless -o names it.
DEFAULT_NAMES = {
    "html": "report.html",
    "md": "report.md",
    "csv": "report-csv",
    "latex": "report.tex",
    "json": "report.json",
}


@click.command(short_help="Compare all results of a store on one page.")
@click.argument("runs", type=PathType, nargs=-1)
@options.output("The file to write; for csv a folder with a file per table.", default="report.html")
@click.option(
    "--format",
    "formats",
    type=Listed(str, "formats such as html,md"),
    multiple=True,
    help="html, md, csv, latex or json; several are separated by commas, and -o then gives the name but for its ending."
    "  [default: html]",
)
@click.option("--figures", type=PathType, help="Folder for the figures as PNG and SVG.")
@click.option(
    "--with-images",
    is_flag=True,
    help="Show images in the case viewer even if they were not generated. The competition's may not be passed on.",
)
@options.as_json
@click.option("--report", "name", default=DEFAULT_REPORT, show_default=True, help="The report plug-in.")
@options.plugins
def command(
    runs: tuple[Path, ...],
    out: Path | None,
    formats: tuple[tuple[str, ...], ...],
    figures: Path | None,
    with_images: bool,
    as_json: bool,
    name: str,
    plugins: tuple[Path, ...],
) -> None:
    """Compare the results in RUNS: a store, or folders of runs in one.  [default: ./runs]

    Each data set and split has its own section; scores of different sections are not compared. With --json no file is
    written unless -o, --format or --figures is given, and the document is that of the only section, or lists several
    as `sections`.
    """
    from bench.comparison import compare_each, comparisons_json
    from bench.files.in_place import is_written_in_place
    from bench.plugins import load

    report = load("reports", name, plugin_paths(plugins))()
    outputs = _outputs(out, flat(formats), report.formats)
    if as_json and out is None and not formats:
        outputs = []
    if figures is not None and figures.exists() and not figures.is_dir():
        raise UsageError(f"--figures {figures}: that is a file. Name a folder.")
    jobs, unreadable = _jobs(runs or (DEFAULT_STORE,))
    comparisons = compare_each(jobs, unreadable=unreadable, left_out=_say_left_out)
    if as_json:
        echo_json(comparisons_json(comparisons))
    aside = as_json or any(is_written_in_place(output.path) for output in outputs)
    if not as_json:
        _show(comparisons, aside=aside)
    if outputs or figures is not None:
        report.write(comparisons, outputs, figures=figures, with_images=with_images)
    for output in outputs:
        echo(f"report: {output.path.absolute()}", err=aside)
    if figures is not None:
        echo(f"figures: {figures.resolve()}", err=aside)


def _outputs(out: Path | None, formats: tuple[str, ...], known: Sequence[str]) -> list[Output]:
    """What to write, each format under its own name."""
    from bench.files.in_place import is_written_in_place
    from bench.report import Output

    for format_ in formats:
        if format_ not in known:
            raise unknown("--format", format_, known)
    chosen = formats or (known[0],)
    if out is not None and len(chosen) > 1 and is_written_in_place(out):
        raise UsageError(f"-o {out}: a device or pipe takes one format, and {len(chosen)} are asked for. Name one.")
    found = []
    for format_ in chosen:
        default = Path(DEFAULT_NAMES.get(format_, f"report.{format_}"))
        path = default if out is None else out if len(chosen) == 1 else out.with_name(out.stem + default.suffix)
        if out is not None and len(chosen) > 1 and not default.suffix:
            path = out.with_name(f"{out.stem}-{format_}")
        if format_ != "csv" and path.is_dir():
            raise UsageError(f"-o {path}: this is a folder. Name a file, such as {path / default}.")
        if format_ == "csv" and path.exists() and not path.is_dir():
            raise UsageError(f"-o {path}: csv is a folder with a file per table, and that is a file. Name a folder.")
        found.append(Output(path, format_))
    return found


def _show(comparisons: Sequence[Comparison], *, aside: bool) -> None:
    """The result tables on screen; ``aside`` on standard error, where a report may go to standard output."""
    from bench.console.result_table import result_table
    from bench.console.terminal import terminal

    console = terminal(stderr=aside)
    for comparison in comparisons:
        console.print(result_table(comparison, console.width))


def _say_left_out(what: str) -> None:
    echo(f"left out: {one_line(what)}", err=True)


def _jobs(roots: tuple[Path, ...]) -> tuple[list[StoredJob], list[Unreadable]]:
    """The jobs below these folders, each once, and the folders that cannot be read."""
    from bench.files.places import require_folder
    from bench.jobs.store import read_store

    found: dict[Path, StoredJob] = {}
    damaged: dict[Path, Unreadable] = {}
    for root in roots:
        require_folder(root, "", "Name a store, such as ./runs, or a folder of runs below it.")
        jobs, unreadable = read_store(root.resolve())
        for each in unreadable:
            _say_left_out(each.reason)
        if not jobs and unreadable:
            raise UsageError(f"{root}: no readable run there ({len(unreadable)} unreadable).")
        if not jobs:
            raise UsageError(f"{root}: no runs there. Run one first, for example: bench run --approach prior")
        found |= {job.folder: job for job in jobs}
        damaged |= {each.folder: each for each in unreadable}
    return list(found.values()), list(damaged.values())
