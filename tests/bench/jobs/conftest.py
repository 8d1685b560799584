"""Planning and executing jobs in this process, on the toy data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bench.jobs import plan
from bench.jobs.execute import execute
from bench.jobs.folder import JobFolder
from bench.jobs.job import Job
from bench.jobs.order import Order
from bench.jobs.plan import Prepared, Request, State


@dataclass
class Workbench:
    """One store, and what `bench run` does with it, without processes of its own."""

    request: Request
    events: list[dict[str, Any]] = field(default_factory=list)

    def prepare(self) -> Prepared:
        return plan.prepare(self.request, lambda *_: None)

    def survey(self) -> list[State]:
        return plan.survey(self.request, self.prepare().jobs)

    def order(self, job: Job, **options: Any) -> Order:
        places = {"store": self.request.out, "cache": self.request.cache}
        how = {"device": "cpu", "precision": "fp32", "threads": 1, "beside": 1, "command": "bench run"}
        return Order(job=job, **{**places, **how, **options})

    def files(self, job: Job) -> JobFolder:
        return JobFolder(job.folder_in(self.request.out))

    def emit(self, event: str, **details: Any) -> None:
        self.events.append({"event": event, **details})

    def execute(self, job: Job, **options: Any) -> str:
        self.events.clear()
        return execute(self.order(job, **options), self.emit)

    def said(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event]

    def asking(self, **changes: Any) -> Workbench:
        """The same store, asked for something else."""
        return Workbench(replace(self.request, **changes))


@pytest.fixture
def workbench(tmp_path: Path, session_cache: Path, toy_plugin: Path, brightness_plugin: Path) -> Workbench:
    """Asks for the approach `brightness` on the first of two folds of the toy data."""
    return Workbench(
        Request(
            approaches=["brightness"],
            dataset="toy",
            folds="2",
            only_folds=[0],
            plugins=[toy_plugin, brightness_plugin],
            out=tmp_path / "runs",
            cache=session_cache,
        )
    )


@pytest.fixture
def edit_source(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make a part of every fingerprint differ from now on, as an edited source does."""

    def edit(part: str) -> None:
        real = plan.fingerprint

        def edited(*arguments: Any) -> dict[str, Any]:
            return {**real(*arguments), part: "edited"}

        for module in ("plan", "execute"):
            monkeypatch.setattr(f"bench.jobs.{module}.fingerprint", edited)

    return edit
