"""Scoring a job once its predictions are on disk: only here are held-out labels read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.approach import Approach
from bench.data.cohort import Cohort, grades_of
from bench.files.atomic import read_json
from bench.jobs import hardware, store
from bench.jobs.predictions import read_predictions
from bench.metric import PARTS, StudyTerms, reduce, reduce_parts, study_terms
from bench.metric.localisation import document, judge_points

if TYPE_CHECKING:
    from bench.jobs.context import JobContext
    from bench.jobs.order import Order


def judge(order: Order, made_from: Mapping[str, Any], held_out: Cohort, multiply_adds: int | None) -> dict[str, Any]:
    """The content of ``result.json``: scores of the stored predictions, what they cost, what made them."""
    job, folder = order.job, order.folder
    labels = read_labels(folder.parents[2] / "labels.csv").loc[held_out.study_ids]
    terms = study_terms(grades_of(labels), read_predictions(folder / store.PREDICTIONS, held_out.study_ids))
    true_points = folder / "predictions_true_points.csv"
    at_true_points = None
    if true_points.exists():
        at_true_points = _score(study_terms(grades_of(labels), read_predictions(true_points, held_out.study_ids)))
    located = folder / "label_coordinates.csv"
    localisation = None
    true = folder.parents[2] / "points.csv"
    if located.exists() and true.exists():
        localisation = document(judge_points(pd.read_csv(located), pd.read_csv(true), held_out.studies))
    fit, predict = read_json(folder / "fitted.json"), read_json(folder / "predicted.json")
    return {
        "schema_version": store.SCHEMA_VERSION,
        "status": "done",
        **_score(terms),
        "true_points": at_true_points,
        "localisation": localisation,
        "studies": len(held_out),
        "config": json.loads(job.config),
        "fingerprint": dict(made_from),
        "fit_seconds": fit["wall"],
        "fit_cpu_seconds": fit["cpu"],
        "predict_seconds": predict["wall"],
        "predict_cpu_seconds": predict["cpu"],
        "peak_memory_mb": hardware.peak_memory_mb(),
        "parameters": saved_parameters(folder / "checkpoint"),
        "multiply_adds_per_study": multiply_adds,
        "threads": order.threads,
        "jobs_beside": order.beside,
        "precision": order.precision,
        "versions": hardware.versions(),
        "hardware": hardware.hardware(order.device),
        "command": order.command,
    }


def read_labels(path: Path) -> pd.DataFrame:
    """The labels of a split's cohort, indexed by study id."""
    return pd.read_csv(path).set_index("study_id")


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
    import sys

    if "torch" not in sys.modules:
        return None
    from torch.utils.flop_counter import FlopCounterMode

    one = held_out.subset(held_out.study_ids[:1])
    with FlopCounterMode(display=False) as counter:
        approach.predict(one, context.silent())
    return counter.get_total_flops() // 2


def _score(terms: StudyTerms) -> dict[str, Any]:
    parts = reduce_parts(terms)
    return {
        "score": _number(float(reduce(terms))),
        "parts": {name: _number(value) for name, value in zip(PARTS, parts, strict=True)},
    }


def _number(value: float) -> float | None:
    return float(value) if value == value else None
