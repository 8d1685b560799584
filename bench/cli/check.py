"""``bench check``: hold an approach against every promise of the contract."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from bench.cli import options
from bench.cli.options import cache_folder, plugin_paths
from bench.console.terminal import echo
from bench.files.foreign import block


@click.command(short_help="Check an approach against the contract, promise by promise.")
@click.argument("name")
@click.option("--preset", help="Preset to check.  [default: smoke if there is one, else the first]")
@options.cache_dir
@options.plugins
def command(name: str, preset: str | None, cache_dir: Path | None, plugins: tuple[Path, ...]) -> int:
    """Train the approach NAME on a few odd studies, and print whether it keeps each promise of the contract.

    The studies are generated on first use and kept in the cache. The exit code is 1 if a promise is broken.
    """
    from bench.data.load import resolve_dataset
    from bench.plugins import PluginError, find
    from bench.testing import ODD_STUDIES, Verdict, examine

    def show(verdict: Verdict) -> None:
        error = verdict.error
        echo(f"{_mark(error is None)} {verdict.promise} ({verdict.seconds:.1f} s)")
        if error is not None:
            kind = "" if isinstance(error, (AssertionError, PluginError)) else f"{type(error).__name__}: "
            echo(block(f"    {kind}{error}{_place(error, paths)}"))

    paths = plugin_paths(plugins)
    find("approaches", name, paths)
    cache = cache_folder(cache_dir)
    _, studies, source = resolve_dataset(ODD_STUDIES)
    pending = source.pending(preset=studies, data=None, cache=cache)
    if pending is not None:
        echo(f"the {pending.studies} studies are generated now, once, in {pending.folder}", err=True)
    broken = 0
    with tempfile.TemporaryDirectory(prefix="bench-check-") as folder:
        for verdict in examine(name, Path(folder), paths=paths, cache=cache, preset=preset):
            show(verdict)
            broken += verdict.error is not None
    echo("all promises are kept" if not broken else f"{broken} broken")
    return 1 if broken else 0


def _mark(kept: bool) -> str:
    """A tick or a cross, where the terminal can show them."""
    try:
        "✓✗".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "ok    " if kept else "BROKEN"
    return "✓" if kept else "✗"


def _place(error: Exception, paths: tuple[Path, ...]) -> str:
    """The innermost line of the approach that an error came through, such as `` (mine.py line 12)``."""
    found, trace = "", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith("bench.approaches.") or any(file == path or path in file.parents for path in paths):
            found = f" ({file.name} line {trace.tb_lineno})"
        trace = trace.tb_next
    return found
