"""``bench import``: out-of-fold predictions made elsewhere join the comparison."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import PathType
from bench.console.terminal import echo, echo_json
from bench.files.foreign import one_line

if TYPE_CHECKING:
    from bench.comparison import ApproachResult
    from bench.jobs.importing import Outcome

SCHEMA_VERSION = 1


@click.command(short_help="Add predictions made elsewhere to the comparison.")
@click.argument("name")
@click.argument("files", type=PathType, nargs=-1, required=True, metavar="FILE.csv...")
@click.option(
    "--folds",
    type=PathType,
    help="CSV with study_id,fold: the folds that the predictions were made with. Checked for leakage by study.",
)
@click.option(
    "--labels",
    type=PathType,
    help="The label table, a train.csv; no images are needed.  [default: the labels of the store]",
)
@click.option("--strict", is_flag=True, help="Refuse missing rows instead of filling them.")
@click.option("--split", type=PathType, help="Folder of the split to join, where the store holds several.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Their training seed.")
@click.option(
    "--train-fraction",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of the training studies that they were trained on; only equal shares are compared.",
)
@options.store
@options.as_json
def command(
    name: str,
    files: tuple[Path, ...],
    folds: Path | None,
    labels: Path | None,
    strict: bool,
    split: Path | None,
    seed: int,
    train_fraction: float,
    out: Path,
    as_json: bool,
) -> None:
    """Add out-of-fold predictions that were made elsewhere to the store as the approach NAME.

    Each FILE has the columns row_id, normal_mild, moderate, severe. Several files of one approach are joined; they may
    hold different studies or conditions. Missing rows are filled by the class prior of the other folds, and counted.

    The predictions join the split in the store whose labels (with --labels) and folds (with --folds) are the same.
    Where there is none, a new split is made: a label table is enough, and images are not needed. Results of different
    splits are not compared. Without --folds it cannot be checked that the predictions are out of fold.

    Importing other contents under the same NAME moves the earlier ones to replaced/.
    """
    from bench.comparison import compare
    from bench.jobs.importing import ImportRequest, import_predictions
    from bench.jobs.store import finished_jobs

    request = ImportRequest(
        name=name,
        files=files,
        store=out,
        labels=labels,
        folds=folds,
        split=split,
        strict=strict,
        seed=seed,
        train_fraction=train_fraction,
        command=shlex.join(["bench", *sys.argv[1:]]),
    )
    outcome = import_predictions(request)
    result = compare(finished_jobs(each.path for each in outcome.folders)).approaches[0]
    if as_json:
        echo_json(_document(outcome, result))
    else:
        for line in _lines(outcome, result, out):
            echo(line)


def _document(outcome: Outcome, result: ApproachResult) -> dict[str, object]:
    labelled = outcome.absent & (outcome.target.grades >= 0)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": result.approach,
        "score": result.estimate.score,
        "interval": list(result.estimate.interval),
        "studies": result.studies,
        "rows": outcome.absent.size,
        "missing": int(outcome.absent.sum()),
        "missing_labelled": int(labelled.sum()),
        "missing_folds": list(outcome.missing_folds),
        "split": str(outcome.target.folder.path),
        "replaced": [str(path) for path in outcome.replaced],
        "unchanged": outcome.unchanged,
    }


def _lines(outcome: Outcome, result: ApproachResult, store: Path) -> list[str]:
    low, high = result.estimate.interval
    lines = ["the same predictions are there already; nothing was written"] if outcome.unchanged else []
    if outcome.replaced:
        folds = "1 fold" if len(outcome.replaced) == 1 else f"{len(outcome.replaced)} folds"
        lines.append(f"earlier predictions of this name moved to {outcome.replaced[0].parent} ({folds})")
    if outcome.left_out:
        lines.append(f"dropped: {outcome.left_out:,} rows of studies that the data set leaves out for all approaches")
    if outcome.missing_folds:
        folds = ", ".join(map(str, outcome.missing_folds))
        lines.append(f"no row of fold {folds}: incomplete, scored on the other folds")
    lines += [note for note in result.notes if not note.startswith("incomplete")]
    lines += [
        f"score: {result.estimate.score:.4f} [{low:.4f}, {high:.4f}], n = {result.studies} studies",
        f"results: {outcome.target.folder.path}",
        f"next: bench report {store}",
    ]
    return [one_line(line) for line in lines]
