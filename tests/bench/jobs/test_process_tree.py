from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from bench.jobs import process_tree
from bench.jobs.process_tree import ProcessTree

BURN = "import time\nwhile time.process_time() < {}: pass\n"
pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")


def burn(seconds: float) -> float:
    while time.process_time() < seconds:
        pass
    return time.process_time()


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_workers_of_a_pool_are_counted_while_they_live_and_after(method: str) -> None:
    tree = ProcessTree(every=0.1)
    before = tree.cpu_seconds()
    with ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
        used = sum(pool.map(burn, [0.3, 0.3]))
        living = tree.cpu_seconds() - before
    assert living >= 0.9 * used
    after = tree.cpu_seconds() - before
    assert living <= after < living + 2  # the ends of the workers, but nothing twice


def test_a_child_that_is_killed_counts_whether_or_not_it_is_waited_for() -> None:
    tree = ProcessTree(every=0.05)
    before = tree.cpu_seconds()
    child = subprocess.Popen([sys.executable, "-c", BURN.format(60)])
    time.sleep(0.6)
    used = process_tree._read(child.pid).own
    child.kill()
    unawaited = tree.cpu_seconds() - before
    child.wait()
    assert used > 0.1
    assert unawaited >= used
    assert tree.cpu_seconds() - before == pytest.approx(unawaited, abs=0.2)


def test_an_orphan_counts_while_it_lives_and_after() -> None:
    tree = ProcessTree(every=0.05)
    before = tree.cpu_seconds()
    script = "import subprocess, sys, time; "
    script += f"p = subprocess.Popen([sys.executable, '-c', {BURN.format(60)!r}], stdout=subprocess.DEVNULL); "
    script += "print(p.pid, flush=True); time.sleep(0.3)"
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    orphan = int(parent.stdout.readline())
    parent.communicate()
    time.sleep(0.5)
    used = process_tree._read(orphan).own
    os.kill(orphan, signal.SIGKILL)
    time.sleep(0.2)
    assert used > 0.2
    after = tree.cpu_seconds()
    assert after - before >= used
    burn(time.process_time() + 0.2)  # and what comes later is not hidden behind it
    assert tree.cpu_seconds() - after >= 0.19


def test_it_never_falls_and_agrees_with_the_process_alone() -> None:
    tree = ProcessTree(every=0.05)
    first, own = tree.cpu_seconds(), time.process_time()
    burn(time.process_time() + 0.2)
    second = tree.cpu_seconds()
    assert second - first == pytest.approx(time.process_time() - own, abs=0.05)
    assert tree.cpu_seconds() >= second


def test_peak_memory_has_the_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "_own_peak_bytes", lambda: 0)  # other tests of this process may have used more
    tree = ProcessTree(every=0.05)
    hold = "import time; x = b'x' * (300 << 20); print(1, flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE)
    child.stdout.readline()
    peak = tree.peak_memory_mb()
    child.kill()
    child.communicate()
    assert peak > 300
    assert tree.peak_memory_mb() >= peak


def test_without_the_kernels_list_of_children_all_processes_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in process_tree._children(os.getpid())
        monkeypatch.setattr(process_tree, "_lists_children", lambda: False)
        monkeypatch.setattr(process_tree.Path, "read_bytes", _without_children)
        assert child.pid in process_tree._children(os.getpid())
    finally:
        child.communicate(b"\n")


def _without_children(path) -> bytes:
    if path.name == "children":
        raise FileNotFoundError
    with open(path, "rb") as stream:
        return stream.read()


def test_a_forked_child_starts_its_own() -> None:
    process_tree.cpu_seconds()
    with process_tree._tree()._lock:  # held by another thread while it forks
        child = os.fork()
        if child == 0:
            os._exit(0 if process_tree.cpu_seconds() >= 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
