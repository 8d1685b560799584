"""Workers that crash, hang or raise take nothing else down."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bench.errors import DataError
from bench.imaging.workers import Failure, memory_per_worker, run_isolated


def work(what: str, folder: str) -> str:
    """Runs in a worker: what it is told to."""
    with (Path(folder) / f"{what}.log").open("a") as file:
        file.write("x")
    if what == "crash" or (what == "crash once" and (Path(folder) / f"{what}.log").stat().st_size == 1):
        os.abort()
    if what == "hang":
        (Path(folder) / "pid").write_text(str(os.getpid()))
        time.sleep(60)
    if what == "hold":
        (Path(folder) / "pid").write_text(str(os.getpid()))
        ctypes.PyDLL(None).sleep(60)  # in native code, with the interpreter's lock
    if what == "raise":
        raise RuntimeError("no such luck")
    if what == "known":
        raise DataError("told by name")
    if what == "memory":
        return str(len(bytearray(64 << 30)))
    return what.upper()


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_task_comes_back_and_failures_are_tried_twice(tmp_path, jobs):
    names = ["a", "crash", "b", "raise", "crash once", "c", "known", "memory"]
    tasks = [(name, str(tmp_path)) for name in names]
    found = dict(run_isolated(work, tasks, jobs=jobs, limit_s=lambda _: 30))
    assert sorted(found) == list(range(len(names)))
    assert [found[i] for i in (0, 2, 4, 5)] == ["A", "B", "CRASH ONCE", "C"]
    assert found[1] == Failure("its process was killed (SIGABRT)")
    assert found[3] == Failure("RuntimeError: no such luck")
    assert isinstance(found[6], DataError)
    assert found[7].what.startswith("needs more memory than a worker may use (")
    assert (tmp_path / "crash.log").stat().st_size == 2
    assert (tmp_path / "a.log").stat().st_size == 1


@pytest.mark.parametrize(
    ("machine_gb", "jobs", "limit_gb"), [(64, 2, 8), (16, 4, 3), (16, 1, 8), (4, 8, 1), (None, 4, 8)]
)
def test_workers_share_the_memory_of_the_machine(monkeypatch, machine_gb, jobs, limit_gb):
    machine = None if machine_gb is None else machine_gb << 30
    monkeypatch.setattr("bench.imaging.workers.memory_bytes", lambda: machine)
    assert memory_per_worker(jobs) == limit_gb << 30


def test_hung_task_ends_at_its_limit(tmp_path):
    started = time.monotonic()
    tasks = [("hang", str(tmp_path)), ("a", str(tmp_path))]
    found = dict(run_isolated(work, tasks, jobs=1, limit_s=lambda index: 1.0 if index == 0 else 30.0))
    assert found == {0: Failure("took longer than 1 s"), 1: "A"}
    assert time.monotonic() - started < 30


def test_abandoned_work_leaves_no_process(tmp_path):
    import psutil

    before = set(psutil.Process().children(recursive=True))
    running = run_isolated(work, [("a", str(tmp_path)), ("hang", str(tmp_path))], jobs=2, limit_s=lambda _: 60)
    assert next(running) == (0, "A")
    running.close()
    time.sleep(0.2)
    left = [
        child
        for child in set(psutil.Process().children(recursive=True)) - before
        if "resource" not in str(child.cmdline())
    ]
    assert left == []


def run_in_thread(what: str, folder: str) -> None:
    thread = threading.Thread(target=lambda: list(run_isolated(work, [(what, folder)], jobs=1, limit_s=lambda _: 60)))
    thread.start()
    thread.join()


def run(what: str, folder: str) -> None:
    list(run_isolated(work, [(what, folder)], jobs=1, limit_s=lambda _: 60))


@pytest.mark.parametrize(("what", "start"), [("hang", run), ("hang", run_in_thread), ("hold", run)])
def test_a_worker_ends_when_its_parent_is_killed(tmp_path, what, start):
    import psutil

    parent = multiprocessing.get_context("spawn").Process(target=start, args=(what, str(tmp_path)))
    parent.start()
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    worker = psutil.Process(int((tmp_path / "pid").read_text()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 5)


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_script_without_a_main_guard_is_not_run_again_by_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from bench.files.places import require_folder\n"
        "from pathlib import Path\n"
        "from bench.imaging.workers import run_isolated\n"
        "print('started')\n"
        "tasks = [(Path('.'), '--x', ''), (Path('/'), '--x', '')]\n"
        "print(sorted(str(found) for _, found in run_isolated(require_folder, tasks, jobs=2, limit_s=lambda _: 60)))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split("\n") == ["started", "['.', '/']", ""]
