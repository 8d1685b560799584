"""``bench predict``: trained jobs applied to new studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli import options as shared
from bench.cli.options import Listed, PathType, cache_folder, flat, plugin_paths
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.jobs.prediction.member import Member
    from bench.jobs.prediction.order import Overlay, PredictionOrder
    from bench.jobs.prediction.results import Summary

SCHEMA_VERSION = 1
DEFAULT_OUT = Path("submission.csv")
integers = Listed(int, "whole numbers")


@click.command(short_help="Grade new studies with trained approaches.")
@click.argument("run", required=False)
@click.option("--model", type=PathType, help="A folder that `bench export` wrote, instead of RUN.")
@click.option(
    "--data", type=PathType, required=True, help="Folder of new studies: the competition's layout, or any MR files."
)
@shared.output("The submission to write; other tables go beside it.", default=str(DEFAULT_OUT))
@shared.runs
@click.option("--fold", "folds", type=integers, multiple=True, help="Only these folds.  [default: all, averaged]")
@click.option("--seed", "seeds", type=integers, multiple=True, help="Only these seeds.  [default: all, averaged]")
@click.option("--sample", type=PathType, help="A submission whose rows and row order are kept: sample_submission.csv.")
@click.option(
    "--overlay", type=PathType, help="Draw each study: a folder for PNG files, or a page whose name ends in .html."
)
@shared.device
@shared.precision("prediction")
@click.option("--changed-source", is_flag=True, help="Predict although the approach's source changed since training.")
@shared.workers
@shared.cache_dir
@shared.plugins
@shared.as_json
def command(**options: Any) -> int:
    """Grade the studies in --data with RUN, and write a submission.

    RUN is a folder of a store, or a name such as mil or mil-quick in --runs. Its folds and seeds are averaged. Located
    points, attention weights, notes and a list of the studies go beside the submission, where the approach has them.
    """
    from bench.console.screen import Screen
    from bench.console.terminal import echo_json, line, terminal
    from bench.jobs.prediction.run import publish, run_prediction, work_folder

    console = terminal(stderr=options["as_json"] or _to_screen(options["out"]))
    _check_places(options)
    members, plugins, changed = _members(options)
    if changed:
        line(console, f"changed since training: {', '.join(changed)}", style="yellow")
    out = options["out"] or DEFAULT_OUT
    with work_folder(cache_folder(options["cache_dir"])) as work:
        order = _order(options, members, plugins, work, out)
        with Screen(terminal(stderr=True)) as screen:
            summary = run_prediction(order, lambda event: _show(screen, event))
        written = publish(order, out, options["overlay"])
    order.log.unlink(missing_ok=True)
    if options["as_json"]:
        echo_json(_document(summary, written), indent=None)
        return 0
    from bench.console.grades_table import show_grades

    show_grades(console, summary)
    for name, path in written.items():
        line(console, f"{name}: {path}")
    return 0


def _members(options: dict[str, Any]) -> tuple[tuple[Member, ...], tuple[str, ...], list[str]]:
    """What predicts, the plug-ins that it needs, and how their source differs from that of the training."""
    from bench.jobs.prediction.member import check_source, members_of, selected
    from bench.jobs.prediction.model_folder import read_model
    from bench.jobs.prediction.select import jobs_of_run

    run, model = options["run"], options["model"]
    if (run is None) == (model is None):
        raise UsageError("name what predicts: either RUN, such as mil or a folder of a store, or --model FOLDER.")
    folds, seeds = flat(options["folds"]), flat(options["seeds"])
    named = plugin_paths(options["plugins"])
    if model is not None:
        members = selected(read_model(model).members, model, folds, seeds)
        paths = named
    else:
        jobs = jobs_of_run(run, options["runs"], folds=folds, seeds=seeds, say=_say)
        members = members_of(jobs)
        paths = tuple(dict.fromkeys([*named, *(Path(path) for path in jobs[0].plugins if Path(path).exists())]))
    changed = check_source(members, paths, refuse=not options["changed_source"])
    return members, tuple(map(str, paths)), changed


def _say(text: str) -> None:
    from bench.console.terminal import echo
    from bench.files.foreign import one_line

    echo(one_line(text), err=True)


def _order(
    options: dict[str, Any], members: tuple[Member, ...], plugins: tuple[str, ...], work: Path, out: Path
) -> PredictionOrder:
    from bench.jobs.hardware import choose_device, cpu_count
    from bench.jobs.prediction.order import PredictionOrder

    overlay = options["overlay"]
    drawn: Overlay = "none" if overlay is None else "html" if overlay.suffix.lower() in (".html", ".htm") else "png"
    return PredictionOrder(
        members=members,
        data=options["data"].resolve(),
        sample=options["sample"],
        overlay=drawn,
        work=work,
        log=work / "worker.log" if _to_screen(out) else out.with_name(f"{out.stem}_log_{work.name}.txt").resolve(),
        plugins=plugins,
        device=choose_device(options["device"]),
        precision=options["precision"],
        threads=options["jobs"] or cpu_count(),
    )


def _check_places(options: dict[str, Any]) -> None:
    """Refuse what cannot be read or written before anything is done."""
    from bench.files.atomic import explained

    data, out, overlay, sample = (options[name] for name in ("data", "out", "overlay", "sample"))
    out = out or DEFAULT_OUT
    if not data.is_dir():
        what = "that is a file. Name the folder that holds it" if data.exists() else "there is no such folder"
        raise UsageError(f"--data {data}: {what}.")
    if sample is not None and not sample.is_file():
        raise UsageError(f"--sample {sample}: no such file.")
    if out.is_dir():
        raise UsageError(f"-o {out}: this is a folder. Name a file, such as {out / DEFAULT_OUT}.")
    if overlay is not None:
        page = overlay.suffix.lower() in (".html", ".htm")
        if page and overlay.is_dir():
            raise UsageError(f"--overlay {overlay}: this is a folder. Name a file for the page.")
        if not page and overlay.is_file():
            raise UsageError(f"--overlay {overlay}: this is a file. Name a folder, or a page that ends in .html.")
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)


def _to_screen(out: Path | None) -> bool:
    from bench.files.in_place import is_written_in_place

    return out is not None and is_written_in_place(out)


def _show(screen: Any, event: Any) -> None:
    from bench.jobs.events import Progress

    if isinstance(event, Progress):
        screen.prepare(event.stage, event.step, event.steps)


def _document(summary: Summary, written: dict[str, Path]) -> dict[str, Any]:
    from bench.targets import TARGET_NAMES

    values = summary.model_dump(mode="json")
    for study in values["studies"]:
        study["grades"] = dict(zip(TARGET_NAMES, study["grades"], strict=True))
        study["probabilities"] = dict(zip(TARGET_NAMES, study["probabilities"], strict=True))
    return {"schema_version": SCHEMA_VERSION, **values, "files": {name: str(path) for name, path in written.items()}}
