"""CPU seconds and memory of this process and of all that it started: DataLoader workers, joblib, subprocesses.

What a child used is only added to its parent's account when the parent waits for it. So a small thread reads living
descendants from ``/proc`` now and then, and those that end with nobody waiting (orphans) keep their last value.
Without ``/proc`` only children that have ended and were waited for are counted.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY_S = 1.0
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class _Process:
    """One line of ``/proc/PID/stat``.

    Attributes:
        started: ticks since boot; with the pid it names the process for good.
        own: CPU seconds that it used itself.
        waited_for: CPU seconds of its children that it waited for.
        memory: resident bytes.
    """

    started: int
    parent: int
    own: float
    waited_for: float
    memory: int


class ProcessTree:
    """Adds up this process and its descendants. Values never fall."""

    def __init__(self, every: float = SAMPLE_EVERY_S) -> None:
        self._lock = threading.Lock()
        self._living: set[tuple[int, int]] = set()  # descendants at the last look, by pid and start
        self._lost = 0.0  # CPU seconds of those that ended with nobody waiting
        self._cpu = 0.0
        self._memory = 0
        self._every = every
        if _PROC.is_dir():
            threading.Thread(target=self._watch, daemon=True, name="process tree").start()

    def cpu_seconds(self) -> float:
        """CPU seconds of this process and its descendants so far."""
        with self._lock:
            self._sample()
            return self._cpu

    def peak_memory_mb(self) -> float | None:
        """The largest resident memory of the tree at once, in MiB; None where the system does not tell.

        Pages that processes share are counted for each of them, so it is an upper bound where workers are forked.
        """
        own = _own_peak_bytes()
        with self._lock:
            self._sample()
            return None if own is None else max(own, self._memory) / 2**20

    def _watch(self) -> None:
        while True:
            time.sleep(self._every)
            with self._lock:
                self._sample()

    def _sample(self) -> None:
        """Bring the sums up to date.

        The account falls where a descendant ends that nobody waits for: what it used is kept. It also falls for a
        moment where a child is waited for between two readings; so a fall only counts if a second look shows it too.
        """
        account = self._account()
        if account + self._lost < self._cpu:
            account = self._account()
        self._lost += max(0.0, self._cpu - account - self._lost)
        self._cpu = account + self._lost

    def _account(self) -> float:
        """CPU seconds of this process, of all that was waited for, and of all that lives.

        Read from the top down, so that a child that is waited for in between is missed rather than counted twice.
        """
        times = os.times()
        account = time.process_time() + times.children_user + times.children_system
        memory = 0
        living = set()
        for pid, process in self._descendants():
            living.add((pid, process.started))
            account += process.own + process.waited_for
            memory += process.memory
        self._living = living
        if living:
            itself = _read(os.getpid())
            self._memory = max(self._memory, memory + (itself.memory if itself else 0))
        return account

    def _descendants(self) -> Iterator[tuple[int, _Process]]:
        """Parents before children; then those whose parent has ended, as long as they live themselves."""
        if not _PROC.is_dir():
            return
        found = set()
        waiting = list(_children(os.getpid()))
        while waiting:
            pid = waiting.pop(0)
            process = _read(pid)
            if process is not None and pid not in found:
                found.add(pid)
                yield pid, process
                waiting += _children(pid)
        for pid, started in self._living:
            process = _read(pid) if pid not in found else None
            if process is not None and process.started == started:
                yield pid, process


def cpu_seconds() -> float:
    """CPU seconds of this process and its descendants so far."""
    return _tree().cpu_seconds()


def peak_memory_mb() -> float | None:
    """The largest resident memory of this process and its descendants at once, in MiB; see `ProcessTree`."""
    return _tree().peak_memory_mb()


_one: ProcessTree | None = None


def _tree() -> ProcessTree:
    """The process's own; started on first use."""
    global _one
    if _one is None:
        _one = ProcessTree()
    return _one


def _forget() -> None:
    """A forked child has no such thread, and perhaps a lock that nobody will open: it starts its own if it asks."""
    global _one
    _one = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _children(pid: int) -> list[int]:
    """The direct children of a process, of all its threads."""
    children: list[int] = []
    try:
        for thread in (_PROC / str(pid) / "task").iterdir():
            children += map(int, (thread / "children").read_bytes().split())
    except FileNotFoundError:
        return children if _lists_children() else [child for child, parent in _parents().items() if parent == pid]
    except OSError:
        pass
    return children


def _lists_children() -> bool:
    """Whether the kernel lists children (CONFIG_PROC_CHILDREN); else all processes have to be looked at."""
    return (_PROC / "self" / "task" / str(threading.get_native_id()) / "children").exists()


def _parents() -> dict[int, int]:
    pids = [int(path.name) for path in _PROC.iterdir() if path.name.isdigit()]
    return {pid: process.parent for pid in pids if (process := _read(pid)) is not None}


def _read(pid: int) -> _Process | None:
    """What ``/proc`` tells of a process, a zombie's times included; None if it is gone."""
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    tick = os.sysconf("SC_CLK_TCK")
    user, system, children_user, children_system = (int(value) / tick for value in fields[11:15])
    memory = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return _Process(int(fields[19]), int(fields[1]), user + system, children_user + children_system, memory)


def _own_peak_bytes() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 2**10
