"""One job from start to `done`, in a process of its own. The harness owns labels, folds, metric and clock."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bench import plugins
from bench.approach import Approach
from bench.data.cohort import Cohort
from bench.data.folds import training_studies
from bench.data.load import open_dataset
from bench.files.atomic import read_json, write_json
from bench.files.checksums import write_manifest
from bench.jobs import fitted, store
from bench.jobs.context import Emit, JobContext
from bench.jobs.fingerprint import fingerprint
from bench.jobs.hardware import choose_precision
from bench.jobs.job import Job
from bench.jobs.order import Order
from bench.jobs.predictions import checked, write_predictions, write_true_point_predictions
from bench.jobs.score import judge, multiply_adds_per_study
from bench.jobs.stages import past_damage

CHECKPOINT = "checkpoint"
RESUME = "resume"


def execute(order: Order, emit: Emit, require_lock: Callable[[], None] = lambda: None) -> str:
    """Do what is left of a job, whose lock the caller holds.

    Args:
        order: the job and how to run it.
        emit: sends events.
        require_lock: raises if the caller has lost the lock; called before anything that matters is renamed.
    Returns:
        ``done``, or ``skipped`` if the approach says that it cannot run on these studies.
    """
    order = replace(order, precision=choose_precision(order.precision, order.device))
    job, folder = order.job, order.folder
    plugin = plugins.find("approaches", job.approach, [Path(path) for path in job.plugins])
    approach_class = plugins.load_plugin(plugin)
    config = approach_class.Config.model_validate_json(job.config)
    made_from = fingerprint(job, plugin)
    if not prepare_folder(order, made_from, emit):
        emit("found", score=read_json(folder / store.RESULT)["score"])
        return "done"
    emit("stage", stage="opening the data")
    train, held_out, context, reader_notes = _open(order, made_from, emit)
    context.require_lock = require_lock
    context.keep_notes()
    reason = approach_class(config).skip(train.hidden())
    if reason is not None:
        write_json(folder / store.FAILED, {"schema_version": 1, "status": "skipped", "reason": reason})
        emit("skipped", reason=reason)
        return "skipped"
    approach = _fit(approach_class, config, train, context)
    _predict(approach, held_out, context)
    if approach.uses_points:
        _predict_at_true_points(approach, held_out, order, context)
    context.write_notes(reader_notes)
    multiply_adds = multiply_adds_per_study(approach, held_out, context)
    result = judge(order, made_from, held_out, multiply_adds)
    write_json(folder / store.RESULT, result)
    (folder / store.FAILED).unlink(missing_ok=True)
    store.finish(folder)
    shutil.rmtree(folder / RESUME, ignore_errors=True)
    emit("done", score=result["score"], seconds=result["fit_seconds"] + result["predict_seconds"])
    return "done"


def prepare_folder(order: Order, made_from: Mapping[str, Any], emit: Emit) -> bool:
    """Make the job's folder fit to be worked in: what does not hold any more is set aside.

    Returns:
        False if the job is done already and its result holds.
    """
    folder = order.folder
    stored = store.read_job(folder)
    if stored is not None:
        stale = store.why_stale(stored, made_from)
        if stale is None and stored.status == "done":
            return False
        if stale is not None:
            store.set_aside(folder)
            emit("stale", reason=stale)
    store.write_job(folder, order.job, made_from, order.threads)
    (folder / RESUME).mkdir(exist_ok=True)
    return True


def _open(
    order: Order, made_from: Mapping[str, Any], emit: Emit
) -> tuple[Cohort, Cohort, JobContext, list[tuple[int, str]]]:
    """Training studies with labels and points, held-out ones without, and the context."""
    job, folder = order.job, order.folder
    split_folder = folder.parents[2]
    opened = open_dataset(_dataset(job), Path(job.data), cache=order.cache, jobs=1, progress=lambda *_: None)
    split = pd.read_csv(split_folder / "folds.csv").set_index("study_id")["fold"]
    train_ids = training_studies(split, job.fold, job.train_fraction)
    sources = {part: value for part, value in made_from.items() if part.startswith("source")}
    identity = {
        "job": f"{job.run_name}/{job.seed_name}/fold{job.fold}",
        "data": job.data_hash,
        "source": sources,
        "seed": job.seed,
        "approach": job.approach,
        "fold": job.fold,
    }
    context = JobContext(
        device=order.device,
        precision=order.precision,
        threads=order.threads,
        folder=folder,
        resume=folder / RESUME,
        volumes=opened.volumes,
        identity=identity,
        stages=split_folder / "stages",
        shared_work=order.cache / "shared",
        emit=emit,
        by=job.approach,
    )
    notes = [(study.study_id, text) for study in opened.cohort.studies for text in study.notes]
    return (
        opened.cohort.subset(train_ids),
        opened.cohort.hidden().subset(split.index[split == job.fold]),
        context,
        notes,
    )


def _fit(approach_class: type[Approach], config: Any, train: Cohort, context: JobContext) -> Approach:
    """The trained approach: fitted now, or taken up where a kill left it."""
    checkpoint = context.folder / CHECKPOINT
    if fitted.is_fitted(context, checkpoint):
        return approach_class.load(checkpoint, config)

    def fit() -> Approach:
        approach = approach_class(config)
        approach.fit(train, context)
        return approach

    with fitted.spending(context, fitted.FITTED):
        told = partial(fitted.tell, context)
        approach = past_damage(context.resume, fit, told, beside=context.folder)
        context.require_lock()
        shutil.rmtree(checkpoint, ignore_errors=True)
        checkpoint.mkdir()
        approach.save(checkpoint)
        write_manifest(checkpoint)
    return approach


def _predict(approach: Approach, held_out: Cohort, context: JobContext) -> None:
    context.emit("stage", stage=f"predicting {len(held_out)} studies")
    with fitted.spending(context, fitted.PREDICTED):
        predictions = checked(approach.predict(held_out, context), held_out.study_ids)
    write_predictions(context.folder, predictions)


def _predict_at_true_points(approach: Approach, held_out: Cohort, order: Order, context: JobContext) -> None:
    """Grade the held-out studies once more, given where the annotators clicked: what localisation costs."""
    opened = open_dataset(
        _dataset(order.job), Path(order.job.data), cache=order.cache, jobs=1, progress=lambda *_: None
    )
    with_points = opened.cohort.without_labels().subset(held_out.study_ids)
    if with_points.points is None or with_points.points.empty:
        return
    context.emit("stage", stage="predicting once more at the annotators' points")
    quiet = context.silent()
    write_true_point_predictions(context.folder, checked(approach.predict(with_points, quiet), held_out.study_ids))


def _dataset(job: Job) -> Any:
    name = job.dataset.partition(":")[0]
    return plugins.load("datasets", name, [Path(path) for path in job.plugins])()
