"""A trained run of the approach `brightness` on the toy data, and predictions with it in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.jobs.execute import execute
from bench.jobs.order import Order
from bench.jobs.plan import Request, prepare
from bench.jobs.prediction.member import Member, members_of
from bench.jobs.prediction.order import PredictionOrder
from bench.jobs.prediction.predict import predict
from bench.jobs.prediction.results import SUMMARY, Summary, published
from bench.jobs.store import StoredJob, stored_jobs


@dataclass
class Trained:
    """A store with both folds of `brightness`, the toy studies, and a place for predictions."""

    store: Path
    data: Path
    plugins: tuple[str, ...]
    place: Path

    @property
    def jobs(self) -> list[StoredJob]:
        return stored_jobs(self.store)

    @property
    def members(self) -> tuple[Member, ...]:
        return members_of(self.jobs)

    def order(self, name: str = "work", **changes: Any) -> PredictionOrder:
        work = self.place / name
        work.mkdir(parents=True)
        what = {"members": self.members, "data": self.data, "plugins": self.plugins}
        return PredictionOrder(**{**what, "work": work, "log": work / "log", **changes})

    def predict(self, name: str = "work", **changes: Any) -> tuple[Summary, dict[str, pd.DataFrame]]:
        order = self.order(name, **changes)
        predict(order, lambda *_, **__: None)
        tables = {table: pd.read_csv(path) for table, (path, _) in published(order.work, Path("s.csv")).items()}
        return Summary.model_validate_json((order.work / SUMMARY).read_text()), tables


@pytest.fixture(scope="session")
def trained_store(
    tmp_path_factory: pytest.TempPathFactory, session_cache: Path, toy_plugin: Path, brightness_plugin: Path
):
    request = Request(
        approaches=["brightness"],
        dataset="toy",
        folds="2",
        plugins=[toy_plugin, brightness_plugin],
        out=tmp_path_factory.mktemp("trained") / "runs",
        cache=session_cache,
    )
    for job in prepare(request, lambda *_: None).jobs:
        how = {"device": "cpu", "precision": "fp32", "threads": 1, "beside": 1, "command": "bench run"}
        execute(Order(job=job, store=request.out, cache=request.cache, **how), lambda *_, **__: None)
    return request


@pytest.fixture
def trained(trained_store: Request, tmp_path: Path) -> Trained:
    """A store of its own, so that a test may damage it."""
    shutil.copytree(trained_store.out, tmp_path / "runs")
    data = trained_store.cache / "toy-12"
    plugins = tuple(str(Path(path).resolve()) for path in trained_store.plugins)
    return Trained(tmp_path / "runs", data, plugins, tmp_path / "place")


@pytest.fixture
def without(trained: Trained, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the toy studies that lacks series of one kind, or a study's pixels."""

    def copy(*, kind: str = "", unreadable: int = 0) -> Path:
        folder = tmp_path / "copied"
        shutil.copytree(trained.data / "train_images", folder / "test_images")
        table = pd.read_csv(trained.data / "train_series_descriptions.csv")
        table[table["series_description"] != kind].to_csv(folder / "test_series_descriptions.csv", index=False)
        for path in (folder / "test_images" / str(unreadable)).rglob("*.dcm"):
            path.write_bytes(b"nothing of use")
        return folder

    return copy
