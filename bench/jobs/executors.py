"""Running orders: each in a process of its own here, or as tasks of a Ray cluster."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from bench.errors import UsageError
from bench.jobs.events import Event, Failed, Stopped
from bench.jobs.order import Order
from bench.jobs.process import JobProcess
from bench.jobs.stopping import ended_without_checkpoint, is_over
from bench.jobs.store import threads_begun_with

# (order, event): what a job tells while it runs; the last has `Event.is_last`
OnEvent = Callable[[Order, Event], None]
# How long a job's last words may take through the pipe once its process has ended.
_LAST_WORDS_S = 5.0


@dataclass(eq=False)
class _Running:
    order: Order
    process: JobProcess
    slot: int
    started: float
    has_told_end: bool = False


class LocalExecutor:
    """Spawns one process a job on this machine, `slots` at a time.

    Args:
        slots: how many jobs run at once.
        spare: how many more may join the first batch, to avoid a leftover batch.
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
        """Run all orders. An interrupt ends what runs, each at its last checkpoint, and is passed on.

        Nothing is begun after an order's `stop_at`; what runs at its `end_at` is ended.
        """
        waiting = list(self.plan(orders))
        running: list[_Running] = []
        events: queue.Queue[tuple[_Running, Event | None]] = queue.Queue()
        try:
            while waiting or running:
                if waiting and is_over(waiting[0].stop_at):
                    waiting.clear()
                    continue
                while waiting and len(running) < waiting[0].beside and all(r.order.beside > 1 for r in running):
                    slot = min(set(range(len(running) + 1)) - {r.slot for r in running})
                    running.append(self._start(waiting.pop(0), slot, events))
                self._end_overdue(running, on_event)
                try:
                    source, event = events.get(timeout=0.5)
                except queue.Empty:
                    continue
                if event is not None:
                    if not source.has_told_end:  # it may have been done in the moment in which its time was over
                        source.has_told_end = event.is_last
                        on_event(source.order, event)
                    continue
                running.remove(source)
                if not source.has_told_end:
                    on_event(source.order, Failed(source.process.death(source.order.files.log)))
        finally:
            for job in running:
                job.process.ask_to_end()
            for job in running:
                job.process.end()

    def plan(self, orders: Sequence[Order]) -> list[Order]:
        """Give threads out: jobs share them evenly, in rounds of as many as there are slots.

        Jobs left over from full rounds join the first one if there is room to spare, since a job with several threads
        gains less than crowding costs. Without room, a single one goes first and alone, with all threads.

        A job that goes on keeps the threads that it began with, as far as this machine has them: with others, sums add
        up in another order and its predictions would differ in the last digits.
        """
        return [self._as_begun(order) for order in self._shared_out(orders)]

    def _as_begun(self, order: Order) -> Order:
        begun = None if order.force else threads_begun_with(order.files)
        return order if begun is None else replace(order, threads=min(begun, self.threads))

    def _shared_out(self, orders: Sequence[Order]) -> list[Order]:
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

    def _start(self, order: Order, slot: int, events: queue.Queue[tuple[_Running, Event | None]]) -> _Running:
        devices = {}
        if self.gpus and order.device == "cuda":
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(self.gpus)))).split(",")
            devices["CUDA_VISIBLE_DEVICES"] = visible[slot % len(visible)]
        job = _Running(order, JobProcess(order_json(order), order.threads, devices), slot, time.monotonic())
        threading.Thread(target=_follow, args=(job, events), daemon=True).start()
        return job

    def _end_overdue(self, running: Sequence[_Running], on_event: OnEvent) -> None:
        for job in running:
            end = self._why_overdue(job)
            if end is None or job.has_told_end:
                continue
            job.has_told_end = True
            job.process.end()
            on_event(job.order, end)

    def _why_overdue(self, job: _Running) -> Event | None:
        """How a job ends that has run too long; None if it has not."""
        if is_over(job.order.end_at):
            return Stopped(ended_without_checkpoint(job.order))
        if self.timeout_s is not None and time.monotonic() - job.started > self.timeout_s:
            return Failed(f"ran longer than --job-timeout {self.timeout_s:g} s and was ended; run it again to go on.")
        return None


class Executor(Protocol):
    """What can run orders."""

    def run(self, orders: Sequence[Order], on_event: OnEvent) -> None:
        """Run all orders, telling every event of theirs; the last of each has `Event.is_last`."""


def order_json(order: Order) -> str:
    """An order as one line of JSON, as a worker reads it."""
    values = {name: value for name, value in asdict(order).items() if name != "job"}
    return json.dumps({**values, "store": str(order.store), "cache": str(order.cache), "job": order.job.to_json()})


def choose_slots(wish: int | None, orders: int, *, gpus: int, cores: int) -> int:
    """How many jobs run at once: one per GPU, else one per core (faster than one job on all cores)."""
    if wish is not None:
        if wish < 1:
            raise UsageError(f"--jobs {wish}: at least 1.")
        return min(wish, max(orders, 1))
    return max(1, min(gpus or cores, orders))


def choose_spare(wish: int | None, slots: int, *, gpus: int) -> int:
    """How many jobs more than the slots may run in the first round: none where the user or the GPUs say how many run at
    once, else half as many, which costs as much memory again as half the slots."""
    return 0 if wish is not None or gpus else slots // 2


def _follow(job: _Running, events: queue.Queue[tuple[_Running, Event | None]]) -> None:
    """Pass on what a job tells, and None once its process has ended: a process that the job could hide from its end may
    keep the pipe open."""

    def listen() -> None:
        for event in job.process.events():
            events.put((job, event))

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    job.process.wait()
    listening.join(_LAST_WORDS_S)
    events.put((job, None))
