"""Work in processes of its own, with a time limit: a decoder that crashes or hangs takes nothing else down."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from bench.errors import BenchError
from bench.files.memory import address_space_limit, limit_address_space, memory_bytes
from bench.files.processes import end_after, end_with

_START_LIMIT_S = 120.0
# Options of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# A decoder that asks for more is led astray by damage; a series of 200 slices of 1024 x 1024 takes a tenth of it.
_MOST_MEMORY_BYTES = 8 << 30
# Below this even sound series may not fit; then workers together may ask for more than the machine has.
_LEAST_MEMORY_BYTES = 1 << 30
# What the workers leave to everything else.
_SHARE_OF_MACHINE = 0.75


@dataclass(frozen=True, slots=True)
class Failure:
    """A task whose worker crashed, hung or raised, twice."""

    what: str


def run_isolated(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], *, jobs: int, limit_s: Callable[[int], float]
) -> Iterator[tuple[int, Any]]:
    """Call ``function(*task)`` for every task in spawned workers, at most ``jobs`` at once.

    Args:
        function: importable by name; its arguments and result must be picklable.
        tasks: the arguments of each call.
        jobs: how many workers.
        limit_s: seconds that the task of this index may take.

    Yields:
        The index of a task with its result, or a `Failure`, as they come. A task that fails is tried once more, when no
        other is running.
    """
    failed: list[int] = []
    for index, outcome in _run(function, tasks, range(len(tasks)), jobs, limit_s):
        if isinstance(outcome, Failure):
            failed.append(index)
        else:
            yield index, outcome
    for index in failed:
        yield from _run(function, tasks, [index], 1, limit_s)


def _run(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    indices: Sequence[int],
    jobs: int,
    limit_s: Callable[[int], float],
) -> Iterator[tuple[int, Any]]:
    waiting = deque(indices)
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.index is not None for worker in workers):
            while waiting and len(workers) < min(max(jobs, 1), len(indices)):
                workers.append(_Worker(function, memory_per_worker(jobs)))
            for worker in workers:
                if waiting and worker.ready and worker.index is None:
                    index = waiting.popleft()
                    worker.give(index, tasks[index], limit_s(index))
            yield from _collect(workers)
    finally:
        for worker in workers:
            worker.end()


def _collect(workers: list[_Worker]) -> Iterator[tuple[int, Any]]:
    """Wait for something to happen; results of finished tasks, and failures of workers that are then gone."""
    soonest = min((worker.deadline for worker in workers), default=0.0)
    happened = wait([worker.connection for worker in workers], timeout=max(0.0, min(soonest - time.monotonic(), 5.0)))
    for worker in list(workers):
        index = worker.index
        if worker.connection in happened:
            outcome = worker.receive()
        elif time.monotonic() > worker.deadline:
            worker.gone = True
            outcome = Failure(f"took longer than {worker.limit_s:.0f} s")
        else:
            continue
        if worker.gone:
            workers.remove(worker)
            worker.end()
            if not worker.ready:
                raise BenchError(f"a worker process could not start ({outcome.what}). {_cure_of_start()}")
        if index is not None:
            yield index, outcome


def _cure_of_start() -> str:
    limit = address_space_limit()
    if limit is not None:
        return f"It may use {limit >> 10:,} KB of memory, perhaps too little: allow more with `ulimit -v unlimited`."
    return (
        "In a script of your own, call the suite under `if __name__ == '__main__':`, as worker processes import the "
        "script again."
    )


class _Worker:
    """One spawned process and the pipe to it."""

    def __init__(self, function: Callable[..., Any], memory: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        by_main_thread = threading.current_thread() is threading.main_thread()
        arguments = (theirs, function, by_main_thread, memory)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        with _main_not_imported(function):
            self.process.start()
        theirs.close()
        self.ready = False
        self.gone = False
        self.index: int | None = None
        self.limit_s = _START_LIMIT_S
        self.deadline = time.monotonic() + self.limit_s

    def give(self, index: int, task: tuple[Any, ...], limit_s: float) -> None:
        """Start a task."""
        self.index, self.limit_s = index, limit_s
        self.deadline = time.monotonic() + limit_s
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died: `receive` will say so
            self.connection.send(task)

    def receive(self) -> Any:
        """The result of its task, None for the first sign of life, or a `Failure`."""
        try:
            outcome = self.connection.recv()
        except (EOFError, OSError):
            self.gone = True
            self.process.join(5)
            code = self.process.exitcode
            died = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
            return Failure(f"its process was killed ({died})")
        self.ready, self.index, self.deadline = True, None, float("inf")
        return outcome

    def end(self) -> None:
        """Stop the process, whatever it is doing."""
        self.connection.close()
        self.process.kill()
        self.process.join(5)


def memory_per_worker(jobs: int) -> int:
    """The bytes that each of so many workers may ask for on this machine."""
    machine = memory_bytes()
    if machine is None:
        return _MOST_MEMORY_BYTES
    return min(_MOST_MEMORY_BYTES, max(_LEAST_MEMORY_BYTES, int(_SHARE_OF_MACHINE * machine) // max(jobs, 1)))


@contextlib.contextmanager
def _main_not_imported(function: Callable[..., Any]) -> Iterator[None]:
    """Let a process start without importing the main module of this one, unless the function lies there.

    Spawned processes import it before anything else, so a script that does its work at the top level, without
    ``if __name__ == "__main__":``, would run once more in each of them.
    """
    main = sys.modules["__main__"]
    kept = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    if function.__module__ == "__main__":
        kept = {}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


def _serve(connection: Connection, function: Callable[..., Any], by_main_thread: bool, memory: int) -> None:
    """The worker's own loop; it ends when the other side is gone, whatever it is doing then."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        end_after(parent.join)
        if by_main_thread:
            end_with(parent.pid)
    warnings.simplefilter("ignore")  # what matters is said in faults and assumptions
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    limit_address_space(memory)
    keep_freed_memory()
    connection.send(None)
    _silence()
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            outcome = function(*task)
        except BenchError as error:
            outcome = error
        except MemoryError:
            outcome = Failure(f"needs more memory than a worker may use ({memory / 1e9:.1f} GB)")
        except BaseException as error:  # a Rust panic is no Exception
            outcome = Failure(f"{type(error).__name__}: {error}")
        try:
            connection.send(outcome)
        except (BrokenPipeError, ConnectionResetError):
            return


def keep_freed_memory() -> None:
    """Let the allocator keep what it is given back: a worker needs as much for its next series.

    Otherwise every slice's memory is new to the process, which costs a tenth to a fifth of decoding it.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)
    except (AttributeError, OSError, TypeError):
        pass  # another C library than glibc


def _silence() -> None:
    """Drop what decoders print of damaged files; the fault says it."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
