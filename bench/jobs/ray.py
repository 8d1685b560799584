"""Running orders as tasks of a Ray cluster: one task a job, a GPU as its resource, retried when a node dies.

Store, cache and data have to lie where every node sees them. Resume is not Ray's: a job goes on from its own folder.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.jobs.events import Failed, Stopped, read_event
from bench.jobs.executors import OnEvent, order_json
from bench.jobs.order import Order
from bench.jobs.process import JobProcess
from bench.jobs.stopping import ended_without_checkpoint, is_over

RETRIES = 2
POLL_S = 1.0


class RayExecutor:
    """Runs every job as a Ray task; with ``RAY_ADDRESS`` set on that cluster, else on a Ray of this machine's own.

    Args:
        threads: CPUs of a job.
        gpus: above 0, every job asks for one GPU.
        timeout_s: a job that runs longer is ended and failed; None for no limit.
    """

    def __init__(self, *, threads: int, gpus: int, timeout_s: float | None) -> None:
        self.threads, self.gpus, self.timeout_s = threads, gpus, timeout_s

    def run(self, orders: Sequence[Order], on_event: OnEvent) -> None:
        """Run all orders; an interrupt cancels what is left."""
        ray = _ray()
        started_here = not ray.is_initialized()
        if started_here:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
        try:
            self._run(ray, orders, on_event)
        finally:
            if started_here:
                ray.shutdown()

    def _run(self, ray: Any, orders: Sequence[Order], on_event: OnEvent) -> None:
        from ray.util.queue import Empty, Queue

        events = Queue()
        resources = {"num_cpus": self.threads, "num_gpus": 1 if self.gpus else 0}
        task = ray.remote(max_calls=1, max_retries=RETRIES, **resources)(run_on_node)
        tasks = {}
        for index, order in enumerate(orders):
            order = replace(order, threads=self.threads)
            end = None if order.end_at is None else (order.end_at, Stopped(ended_without_checkpoint(order)).to_json())
            arguments = (order_json(order), str(order.files.log), index, events, self.timeout_s, end)
            tasks[task.remote(*arguments)] = index
        ended: set[int] = set()
        while tasks:
            ready, _ = ray.wait(list(tasks), timeout=POLL_S)
            while True:
                try:
                    index, line = events.get(block=False)
                except Empty:
                    break
                event = read_event(line)
                if event is not None and index not in ended:
                    ended |= {index} if event.is_last else set()
                    on_event(orders[index], event)
            for reference in ready:
                index = tasks.pop(reference)
                reason = _outcome(ray, reference)
                if index not in ended:
                    ended.add(index)
                    on_event(orders[index], Failed(reason))


def run_on_node(
    order: str, log: str, index: int, events: Any, timeout_s: float | None, end: tuple[float, str] | None
) -> str:
    """Run one job's process on a node and pass its events on, as lines of JSON. Returns why it ended, if it told none.

    ``end`` is the Unix time at which it is ended at the latest, and the event that says so.

    A task that is cancelled or whose node's Ray ends takes the job along, since it holds the job's lifeline.
    """
    # Ray sets the thread variables of a worker that it may use again, so they are set for each job anew.
    process = JobProcess(order, json.loads(order)["threads"], {})
    overdue = threading.Event()

    def end_overdue() -> None:
        overdue.set()
        process.end()

    limits = [] if timeout_s is None else [timeout_s]
    limits += [] if end is None else [max(end[0] - time.time(), 0.0)]
    watchdog = threading.Timer(min(limits, default=threading.TIMEOUT_MAX), end_overdue)
    watchdog.daemon = True
    watchdog.start()
    try:
        for event in process.events():
            if not overdue.is_set():
                events.put((index, event.to_json()))
        death = process.death(Path(log))
    finally:
        watchdog.cancel()
        process.end()
    if overdue.is_set() and end is not None and is_over(end[0]):
        events.put((index, end[1]))
    elif overdue.is_set():
        return f"ran longer than --job-timeout {timeout_s:g} s and was ended; run it again to go on."
    return death


def _outcome(ray: Any, reference: Any) -> str:
    try:
        return str(ray.get(reference))
    except ray.exceptions.RayError as error:
        return f"its node or task was lost ({type(error).__name__}). Run it again: it goes on where it was."


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError("--executor ray needs Ray. Install it: pip install 'rsna-lumbar-bench[ray]'") from error
    return ray
