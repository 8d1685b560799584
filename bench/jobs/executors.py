"""Running orders: each in a process of its own here, or as tasks of a Ray cluster."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import IO, Any, Protocol

from bench.errors import UsageError
from bench.jobs.order import Order
from bench.jobs.worker import EXIT_LOCKED, THREAD_VARIABLES

# (order, event): what a job tells while it runs, and at last one of `LAST_EVENTS`
OnEvent = Callable[[Order, dict[str, Any]], None]
LAST_EVENTS = ("done", "found", "skipped", "failed", "locked")
GRACE_S = 5.0


@dataclass(eq=False)
class _Running:
    order: Order
    process: subprocess.Popen[str]
    slot: int
    started: float
    last: str | None = None
    words: deque[str] = field(default_factory=lambda: deque(maxlen=5))


class LocalExecutor:
    """Spawns one process a job on this machine, `slots` at a time.

    Args:
        slots: how many jobs run at once.
        spare: how many more may join the first round, so that none is left over for a round of its own.
        threads: how many threads they share.
        gpus: how many GPUs there are; job slots are dealt out to them in turn.
        timeout_s: a job that runs longer is ended and failed; None for no limit.
    """

    def __init__(
        self, *, slots: int, threads: int, gpus: int = 0, spare: int = 0, timeout_s: float | None = None
    ) -> None:
        self.slots = slots
        self.spare = spare
        self.threads = threads
        self.gpus = gpus
        self.timeout_s = timeout_s

    def run(self, orders: Sequence[Order], on_event: OnEvent) -> None:
        """Run all orders. An interrupt ends what runs, each at its last checkpoint, and is passed on."""
        waiting = list(self.plan(orders))
        running: list[_Running] = []
        events: queue.Queue[tuple[_Running, dict[str, Any] | None]] = queue.Queue()
        try:
            while waiting or running:
                while waiting and len(running) < waiting[0].beside and all(r.order.beside > 1 for r in running):
                    slot = min(set(range(len(running) + 1)) - {r.slot for r in running})
                    running.append(self._start(waiting.pop(0), slot, events))
                self._end_overdue(running, on_event)
                try:
                    source, event = events.get(timeout=0.5)
                except queue.Empty:
                    continue
                if event is not None:
                    source.last = event["event"] if event["event"] in LAST_EVENTS else source.last
                    on_event(source.order, event)
                    continue
                running.remove(source)
                code = source.process.wait()
                if source.last is None and code != EXIT_LOCKED:
                    on_event(source.order, {"event": "failed", "reason": _died(code, source.words)})
        finally:
            for job in running:
                _end(job.process)

    def plan(self, orders: Sequence[Order]) -> list[Order]:
        """Give threads out: jobs share them evenly, in rounds of as many as there are slots.

        Jobs left over from full rounds join the first one if there is room to spare, since a job with several threads
        gains less than crowding costs. Without room, a single one goes first and alone, with all threads.
        """
        if self.gpus:
            share = max(1, self.threads // max(1, min(self.slots, len(orders))))
            return [replace(order, threads=share, beside=self.slots) for order in orders]
        share = max(1, self.threads // self.slots)
        left_over = len(orders) % self.slots
        if left_over == 1 and not self.spare:
            first = [replace(orders[0], threads=self.threads, beside=1)]
        else:
            crowd = self.slots + left_over if left_over <= self.spare else self.slots
            first = [replace(order, threads=share, beside=crowd) for order in orders[:crowd]]
        return first + [replace(order, threads=share, beside=self.slots) for order in orders[len(first) :]]

    def _start(self, order: Order, slot: int, events: queue.Queue[tuple[_Running, dict[str, Any] | None]]) -> _Running:
        devices = {}
        if self.gpus and order.device == "cuda":
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(self.gpus)))).split(",")
            devices["CUDA_VISIBLE_DEVICES"] = visible[slot % len(visible)]
        process = spawn_worker(order_json(order), order.threads, devices)
        job = _Running(order, process, slot, time.monotonic())
        threading.Thread(target=_listen, args=(job, process.stdout, events), daemon=True).start()
        return job

    def _end_overdue(self, running: Sequence[_Running], on_event: OnEvent) -> None:
        for job in running:
            if self.timeout_s is not None and job.last is None and time.monotonic() - job.started > self.timeout_s:
                job.last = "failed"
                _end(job.process)
                reason = f"ran longer than --job-timeout {self.timeout_s:g} s and was ended; run it again to go on."
                on_event(job.order, {"event": "failed", "reason": reason})


class Executor(Protocol):
    """What can run orders."""

    def run(self, orders: Sequence[Order], on_event: OnEvent) -> None:
        """Run all orders, telling every event of theirs; the last of each is one of `LAST_EVENTS`."""


def order_json(order: Order) -> str:
    """An order as one line of JSON, as a worker reads it."""
    values = {name: value for name, value in asdict(order).items() if name != "job"}
    return json.dumps({**values, "store": str(order.store), "cache": str(order.cache), "job": order.job.to_json()})


def spawn_worker(order: str, threads: int, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """A worker process that has its order. Its input stays open, since its end tells the job that we are gone; what it
    says, printed errors included, comes by its output. ``environment`` is put over this process's own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.jobs.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env=dict(os.environ) | {variable: str(threads) for variable in THREAD_VARIABLES} | dict(environment),
        start_new_session=True,  # an interrupt at the terminal is ours to pass on
    )
    assert process.stdin is not None
    process.stdin.write(order + "\n")
    process.stdin.flush()
    return process


def choose_slots(wish: int | None, orders: int, *, gpus: int, cores: int) -> int:
    """How many jobs run at once: one a GPU, else one a core, which outruns one job with all cores on small networks."""
    if wish is not None:
        if wish < 1:
            raise UsageError(f"--jobs {wish}: at least 1.")
        return min(wish, max(orders, 1))
    return max(1, min(gpus or cores, orders))


def choose_spare(wish: int | None, slots: int, *, gpus: int) -> int:
    """How many jobs more than the slots may run in the first round: none where the user or the GPUs say how many run at
    once, else half as many, which costs as much memory again as half the slots."""
    return 0 if wish is not None or gpus else slots // 2


def _listen(job: _Running, stream: IO[str] | None, events: queue.Queue[tuple[_Running, dict[str, Any] | None]]) -> None:
    assert stream is not None
    for line in stream:
        try:
            events.put((job, json.loads(line)))
        except json.JSONDecodeError:
            job.words.append(line.strip())  # printed before the worker had redirected its output
    events.put((job, None))


def _end(process: subprocess.Popen[str]) -> None:
    """End a job's process: closing its input asks it to stop; if it does not, it is killed."""
    assert process.stdin is not None
    try:
        process.stdin.close()
        process.wait(GRACE_S)
    except (subprocess.TimeoutExpired, OSError):
        process.kill()
        process.wait()


def _died(code: int, words: Iterable[str]) -> str:
    if code == -9:
        return "its process was killed (signal 9), most often because memory ran out. Run it again with fewer --jobs."
    said = " ".join(words)
    return f"its process ended (exit code {code}){': ' + said if said else ''}. Run it again: it goes on where it was."
