"""``bench score``: the competition's metric of one submission."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bench.cli import options
from bench.cli.options import PathType
from bench.console.terminal import echo, echo_json
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.metric import Score
    from bench.metric.solution import Solution
    from bench.metric.terms import FloatArray

SCHEMA_VERSION = 1
DEFAULT_FOLDS = 5


@click.command()
@click.argument("solution", type=PathType)
@click.argument("submission", type=PathType)
@options.as_json
@click.option("--strict", is_flag=True, help="Reject rows that do not sum to 1 instead of normalising them.")
@click.option(
    "--missing",
    type=click.Choice(["error", "prior"]),
    default="error",
    show_default=True,
    help="Refuse missing rows, or fill them by the class prior of the other folds.",
)
@click.option(
    "--folds", help="With --missing prior: number of folds, or a CSV with study_id,fold.  [default: 5]", metavar="TEXT"
)
def command(
    solution: Path, submission: Path, as_json: bool, strict: bool, missing: Literal["error", "prior"], folds: str | None
) -> None:
    """Score a submission by the competition's weighted log loss; lower is better.

    SOLUTION is a train.csv, or the metric's long format (row_id, normal_mild, moderate, severe, sample_weight).
    SUBMISSION has the columns row_id, normal_mild, moderate, severe. Tables are joined on row_id. Rows without a label
    are not scored.
    """
    from functools import partial

    from bench.metric import score_files

    if folds is not None and missing != "prior":
        raise UsageError(f"--folds {folds}: folds are used to fill missing rows. Add --missing prior, or omit --folds.")
    fill = partial(_prior, folds=folds) if missing == "prior" else None
    result = score_files(solution, submission, strict=strict, fill=fill)
    if as_json:
        echo_json(_document(result), indent=2)
    else:
        echo(_text(result))


def _prior(truth: Solution, folds: str | None) -> FloatArray:
    """(N, 25, 3) the class prior of the other folds, for the studies of a solution."""
    import numpy as np

    from bench.data.folds import make_folds, read_folds
    from bench.metric.prior import out_of_fold_prior

    ids = truth.study_ids
    if folds is None or folds.isdecimal():
        count = int(folds) if folds is not None else DEFAULT_FOLDS
        if folds is None and len(ids) < count:
            raise UsageError(
                f"--missing prior: the solution has {len(ids)} studies, too few for {count} folds. Pass --folds with a "
                f"number from 2 to {len(ids)}, or omit --missing."
            )
        split = make_folds(ids, truth.grades, count)
    else:
        split = read_folds(Path(folds), ids.tolist())
    fold = dict(zip(split["study_id"].tolist(), split["fold"].tolist(), strict=True))
    return out_of_fold_prior(truth.grades, np.array([fold[study] for study in ids.tolist()]))


def _document(result: Score) -> dict[str, object]:
    parts = {name: None if math.isnan(loss) else loss for name, loss in result.parts.items()}
    return {
        "schema_version": SCHEMA_VERSION,
        "score": result.score,
        "parts": parts,
        "counts": dict(result.counts),
        "rows": result.rows,
        "clipped": result.clipped,
        "filled": result.filled,
        "filled_labelled": result.filled_labelled,
    }


def _text(result: Score) -> str:
    lines = [f"{'score':<18} {result.score:8.4f}   mean of the parts, lower is better"]
    for name, loss in result.parts.items():
        unit = "studies" if name == "any_severe_spinal" else "rows"
        value = "       -   no labels; not in the mean" if math.isnan(loss) else f"{loss:8.4f}"
        lines.append(f"{name:<18} {value}   {result.counts[name]:,} {unit}")
    lines.append(f"{result.rows:,} rows scored, {result.clipped:,} cells clipped")
    if result.filled:
        lines.append(
            f"{result.filled:,} missing rows ({result.filled_labelled:,} of them scored) filled by the class prior of "
            "the other folds"
        )
    return "\n".join(lines)
