"""A job and how it is to be run. Pure data, handed to the process that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    """

    job: Job
    store: Path
    cache: Path
    device: str
    precision: str
    threads: int
    beside: int
    command: str

    @property
    def folder(self) -> Path:
        """The job's folder."""
        return self.job.folder_in(self.store)
