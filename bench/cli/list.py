"""``bench list``: approaches, data sets, reports and runs."""

from __future__ import annotations

import inspect
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli import options
from bench.cli.options import plugin_paths
from bench.console.terminal import echo, echo_json, line, terminal
from bench.errors import unknown
from bench.files.foreign import one_line
from bench.plugins import CONTRACTS, PluginError, available, load_plugin

if TYPE_CHECKING:
    from rich.console import Console

    from bench.jobs.store import StoredJob


@click.command(short_help="List approaches, data sets, reports and runs.")
@click.argument("what", required=False, metavar="[approaches|datasets|reports|runs|APPROACH]")
@options.as_json
@options.plugins
@options.store
def command(what: str | None, as_json: bool, plugins: tuple[Path, ...], out: Path) -> None:
    """List the available approaches, data sets and reports, and the stored runs.

    The name of an approach lists its presets with time, memory and disk, its ablations, and its settings.
    """
    paths = plugin_paths(plugins)
    if what is not None and what not in (*CONTRACTS, "runs"):
        _show_approach(what, paths, out, as_json)
        return
    kinds = [what] if what else [*CONTRACTS, "runs"]
    document = {kind: _runs(out) if kind == "runs" else _plugins(kind, paths) for kind in kinds}
    if as_json:
        echo_json({"schema_version": 1, **document}, indent=None)
        return
    console = terminal()
    for kind, rows in document.items():
        if not rows:
            line(console, f"{kind}: none" + (f" in {out}" if kind == "runs" else ""))
        elif kind == "runs":
            _show_runs(console, rows, out)
        else:
            console.print(_table(kind, rows))


def _show_approach(name: str, paths: tuple[Path, ...], out: Path, as_json: bool) -> None:
    from bench.cli.describe import describe, lines_of

    known = available("approaches", paths)
    if name not in known:
        raise unknown("list or approach", name, [*CONTRACTS, "runs", *known])
    document = describe(known[name], out)
    if as_json:
        echo_json({"schema_version": 1, "approach": document}, indent=None)
        return
    width = min(shutil.get_terminal_size().columns, 110)
    echo("\n".join(lines_of(document, width)))


def _plugins(kind: str, paths: tuple[Path, ...]) -> list[dict[str, Any]]:
    rows = []
    for plugin in available(kind, paths).values():
        row: dict[str, Any] = {"name": plugin.name, "origin": plugin.origin, "status": "ready", "about": ""}
        try:
            cls = load_plugin(plugin)
            row["about"] = (inspect.getdoc(cls) or "").partition("\n")[0]
            row["presets"] = _presets(kind, plugin, cls)
        except PluginError as error:
            row |= {"status": "broken", "about": str(error), "presets": []}
        rows.append(row)
    return rows


def _presets(kind: str, plugin: Any, cls: Any) -> list[str]:
    from bench.jobs.config import presets

    if kind == "approaches":
        return sorted(presets(plugin))
    return list(cls.presets) if kind == "datasets" else []


def _runs(root: Path) -> list[dict[str, Any]]:
    from bench.files.places import require_folder
    from bench.jobs.store import read_store

    if root.exists():
        require_folder(root, "--out", "Name a store, such as ./runs.")
    jobs, unreadable = read_store(root) if root.is_dir() else ([], [])
    rows = [_run(job) for job in jobs]
    empty = {"dataset": "", "fold": None, "seed": None, "train_fraction": None, "status": "damaged", "score": None}
    rows += [
        {"approach": each.name, **empty, "path": str(each.folder), "finished": None, "note": each.reason}
        for each in unreadable
    ]
    return sorted(rows, key=lambda row: row["path"])


def _run(job: StoredJob) -> dict[str, Any]:
    from bench.jobs.result import SCHEMA_VERSION

    status = job.status
    result = job.result if status == "done" else None
    note = (job.files.why_damaged() or "") if status == "damaged" else ""
    if result is not None and result.imported is not None:
        note = f"imported, {result.imported.filled} of {result.imported.rows} rows filled"
    if result is not None and result.in_process:
        note = "ran in the process that asked for it"
    if result is not None and result.schema_version != SCHEMA_VERSION:
        note = f"schema version {result.schema_version}, read as {SCHEMA_VERSION}"
    return {
        "approach": f"{job.approach}-{job.preset}",
        "dataset": job.dataset,
        "fold": job.fold,
        "seed": job.seed,
        "train_fraction": job.train_fraction,
        "status": status,
        "path": str(job.folder),
        "score": None if result is None else result.score,
        "finished": job.files.done.stat().st_mtime if job.files.done.exists() else None,
        "note": note,
    }


def _show_runs(console: Console, rows: list[dict[str, Any]], out: Path) -> None:
    """One line of at most 80 columns per job, and what is to be said of some below."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(f"runs in {one_line(str(out))}"),
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("approach", overflow="fold", min_width=12)
    table.add_column("data set", overflow="fold", min_width=10)
    for column in ("fold", "seed", "train", "status", "score", "age"):
        table.add_column(column, no_wrap=True, justify="left" if column == "status" else "right")
    for row in rows:
        cells = [row["approach"], row["dataset"], row["fold"], row["seed"], _share(row["train_fraction"])]
        cells += [row["status"], row["score"], _age(row["finished"])]
        table.add_row(*(Text(_cell(cell)) for cell in cells))
    console.print(table)
    for row in rows:
        if row["note"]:
            line(console, f"{row['status']}: {row['path']}: {_cell(row['note'])}")


def _share(fraction: float | None) -> str:
    return "" if fraction is None else f"{fraction:g}"


def _age(finished: float | None) -> str:
    """How long ago a job was finished, such as ``5 min``."""
    if finished is None:
        return ""
    seconds = max(time.time() - finished, 0)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _table(kind: str, rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=kind, title_justify="left", title_style="bold")
    columns = [name for name in rows[0] if name != "note" or any(row.get(name) for row in rows)]
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return one_line(", ".join(value))
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else one_line(str(value))
