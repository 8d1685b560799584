"""A plug-in may start processes, in every usual way; nothing that a job started outlives it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

WAYS = ["loader_fork", "loader_forkserver", "loader_spawn", "pool_fork", "futures_fork", "joblib_loky", "sub"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc")


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@linux
@pytest.mark.parametrize(
    "ways", [pytest.param(WAYS, marks=pytest.mark.slow), ["loader_fork", "pool_fork", "sub"]], ids=["all", "some"]
)
def test_every_way_to_start_processes_works(marked_run: Any, ways: list[str]) -> None:
    marked_run.run("--set", f"start={'+'.join(ways)}")
    found = json.loads(next(marked_run.out.rglob("found.json")).read_text())
    assert found == dict.fromkeys(ways, 14.0)
    assert marked_run.left() == []


@linux
@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("", 0, "done in"),
        pytest.param("raise", 1, "RuntimeError: as told", marks=pytest.mark.slow),
        ("kill", 1, "its process was killed (SIGKILL), most often because memory ran out"),
        pytest.param("timeout", 1, "ran longer than --job-timeout", marks=pytest.mark.slow),
    ],
)
def test_nothing_outlives_a_job(marked_run: Any, end: str, code: int, said: str) -> None:
    how = ["--job-timeout", "6", "--set", "end=wait"] if end == "timeout" else ["--set", f"end={end}"]
    output = marked_run.run("--set", "leave=true", *how, code=code)
    assert marked_run.left() == []
    assert said in output
    assert list(marked_run.out.rglob("left.json"))


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_a_run(marked_run: Any, number: int) -> None:
    process = marked_run.start("--set", "leave=true", "--set", "end=wait")
    until(lambda: list(marked_run.out.rglob("left.json")))
    assert len(marked_run.left()) > 8  # the run, supervisor, job, what it left
    process.send_signal(number)
    process.wait(60)
    until(lambda: not marked_run.left())


@linux
def test_supervisor_is_killed(marked_run: Any) -> None:
    process = marked_run.start("--set", "end=wait", "--set", "start=sub")
    until(lambda: list(marked_run.out.rglob("left.json")))
    job = json.loads(next(marked_run.out.rglob("left.json")).read_text())
    with open(f"/proc/{job}/stat") as file:
        os.kill(int(file.read().rpartition(")")[2].split()[1]), signal.SIGKILL)
    assert "its process was killed (SIGKILL)" in process.communicate(timeout=60)[0]
    assert marked_run.left() == []


def test_native_crash_says_where(marked_run: Any) -> None:
    output = marked_run.run("--set", "end=crash", code=1)
    assert "crashed in native code (SIGSEGV), called from" in output
    assert "log.txt" in output


def test_asking_for_input_fails_with_the_cure(marked_run: Any) -> None:
    output = marked_run.run("--set", "end=ask", code=1)
    assert "EOFError: it asks for input at a terminal; jobs have none." in output


@pytest.mark.parametrize("end", ["tell", "fork"])
def test_a_fork_of_the_job_spoils_nothing(marked_run: Any, end: str) -> None:
    output = marked_run.run("--set", f"end={end}")
    assert "done in" in output
    assert "failed" not in output
