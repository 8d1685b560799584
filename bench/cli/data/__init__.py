"""``bench data``: build, check, prepare and show data sets."""

from __future__ import annotations

import click

from bench.cli import LazyGroup

VERBS = {
    "build": ("bench.cli.data.build", "Generate a data set as DICOM files and tables."),
    "check": ("bench.cli.data.check", "Read every file of a folder and list all faults."),
    "prepare": ("bench.cli.data.prepare", "Decode a data set into the cache ahead of a run."),
    "show": ("bench.cli.data.show", "Draw a study's contact sheet."),
}


@click.group(cls=LazyGroup, verbs=VERBS)
def command() -> None:
    """Build, check, prepare and show data sets."""
