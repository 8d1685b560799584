"""``bench list``: approaches, data sets, reports and runs."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import click

from bench.cli import options
from bench.cli.options import plugin_paths
from bench.plugins import CONTRACTS, PluginError, available, load_plugin


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
    from bench.jobs.store import stored_jobs

    return [
        {
            "approach": f"{job.approach}-{job.preset}",
            "dataset": job.dataset,
            "fold": job.fold,
            "seed": job.seed,
            "status": job.status,
            "path": str(job.folder),
            "score": job.result.get("score"),
        }
        for job in (stored_jobs(root) if root.is_dir() else [])
    ]


def _table(kind: str, rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=kind, title_justify="left", title_style="bold")
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in rows[0]))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else str(value)
