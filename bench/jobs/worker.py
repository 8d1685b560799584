"""The process of one job: ``python -m bench.jobs.worker`` reads an order on standard input, tells events on output.

The parent holds the other end of standard input: when that closes, the parent is gone and the job stops, to be resumed
by the next run. Nothing heavy is imported before the number of threads is set.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
EXIT_LOCKED, EXIT_FAILED = 3, 1


def main() -> int:
    """Run one job. Exit code 0: done or skipped; 1: failed; 3: another process holds it."""
    text = sys.stdin.readline()
    values = json.loads(text)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(values["threads"])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    writing = threading.Lock()

    def emit(event: str, **details: Any) -> None:
        with writing:
            events.write(json.dumps({"event": event, **details}) + "\n")

    from bench.files.locks import Lock
    from bench.jobs.job import Job
    from bench.jobs.order import Order

    job = Job.from_json(values.pop("job"))
    order = Order(job=job, **{**values, "store": Path(values["store"]), "cache": Path(values["cache"])})
    try:
        lock = Lock(order.files.lock)
        if not lock.acquire():
            emit("locked", holder=str(lock.holder()))
            return EXIT_LOCKED
    except Exception as error:
        emit("failed", reason=str(error))
        return EXIT_FAILED
    try:
        _redirect_output(order.files.log)
        return _run(order, emit, lock)
    finally:
        lock.release()


def _run(order: Any, emit: Any, lock: Any) -> int:
    from bench.errors import BenchError
    from bench.files.locks import LostLockError
    from bench.jobs.execute import execute
    from bench.jobs.result import Failure

    try:
        execute(order, emit, renew_log=lambda: _redirect_output(order.files.log), require_lock=lock.require)
        return 0
    except BaseException as error:
        traceback.print_exc()  # into log.txt
        expected = isinstance(error, BenchError)
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        if not expected:
            reason += f" (the whole story is in {order.files.log})"
        emit("failed", reason=reason, trace=traceback.format_exc())
        if not isinstance(error, LostLockError):  # the folder is another process's by then
            Failure(reason=reason).write(order.files.failed)
        return EXIT_FAILED


def _redirect_output(log: Path) -> None:
    """Send whatever the approach prints, down to C libraries, to the job's log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    for stream in (1, 2):
        os.dup2(handle, stream)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(EXIT_FAILED)


if __name__ == "__main__":
    sys.exit(main())
