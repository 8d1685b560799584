"""``bench data prepare``: decode a data set into the cache ahead of a run."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import cache_folder, plugin_paths
from bench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.data.load import Opened

_LISTED = 20


@click.command(short_help="Decode a data set into the cache ahead of a run.")
@options.dataset
@options.data
@options.workers
@click.option(
    "--verify",
    is_flag=True,
    help="Compare the whole cache with its checksums and with the files; decode what differs. Every start "
    "compares 64 MiB of it.",
)
@click.option("--max-gb", type=float, help="Largest size in GB of the cache of this data set.")
@options.cache_dir
@options.plugins
def command(
    dataset: str,
    data: Path | None,
    jobs: int | None,
    verify: bool,
    max_gb: float | None,
    cache_dir: Path | None,
    plugins: tuple[Path, ...],
) -> int:
    """Decode every series of a data set into the cache. `bench run` does this on first use, too.

    Series that had faults are read again.
    """
    from bench.console.screen import Screen
    from bench.console.terminal import terminal
    from bench.data.load import open_dataset, resolve_dataset

    if max_gb is not None and max_gb <= 0:
        raise UsageError(f"--max-gb {max_gb:g}: choose a number above 0.")
    console = terminal()
    cache, workers = cache_folder(cache_dir), jobs or os.cpu_count() or 1
    started = time.monotonic()
    _, preset, plugin = resolve_dataset(dataset, plugin_paths(plugins))
    with Screen(console) as screen:
        folder = plugin.locate(preset=preset, data=data, cache=cache, jobs=workers, progress=screen.prepare)
        opened = open_dataset(
            plugin, folder, cache, workers, screen.prepare, most_gb=max_gb, retry_faults=True, verify=verify
        )
    _report(console, opened, verify, time.monotonic() - started)
    return 0


def _report(console: Console, opened: Opened, verified: bool, seconds: float) -> None:
    from bench.console.terminal import lines as print_lines

    target = opened.volumes.folder
    size = sum(path.stat().st_size for path in target.iterdir())
    lines = [
        f"data: {opened.folder} ({len(opened.cohort):,} studies)",
        f"cache: {target}",
        f"{sum(1 for _ in target.glob('*.npy')):,} series, {size / 1e9:.2f} GB, in {seconds:.1f} s",
        f"to delete it: rm -r {shlex.quote(str(target))} (it is built again on next use)",
    ]
    lines += [f"  {fault.path}: {fault.what}; {fault.effect}" for fault in opened.mended[:_LISTED]]
    if verified:
        good = "the cache matches its checksums and the files"
        lines.append(f"{len(opened.mended):,} damaged or outdated, made anew" if opened.mended else good)
    lines += [f"  left out: study {study}: {why}" for study, why in list(opened.exclusions.items())[:_LISTED]]
    lines += [f"  {fault.path}: {fault.what}; {fault.effect}" for fault in opened.faults[:_LISTED]]
    if max(len(opened.faults), len(opened.exclusions)) > _LISTED:
        lines.append(f"  and more: bench data check {shlex.quote(str(opened.folder))} lists them all")
    print_lines(console, lines)
