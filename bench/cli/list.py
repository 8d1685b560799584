"""``bench list``: approaches, data sets, reports and runs."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli import options
from bench.cli.options import plugin_paths
from bench.plugins import CONTRACTS, PluginError, available, load_plugin

if TYPE_CHECKING:
    from bench.jobs.store import StoredJob


@click.command(short_help="List approaches, data sets, reports and runs.")
@click.argument("what", type=click.Choice([*CONTRACTS, "runs"]), required=False)
@options.as_json
@options.plugins
@options.store
def command(what: str | None, as_json: bool, plugins: tuple[Path, ...], out: Path) -> None:
    """List the available approaches, data sets and reports, and the stored runs."""
    paths = plugin_paths(plugins)
    kinds = [what] if what else [*CONTRACTS, "runs"]
    document = {kind: _runs(out) if kind == "runs" else _plugins(kind, paths) for kind in kinds}
    if as_json:
        print(json.dumps({"schema_version": 1, **document}, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console()
    for kind, rows in document.items():
        console.print(_table(kind, rows) if rows else f"{kind}: none" + (f" in {out}" if kind == "runs" else ""))


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
    empty = {"approach": "", "dataset": "", "fold": None, "seed": None, "status": "damaged"}
    rows += [{**empty, "path": str(each.folder), "score": None, "note": each.reason} for each in unreadable]
    return sorted(rows, key=lambda row: row["path"])


def _run(job: StoredJob) -> dict[str, Any]:
    from bench.jobs.result import SCHEMA_VERSION

    status = job.status
    result = job.result if status == "done" else None
    note = (job.files.why_damaged() or "") if status == "damaged" else ""
    if result is not None and result.imported is not None:
        note = f"imported, {result.imported.filled} of {result.imported.rows} rows filled"
    if result is not None and result.schema_version != SCHEMA_VERSION:
        note = f"schema version {result.schema_version}, read as {SCHEMA_VERSION}"
    return {
        "approach": f"{job.approach}-{job.preset}",
        "dataset": job.dataset,
        "fold": job.fold,
        "seed": job.seed,
        "status": status,
        "path": str(job.folder),
        "score": None if result is None else result.score,
        "note": note,
    }


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
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:.4f}"
    from bench.comparison.formatting import printable

    return "" if value is None else printable(str(value))
