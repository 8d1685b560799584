"""One job from start to `done`, in a process of its own. The harness owns labels, folds, metric and clock."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import plugins
from bench.approach import Approach, Predictions, StudyCounts
from bench.data.cohort import Cohort
from bench.data.cohort_index import read_cohort_index
from bench.data.folds import training_studies
from bench.errors import BenchError, DataError
from bench.files.checksums import write_manifest
from bench.imaging.volumes import Volumes
from bench.jobs import fitted
from bench.jobs.context import Emit, JobContext
from bench.jobs.fingerprint import fingerprint
from bench.jobs.folder import RESULT, JobFolder
from bench.jobs.forecast import stored_forecast
from bench.jobs.hardware import choose_precision, compute_deterministically
from bench.jobs.order import Order
from bench.jobs.predictions import checked, write_predictions, write_true_point_predictions
from bench.jobs.result import Failure, JobRecord, Result, StoredForecast
from bench.jobs.score import judge, multiply_adds_per_study, scored_anew
from bench.jobs.stages import past_damage
from bench.jobs.stopping import stop_if_over
from bench.jobs.store import Action, judge_folder


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """The data of one job.

    Attributes:
        train: studies to learn from, with labels and points.
        held_out: studies to grade, without either.
        true_points: the same with points, for the true-point pass alone; None if they have none.
        volumes: the pixels.
        all_studies: those of all folds, without labels and points.
        reader_notes: what the reader noted, of all studies.
    """

    train: Cohort
    held_out: Cohort
    true_points: Cohort | None
    volumes: Volumes
    all_studies: Cohort
    reader_notes: list[tuple[int, str]]


def execute(
    order: Order,
    emit: Emit,
    *,
    renew_log: Callable[[], None] = lambda: None,
    require_lock: Callable[[], None] = lambda: None,
) -> str:
    """Do what is left of a job, whose lock the caller holds.

    Args:
        order: what to do.
        emit: told what happens.
        renew_log: called when the folder was set aside, with the log that is being written.
        require_lock: raises if the caller has lost the lock; called before anything that matters is renamed.

    Raises:
        TimeUp: the order's `stop_at` had come at a checkpoint.

    Returns:
        ``done``, or ``skipped`` if the approach says that it cannot run on these studies.
    """
    order = replace(order, precision=choose_precision(order.precision, order.device))
    if order.deterministic:
        compute_deterministically()
    job, files = order.job, order.files
    plugin = plugins.find("approaches", job.approach, [Path(path) for path in job.plugins])
    approach_class = plugins.load_plugin(plugin)
    config = approach_class.Config.model_validate_json(job.config)
    made_from = fingerprint(job, plugin)
    action = prepare_folder(order, made_from, emit, renew_log)
    if action == "reuse":
        emit("found", score=_result(files).score)
        return "done"
    emit("stage", stage="opening the data")
    opening = open_job_data(order)
    if action == "score":
        require_lock()
        return _score_anew(order, made_from, opening, emit)
    reason = approach_class(config).skip(opening.train.hidden())
    if reason is not None:
        Failure(status="skipped", reason=reason).write(files.failed)
        emit("skipped", reason=reason)
        return "skipped"
    context = _context(order, made_from, opening, emit)
    context.require_lock = require_lock
    fitted.keep_notes(context, files)
    approach = _fit(approach_class, config, opening.train, context, files)
    stop_if_over(order.stop_at)
    _predict(approach, opening.held_out, context, files)
    if approach.uses_points and opening.true_points is not None:
        _predict_at_true_points(approach, opening.true_points, context, files)
    context.write_notes(opening.reader_notes)
    multiply_adds = multiply_adds_per_study(approach, opening.held_out, context)
    result = judge(order, made_from, opening.held_out, multiply_adds)
    result = result.model_copy(update={"forecast": _forecast(approach, made_from, opening, order, context)})
    require_lock()
    result.write(files.result)
    files.failed.unlink(missing_ok=True)
    files.finish()
    shutil.rmtree(files.resume, ignore_errors=True)
    emit("done", score=result.score, seconds=result.seconds)
    return "done"


def prepare_folder(
    order: Order, made_from: Mapping[str, Any], emit: Emit, renew_log: Callable[[], None] = lambda: None
) -> Action:
    """Make the job's folder fit to be worked in: what does not hold any more is set aside as a whole.

    Returns:
        What is left to do: ``start``, ``resume``, ``score``, or ``reuse`` where all is done.
    """
    files = order.files
    if files.is_held_by_older_release():
        raise BenchError(f"a process of an older release works in {files.path}. Wait for its end, then run this again.")
    verdict = judge_folder(files, made_from)
    if verdict.action in ("reuse", "score"):
        return verdict.action
    if verdict.action == "replace":
        files.set_aside()
        emit("stale", reason=verdict.why)
    JobRecord(job=order.job, fingerprint=dict(made_from), threads=order.threads).write(files.job)
    if verdict.action == "replace":
        renew_log()
    files.resume.mkdir(exist_ok=True)
    return "resume" if verdict.action == "resume" else "start"


def open_job_data(order: Order) -> Opening:
    """Training studies with labels and points, held-out ones without, from what planning wrote beside the split."""
    job, split = order.job, order.files.split
    indexed = read_cohort_index(split.cohort_index(job.data, order.cache), job.data_hash)
    ids = [study.study_id for study in indexed.studies]
    whole = Cohort(indexed.studies, split.read_labels(ids), split.read_points())
    fold = split.read_folds()
    if set(fold.index) != set(ids):
        raise DataError(f"{split.folds} is of other studies than the data. Run the same `bench run` again.")
    held_out = whole.without_labels().subset(fold.index[fold == job.fold])
    return Opening(
        train=whole.subset(training_studies(fold, job.fold, job.train_fraction)),
        held_out=held_out.hidden(),
        true_points=None if held_out.points is None or held_out.points.empty else held_out,
        volumes=indexed.volumes,
        all_studies=whole.hidden(),
        reader_notes=[(study.study_id, text) for study in indexed.studies for text in study.notes],
    )


def seed_everything(context: JobContext) -> None:
    """Seed what an author may draw from without a thought, so that a forgotten seed gives the same result twice."""
    seed = context.seed("global")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the legacy generator is the one that is drawn from unseeded)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _context(order: Order, made_from: Mapping[str, Any], opening: Opening, emit: Emit) -> JobContext:
    job, files = order.job, order.files
    sources = {part: value for part, value in made_from.items() if part.startswith("source")}
    identity = {
        "job": f"{job.run_name}/{job.seed_name}/fold{job.fold}",
        "data": job.data_hash,
        "source": sources,
        "seed": job.seed,
        "approach": job.approach,
        "fold": job.fold,
    }
    return JobContext(
        device=order.device,
        precision=order.precision,
        threads=order.threads,
        folder=files.path,
        resume=files.resume,
        volumes=opening.volumes,
        all_studies=opening.all_studies,
        identity=identity,
        stages=files.split.stages,
        shared_work=order.cache / "shared",
        emit=emit,
        by=job.approach,
        force=order.force,
        run_id=order.run_id,
        stop_at=order.stop_at,
    )


def _fit(approach_class: type[Approach], config: Any, train: Cohort, context: JobContext, files: JobFolder) -> Approach:
    """The trained approach: fitted now, or taken up where a kill left it."""
    if fitted.is_fitted(context, files):
        return approach_class.load(files.checkpoint, config)

    def fit() -> Approach:
        approach = approach_class(config)
        seed_everything(context)
        approach.fit(train, context)
        return approach

    with fitted.spending(context, files.fitted):
        approach = past_damage(files.resume, fit, partial(fitted.tell, context), beside=files.path)
        context.require_lock()
        shutil.rmtree(files.checkpoint, ignore_errors=True)
        files.checkpoint.mkdir()
        approach.save(files.checkpoint)
        write_manifest(files.checkpoint)
    return approach


def _predict(approach: Approach, held_out: Cohort, context: JobContext, files: JobFolder) -> None:
    context.emit("stage", stage=f"predicting {len(held_out)} studies")
    with fitted.spending(context, files.predicted):
        predictions = _predictions(approach, held_out, context)
    write_predictions(files, predictions)


def _predict_at_true_points(approach: Approach, with_points: Cohort, context: JobContext, files: JobFolder) -> None:
    """Grade the held-out studies once more, given where the annotators clicked: what localisation costs."""
    context.emit("stage", stage="predicting once more at the annotators' points")
    write_true_point_predictions(files, _predictions(approach, with_points, context.silent()))


def _predictions(approach: Approach, studies: Cohort, context: JobContext) -> Predictions:
    seed_everything(context)
    return checked(approach.predict(studies, context), studies.study_ids)


def _forecast(
    approach: Approach, made_from: Mapping[str, Any], opening: Opening, order: Order, context: JobContext
) -> StoredForecast | None:
    """What the job was forecast to cost, outside the clock; a forecast that fails is told and costs no result."""
    counts = StudyCounts(len(opening.train), len(opening.held_out))
    source = {part: value for part, value in made_from.items() if part.startswith("source")}
    try:
        return stored_forecast(approach, counts, source=source, memory=order.cache / "forecasts")
    except Exception as error:
        context.emit("stage", stage=f"no forecast of costs: {type(error).__name__}: {error}")
        return None


def _score_anew(order: Order, made_from: Mapping[str, Any], opening: Opening, emit: Emit) -> str:
    """Score the stored predictions of a finished job anew. A kill leaves the old result or the new one."""
    files = order.files
    emit("stage", stage="scored anew from stored predictions, because the scoring changed")
    record = JobRecord(job=order.job, fingerprint=dict(made_from), threads=order.threads)
    result = scored_anew(_result(files), files, opening.held_out, made_from)
    files.finish(replacing={files.result: result, files.job: record})
    result.write(files.result)
    record.write(files.job)
    files.finish()
    emit("done", score=result.score, seconds=0.0)
    return "done"


def _result(files: JobFolder) -> Result:
    result = Result.read(files.result)
    if result is None:
        raise DataError(f"{files.path} lost its {RESULT} meanwhile. Run the same command again.")
    return result
