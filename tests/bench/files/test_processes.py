from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from bench.files import processes
from bench.files.processes import end_after, end_started, end_with, table

linux = pytest.mark.skipif(sys.platform != "linux", reason="a promise that Linux alone can keep")


def in_fork(work: Callable[[], object]) -> int:
    """The exit code of a fork of this process that does some work: 0 where it returned."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def alive(pid: int) -> bool:
    return any(process.pid == pid and not process.is_zombie for process in table())


@pytest.mark.parametrize("of", ["proc", "ps"])
def test_the_table_has_this_process_and_its_children(of: str) -> None:
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as child:
        found = {process.pid: process for process in getattr(processes, f"_table_of_{of}")()}
        assert (found[child.pid].parent, found[child.pid].group) == (os.getpid(), child.pid)
        assert found[os.getpid()].parent == os.getppid()
        child.kill()
        while not {process.pid: process for process in getattr(processes, f"_table_of_{of}")()}[child.pid].is_zombie:
            time.sleep(0.01)


@linux
def test_everything_that_was_started_ends() -> None:
    reading, writing = os.pipe()

    def work() -> None:
        processes.adopt_orphans()
        ignoring = ["sh", "-c", "trap '' TERM; echo ready; sleep 100; sleep 100"]
        stubborn = subprocess.Popen(ignoring, stdout=subprocess.PIPE, start_new_session=True)
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        if os.fork() == 0:
            os.setsid()
            daemon = subprocess.Popen(["sleep", "100"])
            os.write(writing, f"{daemon.pid} {stubborn.pid}".encode())
            os._exit(0)
        pids = os.read(reading, 100)
        os.write(writing, pids)
        end_started(0.3)

    assert in_fork(work) == 0
    for pid in os.read(reading, 100).split():
        assert not alive(int(pid))


def test_a_process_that_started_nothing_loses_no_time() -> None:
    def work() -> None:
        started = time.monotonic()
        end_started(100)
        assert time.monotonic() - started < 5

    assert in_fork(work) == 0


@pytest.mark.parametrize("by_kernel", [True, False])
def test_ends_with_its_parent(by_kernel: bool) -> None:
    reading, writing = os.pipe()

    def work() -> None:
        parent = os.getpid()
        if os.fork() == 0:
            end_with(parent, by_kernel=by_kernel)
            os.write(writing, str(os.getpid()).encode())
            time.sleep(100)
        pid = os.read(reading, 100)
        os.write(writing, pid)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_fork(work) == -signal.SIGKILL
    child = int(os.read(reading, 100))
    end = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < end
        time.sleep(0.05)


@linux
def test_ends_at_once_where_the_parent_is_gone_already() -> None:
    assert in_fork(lambda: end_with(os.getpid())) == 1


def test_ends_after_what_it_waits_for() -> None:
    def work() -> None:
        end_after(lambda: time.sleep(0.1))
        threading.Event().wait(100)

    assert in_fork(work) == 1
