"""Running jobs until each is done, skipped or failed; those that another run holds are waited for."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import unknown
from bench.jobs import hardware
from bench.jobs.events import Done, Event, Failed, Found, Locked, Skipped, Stopped
from bench.jobs.executors import Executor, LocalExecutor, OnEvent, choose_slots, choose_spare
from bench.jobs.folder import JobFolder
from bench.jobs.job import Job
from bench.jobs.order import Order
from bench.jobs.plan import Request
from bench.jobs.stopping import is_over

POLL_S = 1.0


@dataclass(slots=True)
class Outcome:
    """How a run ended: jobs by how they ended, and why.

    Attributes:
        done, skipped, failed: the jobs that have come to an end.
        stopped: ended at the time limit, to be gone on with.
        not_begun: left alone because the time limit was reached, or held by another run then.
    """

    done: list[Job] = field(default_factory=list)
    skipped: list[tuple[Job, str]] = field(default_factory=list)
    failed: list[tuple[Job, str]] = field(default_factory=list)
    stopped: list[tuple[Job, str]] = field(default_factory=list)
    not_begun: list[Job] = field(default_factory=list)

    @property
    def is_unfinished(self) -> bool:
        """Whether the time limit left work to be done."""
        return bool(self.stopped or self.not_begun)

    def sorting(self, on_event: OnEvent, locked: list[Job] | None = None) -> OnEvent:
        """An event handler that also sorts jobs by how they end.

        Args:
            on_event: told of every event after that.
            locked: takes the jobs that another process holds.
        """

        def handle(order: Order, event: Event) -> None:
            match event:
                case Done() | Found():
                    self.done.append(order.job)
                case Skipped(reason):
                    self.skipped.append((order.job, reason))
                case Failed(reason):
                    self.failed.append((order.job, reason))
                case Stopped(reason):
                    self.stopped.append((order.job, reason))
                case Locked() if locked is not None:
                    locked.append(order.job)
            on_event(order, event)

        return handle


def run(request: Request, jobs: Sequence[Job], on_event: OnEvent) -> Outcome:
    """Run jobs until each is done, skipped or failed, or the time limit is reached; those that another run holds are
    waited for.

    Args:
        request: how to run them.
        jobs: what `to_do` named.
        on_event: told of everything that happens.
    """
    device = hardware.choose_device(request.device)
    gpus = hardware.device_count(device)
    cores = hardware.cpu_count()
    stop_at = None if request.limit is None else request.limit.stop_at
    end_at = None if request.limit is None else request.limit.end_at
    run_id = f"{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:8]}"
    outcome = Outcome()
    waiting = list(jobs)
    while waiting and not is_over(stop_at):
        locked: list[Job] = []
        slots = choose_slots(request.jobs, len(waiting), gpus=gpus, cores=cores)
        executor = make_executor(
            request.executor,
            slots=slots,
            threads=cores,
            gpus=gpus,
            spare=choose_spare(request.jobs, slots, gpus=gpus),
            timeout_s=request.timeout_s,
        )
        orders = [
            Order(
                job=job,
                store=request.out,
                cache=request.cache,
                device=device,
                precision=request.precision,
                threads=cores,
                beside=slots,
                command=request.command,
                force=request.force,
                deterministic=request.deterministic,
                run_id=run_id,
                stop_at=stop_at,
                end_at=end_at,
            )
            for job in waiting
        ]
        executor.run(orders, outcome.sorting(on_event, locked))
        waiting = _await_others(request.out, locked, outcome, stop_at)
    ended = [*outcome.done, *(job for job, _ in (*outcome.skipped, *outcome.failed, *outcome.stopped))]
    outcome.not_begun = [job for job in jobs if job not in ended]
    return outcome


def _await_others(root: Path, locked: Sequence[Job], outcome: Outcome, stop_at: float | None) -> list[Job]:
    """Wait until a job held by another run is done, or is free again and so ours to do."""
    left = list(locked)
    while left and not is_over(stop_at):
        time.sleep(POLL_S)
        for job in list(left):
            files = JobFolder(job.folder_in(root))
            if files.is_running():
                continue
            if not files.done.exists() or files.why_damaged() is not None:
                return left
            outcome.done.append(job)
            left.remove(job)
    return []


def make_executor(
    name: str, *, slots: int, threads: int, gpus: int, timeout_s: float | None, spare: int = 0
) -> Executor:
    """The executor of a name: ``local``, or ``ray`` for a cluster."""
    if name == "ray":
        from bench.jobs.ray import RayExecutor

        return RayExecutor(threads=max(1, threads // slots), gpus=gpus, timeout_s=timeout_s)
    if name != "local":
        raise unknown("executor", name, ("local", "ray"))
    return LocalExecutor(slots=slots, threads=threads, gpus=gpus, spare=spare, timeout_s=timeout_s)
