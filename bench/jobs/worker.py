"""The process of one job: ``python -m bench.jobs.worker`` reads an order on standard input, tells events on output.

The parent holds the other end of standard input: when that closes, the parent is gone and the job is ended, to be
resumed by the next run. The job itself runs in a fork (`bench.jobs.supervisor`) with an empty standard input. Nothing
heavy is imported before the number of threads is set.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.files.locks import Lock
    from bench.jobs.context import Emit
    from bench.jobs.order import Order

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
EXIT_FAILED, EXIT_LOCKED = 1, 75  # and EXIT_STOPPED of bench.jobs.stopping
# How long the interpreter may take to shut down once the job has ended: threads and processes of the approach's own
# that it waits for are ended then.
SHUTDOWN_S = 5.0
_STDIN = 0


def main() -> int:
    """Run one job. Exit code 0: done or skipped; 1: failed; 3: ended at the time limit; 75: another process
    holds it."""
    return serve(_run_job)


def serve(work: Callable[[dict[str, Any]], int]) -> int:
    """Read an order on standard input and do it under a supervisor.

    Args:
        work: called with the values of the order, of which ``threads`` is one; returns the exit code.
    """
    values = json.loads(_read_line(_STDIN))
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(values["threads"])
    lifeline = _take_stdin()
    if not hasattr(os, "fork"):
        return _without_supervisor(lambda: work(values), lifeline)
    from bench.jobs.supervisor import supervise

    return supervise(lambda: work(values), lifeline)


def _read_line(descriptor: int) -> bytes:
    """One line, and not a byte more: what follows is not for `sys.stdin` to keep."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(descriptor, 1 << 16)
        if not part:
            raise SystemExit("no order came on standard input: this module is started by `bench run`.")
        line += part
    return line


def _take_stdin() -> int:
    """Leave an empty standard input behind, which gives what asks for input an EOFError instead of making it wait for
    ever. Returns a descriptor of the real one, which no program inherits."""
    lifeline = os.dup(_STDIN)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STDIN)
    os.close(nothing)
    return lifeline


def _without_supervisor(work: Callable[[], int], lifeline: int) -> int:
    """Where processes cannot fork (Windows): the job ends with its parent; what it started may stay."""
    from bench.files.processes import end_after

    end_after(lambda: os.read(lifeline, 1))
    return work()


def _run_job(values: dict[str, Any]) -> int:
    from bench.files.locks import Lock
    from bench.jobs.event_pipe import EventPipe
    from bench.jobs.job import Job
    from bench.jobs.order import Order

    pipe = EventPipe(os.dup(1))
    job = Job.from_json(values.pop("job"))
    order = Order(job=job, **{**values, "store": Path(values["store"]), "cache": Path(values["cache"])})
    try:
        lock = Lock(order.files.lock)
        if not lock.acquire():
            pipe.emit("locked", holder=str(lock.holder()))
            return EXIT_LOCKED
    except Exception as error:
        pipe.emit("failed", reason=str(error))
        return EXIT_FAILED
    process = os.getpid()
    try:
        return _execute(order, pipe.emit, lock)
    finally:
        if os.getpid() != process:  # a fork of the approach's own that came back here
            os._exit(EXIT_FAILED)
        lock.release()
        limit_shutdown()


def _execute(order: Order, emit: Emit, lock: Lock) -> int:
    from bench.errors import BenchError
    from bench.files.locks import LostLockError
    from bench.jobs.execute import execute
    from bench.jobs.result import Failure
    from bench.jobs.stopping import AT_CHECKPOINT, EXIT_STOPPED, TimeUp, stop_if_over

    process = os.getpid()
    try:
        stop_if_over(order.stop_at)
        redirect_output(order.files.log)
        hand_on_plugins(order.job.plugins)
        execute(order, emit, renew_log=lambda: redirect_output(order.files.log), require_lock=lock.require)
        return 0
    except TimeUp:
        if os.getpid() != process:
            return EXIT_FAILED
        emit("stopped", reason=AT_CHECKPOINT)
        return EXIT_STOPPED
    except BaseException as error:
        with suppress(OSError):  # the log's own file system may be what is full
            traceback.print_exc()  # into log.txt
        if os.getpid() != process:
            return EXIT_FAILED
        reason = reason_of(error, order.files.log)
        emit("failed", reason=reason, trace=traceback.format_exc())
        if not isinstance(error, LostLockError):  # the folder is another process's by then
            with suppress(BenchError):  # it could not be written: the run has been told
                Failure(reason=reason).write(order.files.failed)
        return EXIT_FAILED


def reason_of(error: BaseException, log: Path) -> str:
    """Why something failed, in words with the cure where it is known; ``log`` is where the traceback was printed."""
    from bench.errors import BenchError
    from bench.files.atomic import KNOWN_CAUSES, explanation
    from bench.files.full import blamed_place, lacks_temporary_folder

    if isinstance(error, BenchError):
        return _asks_for_input(error) or str(error)
    if isinstance(error, OSError) and (error.errno in KNOWN_CAUSES or lacks_temporary_folder(error)):
        # What print says of a full disk has no file name: it is the log's
        return str(explanation(error, blamed_place(error, log)))
    reason = _asks_for_input(error) or f"{type(error).__name__}: {error}"
    return f"{reason} (the whole story is in {log})"


def _asks_for_input(error: BaseException) -> str | None:
    """What to do about an approach that asks at the terminal, if that is what went wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, EOFError) and "EOF when reading a line" in str(cause):
            return (
                "EOFError: it asks for input at a terminal; jobs have none. Give it the answer as a setting or an "
                "environment variable."
            )
        cause = cause.__cause__
    return None


def hand_on_plugins(named: Sequence[str]) -> None:
    """Let the processes that a plug-in starts import it, which is not on Python's path."""
    if not named:
        return
    from bench import plugin_imports, plugins

    paths = [Path(path).expanduser().resolve() for path in named]
    found = [plugin for kind in plugins.CONTRACTS for plugin in plugins.available(kind, paths).values()]
    plugin_imports.hand_on(
        {f"bench.{plugin.kind}.{plugin.name}": plugin.path for plugin in found if plugin.path in paths}
    )


def redirect_output(log: Path) -> None:
    """Send whatever the approach prints, down to C libraries and their crashes, to the job's log."""
    import faulthandler

    from bench.files.atomic import explained
    from bench.files.regular import open_unlinked

    with explained(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        handle = open_unlinked(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.close(handle)
    faulthandler.enable()


def limit_shutdown() -> None:
    """End the process in any case when the interpreter has taken `SHUTDOWN_S` to shut down."""
    import faulthandler

    faulthandler.dump_traceback_later(SHUTDOWN_S, exit=True)


if __name__ == "__main__":
    sys.exit(main())
