"""Scoring a job once its predictions are on disk: only here are held-out labels judged."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.approach import Approach
from bench.data.cohort import Cohort, grades_of
from bench.jobs import hardware, process_tree
from bench.jobs.fitted import read_spent
from bench.jobs.folder import JobFolder
from bench.jobs.predictions import read_predictions
from bench.jobs.result import Result, Score
from bench.metric import PARTS, StudyTerms, reduce, reduce_parts, study_terms
from bench.metric.localisation import document, judge_points

if TYPE_CHECKING:
    from bench.jobs.context import JobContext
    from bench.jobs.order import Order


def judge(order: Order, made_from: Mapping[str, Any], held_out: Cohort, multiply_adds: int | None) -> Result:
    """The result of a job: scores of the stored predictions, what they cost, what made them."""
    files = order.files
    fit, predict = read_spent(files.fitted), read_spent(files.predicted)
    return Result(
        **_scores(files, held_out),
        studies=len(held_out),
        config=json.loads(order.job.config),
        fingerprint=dict(made_from),
        fit_seconds=fit.wall,
        fit_cpu_seconds=fit.cpu,
        predict_seconds=predict.wall,
        predict_cpu_seconds=predict.cpu,
        shared_seconds=fit.shared_wall + predict.shared_wall,
        shared_cpu_seconds=fit.shared_cpu + predict.shared_cpu,
        peak_memory_mb=process_tree.peak_memory_mb(),
        peak_gpu_memory_mb=hardware.peak_gpu_memory_mb(order.device),
        parameters=saved_parameters(files.checkpoint),
        multiply_adds_per_study=multiply_adds,
        threads=order.threads,
        jobs_beside=order.beside,
        precision=order.precision,
        versions=hardware.versions(),
        hardware=hardware.hardware(order.device),
        command=order.command,
        in_process=order.in_process,
    )


def scored_anew(result: Result, files: JobFolder, held_out: Cohort, made_from: Mapping[str, Any]) -> Result:
    """A finished job's result with new scores of its stored predictions; what they cost and what made them stays."""
    return result.model_copy(update={**_scores(files, held_out), "fingerprint": dict(made_from)})


def saved_parameters(folder: Path) -> int:
    """How many floating-point values the safetensors files of a saved approach hold, over all its networks."""
    from safetensors import safe_open

    count = 0
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a dict)
                view = tensors.get_slice(name)
                if view.get_dtype().startswith(("F", "BF")):
                    size = 1
                    for length in view.get_shape():
                        size *= length
                    count += size
    return count


def multiply_adds_per_study(approach: Approach, held_out: Cohort, context: JobContext) -> int | None:
    """Multiply-adds of the convolutions and matrix products in grading one study; None if torch is not used.

    Counted by `torch.utils.flop_counter` in one more prediction, outside the clock; a fused LSTM on the CPU escapes it.
    """
    if "torch" not in sys.modules:
        return None
    from torch.utils.flop_counter import FlopCounterMode

    one = held_out.subset(held_out.study_ids[:1])
    with FlopCounterMode(display=False) as counter:
        approach.predict(one, context.silent())
    return counter.get_total_flops() // 2


def _scores(files: JobFolder, held_out: Cohort) -> dict[str, Any]:
    """Fields of a result: how the stored predictions score, and how well the stored points locate."""
    grades = grades_of(files.split.read_labels(held_out.study_ids.tolist()))
    own = score_of(study_terms(grades, read_predictions(files.predictions, held_out.study_ids)))
    at_true_points = None
    if files.true_point_predictions.exists():
        at_true_points = score_of(
            study_terms(grades, read_predictions(files.true_point_predictions, held_out.study_ids))
        )
    localisation, true = None, files.split.read_points()
    if files.points.exists() and true is not None:
        localisation = document(judge_points(pd.read_csv(files.points), true, held_out.studies))
    return {
        "score": own.score,
        "parts": own.parts,
        "true_points": at_true_points,
        "localisation": localisation,
    }


def score_of(terms: StudyTerms) -> Score:
    """The score of some studies and its parts, as a result keeps them."""
    parts = dict(zip(PARTS, map(_number, reduce_parts(terms)), strict=True))
    return Score(score=_number(float(reduce(terms))), parts=parts)


def _number(value: float) -> float | None:
    return float(value) if value == value else None
