"""``bench compare``: one pair of approaches of a store."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli import options
from bench.console.terminal import echo, echo_json
from bench.errors import UsageError


@click.command(short_help="Compare two approaches of a store.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@options.store
@options.as_json
def command(first: str, second: str, out: Path, as_json: bool) -> None:
    """Print the paired difference between the approaches A and B, on each data set and split that both have.

    A name is that of an approach, such as mil, or of approach and preset, such as mil-quick; with several train
    fractions, mil-quick@0.5. The p-value is of this one comparison: `bench report` adjusts for all pairs.
    """
    from bench.comparison.one_pair import compare_pair
    from bench.comparison.pair_text import pair_text
    from bench.files.places import require_folder
    from bench.jobs.store import stored_jobs

    require_folder(out, "--out", "Name a store, or run an approach first.")
    jobs = stored_jobs(out)
    if not jobs:
        raise UsageError(f"--out {out}: no runs there. Name a store, or run an approach first.")
    pairs = compare_pair(jobs, first, second)
    if as_json:
        from bench.comparison import comparisons_json

        echo_json(comparisons_json([pair.comparison for pair in pairs]))
    else:
        echo("\n\n".join(map(pair_text, pairs)))
