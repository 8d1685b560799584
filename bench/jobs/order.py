"""A job and how it is to be run. Pure data, handed to the process that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.jobs.folder import JobFolder
from bench.jobs.job import Job


@dataclass(frozen=True, slots=True)
class Order:
    """A job and how it is to be run. Pure data.

    Attributes:
        job: what to do.
        store: where results go.
        cache: where prepared images and shared work lie.
        device: torch device.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        threads: how many threads it may keep busy.
        beside: how many jobs run at once on this machine.
        command: the command line that asked for it.
        force: do everything anew, shared stages included.
        deterministic: have torch compute in the same order each time, on CUDA too.
        stop_at: Unix time from which on it ends at its next checkpoint; None for no limit.
        end_at: Unix time at which it is ended in any case.
        in_process: whether it runs in the process that asked for it, such as a notebook's.
        run_id: names the run that asked for it: what this run has built anew is built once.
    """

    job: Job
    store: Path
    cache: Path
    device: str
    precision: str
    threads: int
    beside: int
    command: str
    force: bool = False
    deterministic: bool = False
    run_id: str = ""
    in_process: bool = False
    stop_at: float | None = None
    end_at: float | None = None

    @property
    def folder(self) -> Path:
        """The job's folder."""
        return self.job.folder_in(self.store)

    @property
    def files(self) -> JobFolder:
        """The job's files by name."""
        return JobFolder(self.folder)
