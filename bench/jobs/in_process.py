"""Running a job in this process: for a class that no other process can import."""

from __future__ import annotations

import traceback
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


def run_here(request: Request, job: Job, on_event: OnEvent) -> None:
    """Run one job. A failure is kept and told as an event; an interrupt is passed on, and the job can be resumed.

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
    )

    def emit(kind: str, **details: Any) -> None:
        on_event(order, make_event(kind, **details))

    lock = Lock(order.files.lock)
    if not lock.acquire():
        emit("failed", reason=f"it is running in {lock.holder()}. Run it again when that has ended.")
        return
    try:
        execute(order, emit, require_lock=lock.require)
    except Exception as error:
        reason = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        emit("failed", reason=reason, trace=traceback.format_exc())
        if not isinstance(error, LostLockError):
            Failure(reason=reason).write(order.files.failed)
    finally:
        lock.release()
