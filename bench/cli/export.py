"""``bench export``: a trained approach as a folder of its own."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli import options
from bench.cli.options import Listed, flat
from bench.console.terminal import echo
from bench.files.foreign import one_line

integers = Listed(int, "whole numbers")


@click.command(short_help="Export a trained approach for use elsewhere.")
@click.argument("run")
@options.output("The folder to write; it must not exist yet.")
@options.runs
@click.option("--fold", "folds", type=integers, multiple=True, help="Only models of these folds.  [default: all]")
@click.option("--seed", "seeds", type=integers, multiple=True, help="Only models of these seeds.  [default: all]")
def command(
    run: str, out: Path, runs: Path, folds: tuple[tuple[int, ...], ...], seeds: tuple[tuple[int, ...], ...]
) -> None:
    """Write the trained models of RUN into a folder that `bench predict --model` uses on any machine.

    RUN is a folder of a store, or a name such as mil or mil-quick in --runs. The folder has a README.md that says what
    was trained on what, and checksums. It holds neither images nor labels.
    """
    from bench.jobs.prediction.model_folder import CARD, export_model
    from bench.jobs.prediction.select import jobs_of_run

    jobs = jobs_of_run(run, runs, folds=flat(folds), seeds=flat(seeds), say=_say)
    record = export_model(jobs, out)
    megabytes = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    models = "1 trained model" if len(record.members) == 1 else f"{len(record.members)} trained models"
    echo(f"exported: {one_line(str(out))} ({models}, {megabytes:.1f} MB)\ncard: {one_line(str(out / CARD))}")
    plugin = f" --plugin {out / record.plugin}" if record.plugin else ""
    echo(one_line(f"next: bench predict --model {out} --data FOLDER -o submission.csv{plugin}"))


def _say(text: str) -> None:
    echo(one_line(text), err=True)
