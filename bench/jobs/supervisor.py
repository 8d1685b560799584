"""The process between a run and a job: it outlives both, so that nothing which the job started outlives them.

The run holds the other end of the lifeline, a pipe. When that closes, the run has asked the job to end or was killed
itself, and the supervisor kills the job. However the job ends, the supervisor then ends what the job left behind: on
Linux all of it, elsewhere what kept its parent or its process group.

If the supervisor itself is killed, Linux kills the job with it (elsewhere the job notices within a second), and the run
kills the rest of the process group. So a process that the job started can stay only where run and supervisor are both
killed by -9, or where it left the group and the supervisor is killed by -9.

The job is a fork of the supervisor from before anything heavy was imported. It has no lifeline, and no thread that
waits for one: such a thread holds locks, which the children of a fork inherit.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

from bench.files.processes import adopt_orphans, end_started, end_with, reap

# Added to the number of the signal that ended the job, as shells do, so that it is told from the supervisor's own end.
SIGNALLED = 128


def supervise(job: Callable[[], int], lifeline: int) -> int:
    """Run ``job`` in a fork, which returns its exit code. The supervisor returns that code too when all is ended, or
    `SIGNALLED` and the signal's number if a signal ended the job."""
    supervisor = os.getpid()
    adopt_orphans()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored by an ancestor, exit codes would be lost
    child = os.fork()
    if child == 0:
        os.close(lifeline)
        end_with(supervisor)
        return job()
    alarms = _alarms()
    try:
        while True:
            codes, _ = reap()
            if child in codes:
                return codes[child] if codes[child] >= 0 else SIGNALLED - codes[child]
            if _must_end(lifeline, alarms):
                # Not asked: the job's state on disk holds at any moment, and its children's end would fail it.
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return SIGNALLED + signal.SIGKILL
    finally:
        end_started()


def _alarms() -> int:
    """A descriptor that gets the number of every signal that arrives."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reading


def _must_end(lifeline: int, alarms: int) -> bool:
    """Wait until a child ends (False), or the run is gone, asks for the end, or somebody signals it (True)."""
    ready, _, _ = select.select([lifeline, alarms], [], [])
    if lifeline in ready:
        return os.read(lifeline, 4096) == b""
    return bool(set(os.read(alarms, 4096)) - {signal.SIGCHLD})
