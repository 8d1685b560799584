"""The process of a job, as the run that starts it sees it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.files.processes import GRACE_S, end_group
from bench.jobs.events import Event, read_event
from bench.jobs.supervisor import SIGNALLED
from bench.jobs.worker import THREAD_VARIABLES

# Longer than its supervisor takes to end all that the job started.
END_S = GRACE_S + 8.0
_AGAIN = "Run it again: it goes on where it was."
_NATIVE = {"SIGSEGV", "SIGABRT", "SIGILL", "SIGFPE"}
_FRAME = re.compile(
    r'Fatal Python error:.*?most recent call first\):\n  File "([^"]+)", line (\d+) in (\S+)', re.DOTALL
)


class JobProcess:
    """A worker process that has its order. Its input stays open, since its end tells the job that we are gone.

    Args:
        order: what to do, as one line of JSON.
        threads: how many threads its libraries may use.
        environment: put over this process's own.
        module: what it runs, built on `bench.jobs.worker.serve`.
    """

    def __init__(
        self, order: str, threads: int, environment: Mapping[str, str], *, module: str = "bench.jobs.worker"
    ) -> None:
        self._words: deque[str] = deque(maxlen=5)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # what is printed before the log is there
            text=True,
            encoding="utf-8",
            errors="replace",
            env=dict(os.environ) | {variable: str(threads) for variable in THREAD_VARIABLES} | dict(environment),
            start_new_session=True,  # an interrupt at the terminal is ours to pass on
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died already: `wait` tells
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()

    def events(self) -> Iterator[Event]:
        """What the job tells, until it has ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = read_event(line)
            if event is not None:
                yield event
            else:
                self._words.append(line.strip())

    def ask_to_end(self) -> None:
        """Have the job and all that it started ended, without waiting for it."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end of the job and of all that it started. Returns the exit code."""
        code = self._process.wait(timeout_s)
        if code < 0 and os.name == "posix":  # its supervisor was killed and could not tidy up
            end_group(self._process.pid)
        return code

    def end(self) -> None:
        """End the job and all that it started."""
        self.ask_to_end()
        try:
            self.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.wait()

    def death(self, log: Path) -> str:
        """Why a job that told no end has ended, in words with the cure. ``log`` is its log file."""
        return why_it_died(self.wait(), " ".join(self._words), log)


def why_it_died(code: int, said: str, log: Path) -> str:
    """What an exit code means, in words with the cure.

    Args:
        code: the worker's exit code; negative or above `SIGNALLED` for a signal.
        said: what it printed before it had a log.
        log: its log file, which tells where native code crashed.
    """
    name = _signal_name(-code if code < 0 else code - SIGNALLED)
    if name == "SIGKILL":
        return "its process was killed (SIGKILL), most often because memory ran out. Run it again with fewer --jobs."
    if name == "SIGBUS":
        return (
            "its process crashed (SIGBUS), most often because shared memory (/dev/shm) is full. Use fewer DataLoader "
            "workers, or start the container with more: --shm-size."
        )
    if name in _NATIVE:
        return f"its process crashed in native code ({name}){_place(log)}. The traceback is in {log}."
    if name is not None:
        return f"its process was ended from outside ({name}), as a batch system does at its time limit. {_AGAIN}"
    return f"its process ended (exit code {code}){': ' + said if said else ''}. {_AGAIN}"


def _signal_name(number: int) -> str | None:
    try:
        return signal.Signals(number).name
    except ValueError:
        return None


def _place(log: Path) -> str:
    """The innermost Python line of the last crash in a log, such as `` called from mine.py line 12, in fit``."""
    try:
        found = _FRAME.findall(log.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    if not found:
        return ""
    path, line, function = found[-1]
    return f", called from {Path(path).name} line {line}, in {function}"
