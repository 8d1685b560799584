"""Running a job in this process: for a class that no other process can import."""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.errors import BenchError
from bench.files.locks import Lock, LostLockError
from bench.jobs import hardware
from bench.jobs.events import make_event
from bench.jobs.execute import execute
from bench.jobs.executors import OnEvent
from bench.jobs.job import Job
from bench.jobs.order import Order
from bench.jobs.request import Request
from bench.jobs.result import Failure
from bench.jobs.stopping import AT_CHECKPOINT, TimeUp, ended_without_checkpoint


def run_here(request: Request, job: Job, on_event: OnEvent) -> None:
    """Run one job. A failure is kept and told as an event; an interrupt is passed on, and the job can be resumed.

    Within a limit, the job ends at the next checkpoint after it. One that reaches none in time is interrupted, which is
    possible in the main thread alone, and not on Windows.

    Args:
        request: how to run it. What the approach prints is shown, not kept in the log.
        job: one whose approach is known to this process (`bench.plugins.known`).
        on_event: told of everything that happens.
    """
    order = Order(
        job=job,
        store=request.out,
        cache=request.cache,
        device=hardware.choose_device(request.device),
        precision=request.precision,
        threads=hardware.cpu_count(),
        beside=1,
        command=request.command,
        force=request.force,
        deterministic=request.deterministic,
        in_process=True,
        stop_at=None if request.limit is None else request.limit.stop_at,
        end_at=None if request.limit is None else request.limit.end_at,
    )

    def emit(kind: str, **details: Any) -> None:
        on_event(order, make_event(kind, **details))

    lock = Lock(order.files.lock)
    if not lock.acquire():
        emit("failed", reason=f"it is running in {lock.holder()}. Run it again when that has ended.")
        return
    try:
        with _ended_at(order):
            execute(order, emit, require_lock=lock.require)
    except TimeUp as end:
        emit("stopped", reason=str(end) or AT_CHECKPOINT)
    except Exception as error:
        reason = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        emit("failed", reason=reason, trace=traceback.format_exc())
        if not isinstance(error, LostLockError):
            Failure(reason=reason).write(order.files.failed)
    finally:
        lock.release()


@contextmanager
def _ended_at(order: Order) -> Iterator[None]:
    """Raise `TimeUp` in what is done within at the order's `end_at`: by an alarm, so in the main thread alone."""
    here = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if order.end_at is None or not here:
        yield
        return

    def end(*_: object) -> None:
        raise TimeUp(ended_without_checkpoint(order))

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, max(order.end_at - time.time(), 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
