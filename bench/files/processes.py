"""Processes and how they end: the table of processes, ending all that one started, ending together with a parent.

Linux keeps every promise made here. Elsewhere there is no "subreaper": a process that leaves both its parent and its
process group (a daemon) cannot be found any more, and a parent's end is noticed within a second instead of at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# How long a process may take to end when asked (SIGTERM) before it is killed, and then to be gone.
GRACE_S = 2.0
_GONE_S = 5.0
_POLL_S = 0.01
_PARENT_POLL_S = 1.0
# Options of prctl (linux/prctl.h).
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True, slots=True)
class Process:
    """One row of the system's table of processes."""

    pid: int
    parent: int
    group: int
    is_zombie: bool


def adopt_orphans() -> None:
    """Become the parent of whatever descendant loses its own (Linux), so that `end_started` still finds it."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_with(parent: int, *, by_kernel: bool = True) -> None:
    """End this process when ``parent``, which must be its parent, ends; work in progress is dropped.

    Args:
        parent: its process id, as the parent knows it.
        by_kernel: let Linux do it, which also ends a process that hangs in native code. Wrong where the parent started
            this process from a thread that may end before it: the kernel means that thread.
    """
    if by_kernel and _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        if os.getppid() != parent:  # it ended before the kernel was told
            os._exit(1)
        return
    end_after(lambda: _await_other_parent(parent))


def end_after(wait: Callable[[], object]) -> None:
    """End this process as soon as ``wait``, called in a thread of its own, returns."""

    def watch() -> None:
        wait()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="watch on the parent").start()


def end_started(grace_s: float = GRACE_S) -> None:
    """End whatever this process started and what that started in turn: asked first, killed after ``grace_s``.

    A process that even the system cannot end (it waits for a dead disk) is given up after some more seconds.
    """
    started, asked = time.monotonic(), set[int]()
    while (seconds := time.monotonic() - started) < grace_s + _GONE_S:
        _, others = reap()
        left = _started_by(os.getpid()) if others or not _adopts_orphans() else []
        if not left:
            return
        for pid in left:
            if seconds >= grace_s:
                _send(pid, signal.SIGKILL)
            elif pid not in asked:
                _send(pid, signal.SIGTERM)
                asked.add(pid)
        time.sleep(_POLL_S)


def end_group(group: int) -> None:
    """Kill what is left of a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def reap() -> tuple[dict[int, int], bool]:
    """Collect ended children, adopted ones too.

    Returns:
        Their exit codes by process id (negative: the signal that ended it), and whether other children are left.
    """
    codes: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return codes, False
        if pid == 0:
            return codes, True
        codes[pid] = os.waitstatus_to_exitcode(status)


def table() -> list[Process]:
    """All processes that this one may see: from /proc, or from ``ps`` where there is none."""
    return _table_of_proc() if Path("/proc/self/stat").exists() else _table_of_ps()


def _started_by(root: int) -> list[int]:
    """Descendants of a process and the other members of a group that it leads; zombies left out."""
    processes = table()
    children: dict[int, list[int]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process.pid)
    found, waiting = set[int](), [root]
    while waiting:
        more = [pid for pid in children.get(waiting.pop(), []) if pid not in found]
        found.update(more)
        waiting += more
    return [
        process.pid
        for process in processes
        if process.pid != root and not process.is_zombie and (process.pid in found or process.group == root)
    ]


def _table_of_proc() -> list[Process]:
    processes = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                line = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
                state, parent, group = line.rpartition(")")[2].split()[:3]  # a name may hold blanks and brackets
                processes.append(Process(int(entry.name), int(parent), int(group), state in "ZX"))
    return processes


def _table_of_ps() -> list[Process]:
    with subprocess.Popen(["ps", "-axo", "pid=,ppid=,pgid=,stat="], stdout=subprocess.PIPE, text=True) as ps:
        rows = [line.split() for line in ps.communicate()[0].splitlines()]
    return [
        Process(int(pid), int(parent), int(group), state.startswith("Z"))
        for pid, parent, group, state in rows
        if int(pid) != ps.pid
    ]


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _adopts_orphans() -> bool:
    return sys.platform == "linux"


def _prctl(option: int, value: int) -> bool:
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)


def _await_other_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_S)
