"""A small run on the toy data, in this process, that can be copied, damaged and killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bench.jobs import plan
from bench.jobs.execute import execute
from bench.jobs.folder import JobFolder
from bench.jobs.order import Order
from bench.jobs.plan import Request
from bench.jobs.result import Result

PLUGINS = Path(__file__).parents[1] / "plugins"


@dataclass(frozen=True)
class SmallRun:
    """`bench run` of one fold of the toy data with a shared stage and shared work."""

    root: Path

    @property
    def request(self) -> Request:
        return Request(
            approaches=["brightness"],
            overrides=["share_stage=true", "share_work=true"],
            dataset="toy",
            folds="2",
            only_folds=[0],
            plugins=[PLUGINS / "toy.py", PLUGINS / "brightness.py"],
            out=self.root / "runs",
            cache=self.root / "cache",
        )

    def orders(self) -> tuple[list[Order], list[str]]:
        """What is left to do, and what is said of it."""
        prepared = plan.prepare(self.request, lambda *_: None)
        states = plan.survey(self.request, prepared.jobs)
        mended = [f"{fault.path} {fault.what}; {fault.effect}" for fault in prepared.opened.mended]
        said = [*prepared.changed, *mended, *(f"{state.status}: {state.why}" for state in states if state.why)]
        left = plan.to_do(self.request, states)
        how: dict[str, Any] = {"device": "cpu", "precision": "fp32", "threads": 1, "beside": 1, "command": "bench run"}
        return [Order(job, self.request.out, self.request.cache, run_id="one", **how) for job in left], said

    def execute(self, order: Order) -> list[str]:
        """Do the job; what it says of things that do not hold."""
        said: list[str] = []

        def hear(kind: str, **details: Any) -> None:
            if kind == "stale":
                said.append(details["reason"])

        execute(order, hear)
        return said

    def run(self) -> list[str]:
        """The same command; what it says."""
        orders, said = self.orders()
        for order in orders:
            said += self.execute(order)
        return said

    def folder(self) -> JobFolder:
        (job,) = (self.root / "runs").glob("*/*/*/seed0/fold0")
        return JobFolder(job)

    def outcome(self) -> dict[str, bytes | float | None]:
        """What must not depend on what happened on the way."""
        files = self.folder()
        result = Result.read(files.result)
        assert result is not None
        assert files.why_damaged() is None
        texts = {path.name: path.read_bytes() for path in (files.predictions, files.notes) if path.exists()}
        points = files.points.read_bytes() if files.points.exists() else None
        return {**texts, "points": points, "score": result.score}

    def copy(self, root: Path) -> SmallRun:
        """The same run elsewhere."""
        shutil.copytree(self.root, root, symlinks=True)
        return replace(self, root=root)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """The path at which every run is done, made empty: files of a store keep the paths of data and cache."""
    root = tmp_path_factory.mktemp("place") / "x"

    def new() -> Path:
        shutil.rmtree(root, ignore_errors=True)
        return root

    return new


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, place: Callable[[], Path]) -> SmallRun:
    """A copy of a finished run, not to be changed."""
    run = SmallRun(place())
    run.run()
    return run.copy(tmp_path_factory.mktemp("finished") / "x")


@pytest.fixture(scope="session")
def prepared(finished: SmallRun, tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """The data in the cache and nothing else, not to be changed."""
    run = finished.copy(tmp_path_factory.mktemp("prepared") / "x")
    shutil.rmtree(run.root / "runs")
    shutil.rmtree(run.root / "cache" / "shared")
    return run
