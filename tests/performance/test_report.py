"""The page: three approaches on 100 phantoms with images, and ten approaches on as many studies as the competition."""

import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.approach import Predictions
from bench.comparison import compare_each
from bench.comparison.images import open_images
from bench.jobs.folder import JobFolder
from bench.jobs.job import Job
from bench.jobs.predictions import read_predictions, write_predictions
from bench.jobs.result import JobRecord, Result
from bench.jobs.store import StoredJob, stored_jobs
from bench.report import Output
from bench.reports.comparison.report import ComparisonReport
from bench.targets import TARGETS, row_id

pytestmark = [pytest.mark.benchmark(group="report"), pytest.mark.usefixtures("measured")]


def test_ten_approaches_on_1975_studies(benchmark, fill_store: Callable[..., None], tmp_path: Path) -> None:
    """At most 60 s and 4 GB."""
    names = {f"approach{number}": 1.5 + 0.1 * number for number in range(10)}
    fill_store(tmp_path / "runs", names, studies=1975, folds=5)
    benchmark.pedantic(lambda: written(tmp_path / "runs", tmp_path / "page.html"), rounds=1)
    report(tmp_path / "page.html")


def test_three_approaches_on_100_phantoms_with_images(benchmark, session_cache: Path, tmp_path: Path) -> None:
    """At most 20 s and 8 MB. The first approach is `prior`; the others are made of it, with points and attention."""
    from bench.cli import main

    words = ["--dataset", "phantom:small:0", "--folds", "5", "--cache-dir", str(session_cache)]
    with pytest.raises(SystemExit):
        main(["run", "--approach", "prior", *words, "--out", str(tmp_path / "runs")])
    for job in stored_jobs(tmp_path / "runs"):
        for number in range(1, 4):
            add_twin(job, tmp_path / "runs", number)
    benchmark.pedantic(lambda: written(tmp_path / "runs", tmp_path / "page.html"), rounds=1)
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("data:image/webp") > 200
    report(tmp_path / "page.html")


def written(store: Path, page: Path) -> None:
    started = time.process_time()
    ComparisonReport().write(compare_each(stored_jobs(store)), [Output(page, "html")])
    print(f"\n{time.process_time() - started:.1f} CPU seconds")


def report(page: Path) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\n{page.stat().st_size / 1e6:.2f} MB; peak memory of this process so far {memory:.2f} GB")


def add_twin(prior: StoredJob, store: Path, number: int) -> None:
    """A job like that of the prior, with noise in its predictions, and points and attention as a real one has."""
    plain = Job(**{name: getattr(prior, name) for name in Job.__dataclass_fields__})
    job = replace(plain, approach=f"twin{number}", preset="quick")
    files = JobFolder(job.folder_in(store))
    folds, points = files.split.read_folds(), files.split.read_points()
    ids = folds.index[folds == prior.fold].to_numpy()
    said = read_predictions(prior.files.predictions, ids)
    random = np.random.default_rng([number, prior.fold])
    said = said * np.exp(0.3 * random.standard_normal(said.shape))
    JobRecord(job=job, fingerprint={}, threads=1).write(files.job)
    own = points[points["study_id"].isin(ids)]
    moved = own.assign(x=own["x"] + random.normal(0, 4, len(own)), y=own["y"] + random.normal(0, 4, len(own)))
    (comparison,) = compare_each([prior], resamples=1)
    evidence = [
        (row_id(study.study_id, target), series.series_id, int(instance), 0.2)
        for study in open_images(comparison).studies
        if study.study_id in set(ids.tolist())
        for series in study.series[:1]
        for target in TARGETS
        for instance in series.instance_numbers[:5]
    ]
    table = pd.DataFrame(evidence, columns=["row_id", "series_id", "instance_number", "weight"])
    write_predictions(files, Predictions(ids, said / said.sum(-1, keepdims=True), moved, table))
    Result(fit_seconds=60.0 * number, predict_seconds=2.0).write(files.result)
    files.finish()
