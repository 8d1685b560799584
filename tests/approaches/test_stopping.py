"""Training stages of the included approaches, stopped at each checkpoint in turn, end with the same bytes."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.jobs import stopping
from bench.jobs.execute import execute
from bench.jobs.folder import JobFolder
from bench.jobs.job import Job
from bench.jobs.order import Order
from bench.jobs.plan import Request, prepare
from bench.jobs.stopping import TimeUp

TABLES = ("predictions.csv", "predictions_true_points.csv", "label_coordinates.csv", "evidence.csv")


@pytest.mark.slow
@pytest.mark.parametrize("approach", ["mil", "multitask", "sequence"])
def test_a_job_that_is_stopped_everywhere_ends_with_the_same_bytes(
    approach: str, tmp_path: Path, session_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempt n ends at its n-th checkpoint, until none is left."""
    asked = Request(
        approaches=[approach],
        dataset="phantom:tiny",
        preset="smoke",
        folds="2",
        only_folds=[0],
        out=tmp_path / "stopped",
        cache=session_cache,
    )
    whole = replace(asked, out=tmp_path / "whole")
    (job,) = prepare(asked, lambda *_: None).jobs
    prepare(whole, lambda *_: None)
    execute(_order(job, whole), lambda *_, **__: None)
    stops, files = 0, JobFolder(job.folder_in(asked.out))
    for attempt in itertools.count(1):
        checks = itertools.count(1)
        monkeypatch.setattr(stopping, "time", SimpleNamespace(time=lambda checks=checks: float(next(checks))))
        with suppress(TimeUp):
            execute(replace(_order(job, asked), stop_at=float(attempt)), lambda *_, **__: None)
            break
        stops += 1
    assert stops >= 1
    expected = JobFolder(job.folder_in(whole.out))
    assert files.path != expected.path
    for path in (
        "predictions.csv",
        "predictions_true_points.csv",
        "label_coordinates.csv",
        "evidence.csv",
        "notes.csv",
    ):
        assert (files.path / path).exists() == (expected.path / path).exists()
        if (expected.path / path).exists():
            assert (files.path / path).read_bytes() == (expected.path / path).read_bytes(), path


def _order(job: Job, request: Request) -> Order:
    return Order(job, request.out, request.cache, "cpu", "fp32", threads=1, beside=1, command="bench run")
