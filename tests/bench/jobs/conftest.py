"""Planning and executing jobs on the toy data set: in this process, or as `bench run` with plug-ins that start more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
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
from bench.jobs.store import stored_jobs


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


PLUGINS = Path(__file__).parents[2] / "plugins"


class MarkedRun:
    """`bench run` of one fold, whose processes all carry a mark in their environment."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.out, self.cache, self.mark = folder / "runs", cache, f"BENCH_TEST_MARK={uuid.uuid4().hex}"

    def start(self, *words: str) -> subprocess.Popen[str]:
        options = ["--plugin", str(PLUGINS / "toy.py"), "--plugin", str(PLUGINS / "starter.py")]
        places = ["--out", str(self.out), "--cache-dir", str(self.cache), "--folds", "2", "--fold", "0"]
        command = ["run", "--approach", "starter", "--dataset", "toy", *options, *places, *words]
        return subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import signal; signal.signal(2, signal.default_int_handler); from bench.cli import main; main()",
                *command,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | dict([self.mark.split("=")]),
        )

    def run(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == code, output
        return output

    def left(self) -> list[str]:
        """The command lines of marked processes."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if self.mark.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


@pytest.fixture
def marked_run(tmp_path: Path, session_cache: Path) -> MarkedRun:
    return MarkedRun(tmp_path, session_cache)


class Suite:
    """`bench run` on the toy data, in a store of its own."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.out, self.cache = folder / "runs", cache

    def arguments(self, *words: str, approach: str = "brightness", plugin: Path | None = None) -> list[str]:
        paths = [PLUGINS / "toy.py", plugin or PLUGINS / "brightness.py"]
        options = [word for path in paths for word in ("--plugin", str(path))]
        places = ["--out", str(self.out), "--cache-dir", str(self.cache), "--folds", "2"]
        return ["run", "--approach", approach, "--dataset", "toy", *options, *places, *words]

    def start(self, *words: str, **options: object) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-c",
            "import signal; signal.signal(2, signal.default_int_handler); from bench.cli import main; main()",
            *self.arguments(*words, **options),
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *words: str, code: int = 0, **options: object) -> str:
        process = self.start(*words, **options)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == code, output
        return output

    def jobs(self) -> list:
        return stored_jobs(self.out)

    def predictions(self) -> dict[str, str]:
        return {
            str(job.folder.relative_to(self.out)): (job.folder / "predictions.csv").read_text() for job in self.jobs()
        }


@pytest.fixture
def suite_at(session_cache: Path) -> Callable[..., Suite]:
    """A suite in a folder; its cache is the session's unless another is named."""
    return lambda folder, cache=session_cache: Suite(folder, cache)


@pytest.fixture
def suite(suite_at: Callable[..., Suite], tmp_path: Path) -> Suite:
    return suite_at(tmp_path)


@pytest.fixture(scope="module")
def finished_suite(session_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A suite whose run is done, not to be changed."""
    suite = Suite(tmp_path_factory.mktemp("finished"), session_cache)
    suite.run()
    return suite


@pytest.fixture
def trained(finished_suite: Suite, suite: Suite) -> Suite:
    """The suite, with a store in which everything is done."""
    shutil.copytree(finished_suite.out, suite.out)
    return suite
