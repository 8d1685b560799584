"""``bench compare``: one pair of approaches of a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.comparison.one_pair import OnePair
    from bench.comparison.results import ApproachResult


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
    from bench.files.places import require_folder
    from bench.jobs.store import stored_jobs

    require_folder(out, "--out", "Name a store, or run an approach first.")
    jobs = stored_jobs(out)
    if not jobs:
        raise UsageError(f"--out {out}: no runs there. Name a store, or run an approach first.")
    pairs = compare_pair(jobs, first, second)
    if as_json:
        from bench.comparison import comparisons_json

        document = comparisons_json([pair.comparison for pair in pairs])
        click.echo(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        click.echo("\n\n".join(_text(pair) for pair in pairs))


def _text(pair: OnePair) -> str:
    from bench.comparison.formatting import p_text, printable
    from bench.metric import PARTS

    comparison, difference = pair.comparison, pair.difference
    first, second = pair.first, pair.second
    sign = 1 if difference.first == first.label else -1
    low, high = sorted(sign * end for end in difference.paired.interval)
    width = max(len(result.label) for result in (first, second))
    lines = [f"{comparison.dataset}: {comparison.studies} studies in {comparison.of_folds} folds"]
    lines += [comparison.caveat] if comparison.caveat else []
    lines += [_score(result, width) for result in (first, second)]
    lines.append(
        f"difference {sign * difference.paired.difference:+.4f} [{low:+.4f}, {high:+.4f}] ({first.label} minus "
        f"{second.label}, paired by study, n = {difference.studies}), p {p_text(difference.paired.p)}"
    )
    if difference.studies == first.studies == second.studies:
        parts = (first.estimate.parts[name] - second.estimate.parts[name] for name in PARTS)
        lines.append("by part: " + ", ".join(f"{name} {part:+.4f}" for name, part in zip(PARTS, parts, strict=True)))
    lines.append(difference.verdict)
    lines.append(
        f"A difference of {difference.detectable:.4f} could be separated with 80 % power by these {difference.studies} "
        "studies."
    )
    lines += [f"{result.label}: {note}" for result in (first, second) for note in result.notes]
    return printable("\n".join(lines))


def _score(result: ApproachResult, width: int) -> str:
    low, high = result.estimate.interval
    seeds = "1 seed" if len(result.seeds) == 1 else f"{len(result.seeds)} seeds"
    return (
        f"{result.label:<{width}}  {result.estimate.score:.4f} [{low:.4f}, {high:.4f}]  n = {result.studies}, {seeds}"
    )
