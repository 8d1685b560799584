"""``bench data build``: generate a data set as DICOM files and tables."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from bench.cli import options
from bench.cli.options import plugin_paths
from bench.errors import DataError


@click.command(short_help="Generate a data set as DICOM files and tables.")
@click.argument("name")
@click.option("--preset", help="Variant of the data set; `bench list datasets` shows them.  [default: the first]")
@click.option("--studies", type=int, help="Number of studies.  [default: that of the preset]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the generator.")
@options.workers
@options.output("The folder to build in.")
@click.option("--tables-only", is_flag=True, help="Write the tables without images.")
@options.plugins
def command(
    name: str,
    preset: str | None,
    studies: int | None,
    seed: int,
    jobs: int | None,
    out: Path,
    tables_only: bool,
    plugins: tuple[Path, ...],
) -> int:
    """Generate the data set NAME in the competition's layout.

    The same command resumes an interrupted build.
    """
    from bench import plugins as registry
    from bench.console.screen import Screen
    from bench.console.terminal import echo, line, terminal
    from bench.files.places import require_writable

    console = terminal(stderr=True)
    dataset = registry.load("datasets", name, plugin_paths(plugins))()
    require_writable(out, "-o")
    gigabytes = None if tables_only else dataset.expected_gigabytes(preset, studies)
    if gigabytes is not None:
        line(console, f"about {gigabytes:.1f} GB will be written to {out.resolve()}")
        _check_space(out, gigabytes)
    with Screen(console) as screen:
        folder = dataset.build(
            out,
            preset=preset,
            studies=studies,
            seed=seed,
            jobs=jobs or os.cpu_count() or 1,
            progress=screen.prepare,
            tables_only=tables_only,
        )
    echo(str(folder))
    return 0


def _check_space(out: Path, gigabytes: float) -> None:
    """Raise DataError if the disk has too little space; files of an interrupted build count as written."""
    existing = out.resolve()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free / 1e9
    written = sum(path.stat().st_size for path in out.rglob("*.dcm")) / 1e9 if out.is_dir() else 0.0
    if gigabytes - written > free:
        raise DataError(
            f"{existing} has {free:.1f} GB free and the data set needs about {gigabytes - written:.1f} GB more. "
            "Name a folder on another disk with -o, or ask for fewer --studies."
        )
