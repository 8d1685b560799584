"""What predicting new studies costs with `mil` in its preset `quick`: the first study, and each further one.

``pytest tests/performance/test_prediction.py --benchmark-enable -s`` prints the figures and holds them to their limits.
The model is trained for it, with one epoch per stage: its size and its work are those of the preset. The clock starts
when the approach is imported, and counts reading the files.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from bench.datasets.phantom import build
from bench.jobs.execute import execute
from bench.jobs.order import Order
from bench.jobs.plan import Request, prepare
from bench.jobs.prediction.member import Member, members_of
from bench.jobs.prediction.order import PredictionOrder
from bench.jobs.prediction.predict import predict
from bench.jobs.prediction.results import SUMMARY, Summary
from bench.jobs.store import stored_jobs

STUDIES, ROUNDS = 11, 3
MOST_FIRST_S, MOST_FURTHER_S = 5.0, 1.0
SHORT = ("location.sagittal", "location.axial", "location.depth", "severity")

pytestmark = pytest.mark.benchmark(group="prediction")


@pytest.fixture(scope="module")
def trained(measured: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Member, Path]:
    """A trained job, and new studies of the default phantom's size."""
    root = tmp_path_factory.mktemp("prediction")
    asked = Request(
        approaches=["mil"],
        dataset="phantom:tiny",
        folds="2",
        only_folds=[0],
        overrides=[f"{part}.schedule.epochs=1" for part in SHORT],
        out=root / "runs",
        cache=root / "cache",
    )
    how = {"device": "cpu", "precision": "auto", "threads": 2, "beside": 1, "command": "bench run"}
    for job in prepare(asked, lambda *_: None).jobs:
        execute(Order(job=job, store=asked.out, cache=asked.cache, **how), lambda *_, **__: None)
    build(root / "new", preset="small", studies=STUDIES, seed=1, jobs=2)
    return members_of(stored_jobs(asked.out))[0], root / "new"


def summary(member: Member, data: Path, work: Path) -> Summary:
    work.mkdir()
    threads = os.cpu_count() or 1
    order = PredictionOrder(members=(member,), data=data, work=work, log=work / "log", threads=threads)
    predict(order, lambda *_, **__: None)
    return Summary.model_validate_json((work / SUMMARY).read_text())


def some(data: Path, count: int, target: Path) -> Path:
    """A folder with the first studies alone."""
    (target / "train_images").mkdir(parents=True)
    for path in sorted((data / "train_images").iterdir())[:count]:
        (target / "train_images" / path.name).symlink_to(path)
    (target / "train_series_descriptions.csv").symlink_to(data / "train_series_descriptions.csv")
    return target


def test_the_first_study_and_each_further_one(trained: tuple[Member, Path], tmp_path: Path, benchmark) -> None:
    member, data = trained
    torch.set_num_threads(os.cpu_count() or 1)
    one, all_ = some(data, 1, tmp_path / "one"), some(data, STUDIES, tmp_path / "all")
    summary(member, one, tmp_path / "warm")
    first, further, cpu = [], [], []
    for number in range(ROUNDS):
        started = time.process_time()
        alone = summary(member, one, tmp_path / f"one-{number}").seconds
        cpu.append(time.process_time() - started)
        whole = summary(member, all_, tmp_path / f"all-{number}").seconds
        first.append(alone)
        further.append((whole - alone) / (STUDIES - 1))
    benchmark.pedantic(lambda: None, rounds=1)
    print(
        f"\nfirst study {min(first):.2f} s ({min(cpu):.2f} s of this process's CPU), each further one "
        f"{min(further):.2f} s (best of {ROUNDS} rounds, {STUDIES} studies)"
    )
    assert min(first) <= MOST_FIRST_S
    assert min(further) <= MOST_FURTHER_S
