"""``bench data check``: read every file of a folder and list all faults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import PathType, plugin_paths

if TYPE_CHECKING:
    from rich.console import Console

    from bench.data.validate import Check

_LISTED = 20


@click.command(short_help="Read every file of a folder and list all faults.")
@click.argument("folder", type=PathType)
@options.as_json
@options.workers
@options.plugins
def command(folder: Path, as_json: bool, jobs: int | None, plugins: tuple[Path, ...]) -> int:
    """Read every file of FOLDER once. List its contents, its faults, and what each fault means for training.

    FOLDER has the competition's layout or is any tree of DICOM files. In the latter the kind of each series is derived
    from its orientation and its echo times or names. The exit code is 1 if anything is unusable.
    """
    from bench.console.screen import Screen
    from bench.console.terminal import echo_json, terminal
    from bench.data.validate import check

    with Screen(terminal(stderr=True)) as screen:
        checked = check(
            folder,
            jobs=jobs or os.cpu_count() or 1,
            progress=screen.prepare,
            known_faults=_known_faults(plugin_paths(plugins)),
        )
    if as_json:
        echo_json(checked.to_json())
    else:
        show(checked, terminal())
    return 0 if checked.usable else 1


def _known_faults(paths: tuple[Path, ...]) -> dict[int, str]:
    """Known faults of all data sets by study id or series id; only those whose id is in the folder are shown."""
    from bench.plugins import PluginError, available, load_plugin

    known: dict[int, str] = {}
    for plugin in available("datasets", paths).values():
        try:
            dataset = load_plugin(plugin)()
        except PluginError:
            continue  # `bench list datasets` gives the reason; this check does not need the plug-in
        known.update({number: f"left out: {why}" for number, why in dataset.excluded_studies().items()})
        known.update(dataset.known_faults())
    return known


def show(checked: Check, console: Console) -> None:
    """Print a check as tables."""
    from pydicom.uid import UID
    from rich.table import Table
    from rich.text import Text

    from bench.data.validate import spread
    from bench.files.foreign import one_line

    table = Table("kind", "series", "slices", title=Text(one_line(str(checked.folder))), title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, count in sorted(checked.series.items()):
        table.add_row(kind, f"{count:,}", f"{checked.slices[kind]:,}")
    table.add_section()
    table.add_row(f"{checked.studies:,} studies", f"{checked.series.total():,}", f"{checked.slices.total():,}")
    console.print(table)
    facts = Table.grid(padding=(0, 2))
    facts.add_row("sizes", _counted(checked.sizes.most_common()))
    facts.add_row("encodings", _counted([(UID(uid).name, n) for uid, n in checked.encodings.most_common()]))
    for name, values in (("pixel spacing", checked.spacings_mm), ("slice distance", checked.steps_mm)):
        found = spread(values)
        if found:
            facts.add_row(name, f"{found['min']:g} to {found['max']:g} mm, median {found['median']:g}")
    if checked.labels:
        counts = checked.labels
        facts.add_row(
            "tables",
            f"{counts['studies']:,} studies, {counts['labels']:,} labels ({counts['missing_labels']:,} missing), "
            f"{counts['points']:,} points",
        )
    facts.add_row("volume cache", f"{checked.cache_bytes / 1e9:.2f} GB")
    facts.add_row("reading time", f"{checked.seconds:.1f} s")
    console.print(facts, highlight=False)
    _show_odd(checked, console)


def _counted(counts: list[tuple[str, int]]) -> str:
    more = f" and {len(counts) - 6} more" if len(counts) > 6 else ""
    return ", ".join(f"{name} ({n:,})" for name, n in counts[:6]) + more


def _show_odd(checked: Check, console: Console) -> None:
    """Assumptions, published faults and faults, at most `_LISTED` of each."""
    from bench.console.terminal import lines as print_lines

    notes = [f"{path}: {what}" for path, what in checked.notes]
    known = [f"{number} {what}" for number, what in checked.known.items()]
    faults = [f"{fault.path}: {fault.what}; {fault.effect}" for fault in checked.faults]
    for title, texts in (("read with assumptions", notes), ("published faults", known), ("faults", faults)):
        if texts:
            console.print(f"\n[bold]{title}[/bold] ({len(texts):,})")
        print_lines(console, (f"  {text}" for text in texts[:_LISTED]))
        if len(texts) > _LISTED:
            console.print(f"  and {len(texts) - _LISTED:,} more: --json lists them all")
    if not faults:
        console.print("\nno faults")
