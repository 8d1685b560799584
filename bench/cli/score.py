"""``bench score``: the competition's metric of one submission."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import PathType

if TYPE_CHECKING:
    from bench.metric import Score

SCHEMA_VERSION = 1


@click.command()
@click.argument("solution", type=PathType)
@click.argument("submission", type=PathType)
@options.as_json
@click.option("--strict", is_flag=True, help="Reject rows that do not sum to 1 instead of normalising them.")
def command(solution: Path, submission: Path, as_json: bool, strict: bool) -> None:
    """Score a submission by the competition's weighted log loss; lower is better.

    SOLUTION is a train.csv, or the metric's long format (row_id, normal_mild, moderate, severe, sample_weight).
    SUBMISSION has the columns row_id, normal_mild, moderate, severe. Tables are joined on row_id. Rows without a label
    are not scored.
    """
    from bench.metric import score_files

    result = score_files(solution, submission, strict=strict)
    if as_json:
        import json

        click.echo(json.dumps(_document(result), indent=2, allow_nan=False))
    else:
        click.echo(_text(result))


def _document(result: Score) -> dict[str, object]:
    parts = {name: None if math.isnan(loss) else loss for name, loss in result.parts.items()}
    return {
        "schema_version": SCHEMA_VERSION,
        "score": result.score,
        "parts": parts,
        "counts": dict(result.counts),
        "rows": result.rows,
        "clipped": result.clipped,
    }


def _text(result: Score) -> str:
    lines = [f"{'score':<18} {result.score:8.4f}   mean of the parts, lower is better"]
    for name, loss in result.parts.items():
        unit = "studies" if name == "any_severe_spinal" else "rows"
        value = "       -   no labels; not in the mean" if math.isnan(loss) else f"{loss:8.4f}"
        lines.append(f"{name:<18} {value}   {result.counts[name]:,} {unit}")
    lines.append(f"{result.rows:,} rows scored, {result.clipped:,} cells clipped")
    return "\n".join(lines)
