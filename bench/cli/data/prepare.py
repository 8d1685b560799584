"""``bench data prepare``: decode a data set into the cache ahead of a run."""

from __future__ import annotations

import os
import shlex
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import PathType, default_cache, plugin_paths
from bench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.data.load import Opened

_LISTED = 20


@click.command(short_help="Decode a data set into the cache ahead of a run.")
@click.option("--dataset", default="phantom", show_default=True, help="Data set, with its preset: phantom:standard.")
@click.option("--data", type=PathType, help="The data set's folder, where it is not generated.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that read.  [default: one a core]")
@click.option("--verify", is_flag=True, help="Compare what lies in the cache with its checksums; mend what differs.")
@click.option("--max-gb", type=float, help="Never let the cache of this data set grow beyond this.")
@click.option("--cache-dir", type=PathType, help="Where generated data and prepared images lie.")
@click.option("--plugin", "plugins", type=PathType, multiple=True, help="A plug-in's file or folder.")
def command(
    dataset: str,
    data: Path | None,
    jobs: int | None,
    verify: bool,
    max_gb: float | None,
    cache_dir: Path | None,
    plugins: tuple[Path, ...],
) -> int:
    """Decode every series of a data set into the cache. `bench run` does the same on first use.

    Series that had faults before are read again.
    """
    from rich.console import Console

    from bench.console.screen import Screen
    from bench.data.load import open_dataset, resolve_dataset
    from bench.imaging.cache import verify as verify_checksums

    if max_gb is not None and max_gb <= 0:
        raise UsageError(f"--max-gb {max_gb:g}: gigabytes above 0.")
    console = Console()
    cache, workers = (cache_dir or default_cache()).resolve(), jobs or os.cpu_count() or 1
    started = time.monotonic()
    _, preset, plugin = resolve_dataset(dataset, plugin_paths(plugins))
    differed: list[int] | None = None
    with Screen(console) as screen:
        folder = plugin.locate(preset=preset, data=data, cache=cache, jobs=workers, progress=screen.prepare)
        reopen = partial(open_dataset, plugin, folder, cache, workers, screen.prepare, most_gb=max_gb)
        opened = reopen(retry_faults=True)
        if verify:
            differed = verify_checksums(opened.volumes.folder, screen.prepare)
            opened = reopen() if differed else opened
    _report(console, opened, differed, time.monotonic() - started)
    return 0


def _report(console: Console, opened: Opened, differed: list[int] | None, seconds: float) -> None:
    target = opened.volumes.folder
    size = sum(path.stat().st_size for path in target.iterdir())
    lines = [
        f"data: {opened.folder} ({len(opened.cohort):,} studies)",
        f"cache: {target}",
        f"{sum(1 for _ in target.glob('*.npy')):,} series, {size / 1e9:.2f} GB, in {seconds:.1f} s",
        f"to delete it: rm -r {shlex.quote(str(target))} (it is built again when it is needed)",
    ]
    if differed:
        lines.append(f"{len(differed):,} series differed from their checksums and were read again")
    elif differed is not None:
        lines.append("all series agree with their checksums")
    lines += [f"  left out: study {study}: {why}" for study, why in list(opened.exclusions.items())[:_LISTED]]
    lines += [f"  {fault.path}: {fault.what}; {fault.effect}" for fault in opened.faults[:_LISTED]]
    if max(len(opened.faults), len(opened.exclusions)) > _LISTED:
        lines.append(f"  and more: bench data check {shlex.quote(str(opened.folder))} names all")
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
