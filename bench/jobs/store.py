"""The store: one folder per job, a `done` mark written last, and why a stored result is stale.

Its files are named in `bench.jobs.folder` (a job's), `bench.jobs.split` (a split's) and read by `bench.jobs.result`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from bench.errors import DataError
from bench.files.atomic import explained
from bench.files.places import require_writable
from bench.jobs.fingerprint import SCORING, changed_parts
from bench.jobs.folder import JOB, REPLACED, JobFolder
from bench.jobs.job import Job
from bench.jobs.result import DamagedFileError, Failure, JobRecord, Result
from bench.jobs.split import STAGES

Action = Literal["start", "resume", "reuse", "score", "replace"]


@dataclass(frozen=True, kw_only=True)
class StoredJob(Job):
    """A job whose folder lies in a store.

    Attributes:
        folder: where it lies.
        fingerprint: what it was made from, part by part (`bench.jobs.fingerprint`).
        threads: how many threads it was given.
    """

    folder: Path
    fingerprint: Mapping[str, Any]
    threads: int

    @property
    def files(self) -> JobFolder:
        """Its files by name."""
        return JobFolder(self.folder)

    @property
    def status(self) -> str:
        """``done``, ``running``, ``failed``, ``interrupted``, or ``damaged``: finished, but not readable as it is."""
        if self.files.done.exists():
            return "done" if self.files.why_damaged() is None else "damaged"
        if self.files.is_running():
            return "running"
        return "failed" if self.files.failed.exists() else "interrupted"

    @property
    def failure(self) -> Failure | None:
        """Why it has no result, where that was written down; a damaged note says so itself."""
        try:
            return Failure.read(self.files.failed)
        except DamagedFileError as error:
            return Failure(reason=str(error))

    @cached_property
    def result(self) -> Result:
        """Its result. Raises DataError while it has none."""
        found = Result.read(self.files.result)
        if found is None:
            raise DataError(f"{self.folder} holds no result. Run the same `bench run` again.")
        return found


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A folder of a job of which nobody can tell what it is for, and why."""

    folder: Path
    reason: str

    @property
    def name(self) -> str:
        """What its place says that it is, such as ``mil-quick-1f0c9a2e/seed0/fold1``."""
        return "/".join(self.folder.parts[-3:])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has to be done about a job's folder, and why.

    Attributes:
        action: ``start`` anew; ``resume`` where it was left; ``reuse`` the result; ``score`` the stored predictions
            anew; ``replace``: set aside what is there and start anew.
        why: in words; empty where nothing is wrong.
    """

    action: Action
    why: str = ""


def judge_folder(files: JobFolder, fingerprint: Mapping[str, Any]) -> Verdict:
    """What has to be done so that a job's folder holds a result of this fingerprint."""
    if not files.holds_work():
        return Verdict("start")
    try:
        record = JobRecord.read(files.job)
    except DamagedFileError as error:
        return Verdict("replace", str(error))
    if record is None:  # of what a checkpoint is without its job, nobody can tell
        return Verdict("replace", f"it has no {JOB}")
    changed = changed_parts(record.fingerprint, fingerprint)
    why = f"changed since: {', '.join(changed)}"
    if set(changed) - {SCORING}:
        return Verdict("replace", why)
    if not files.done.exists():
        return Verdict("resume")
    damage = files.why_damaged()
    if damage is not None:
        return Verdict("replace", damage)
    return Verdict("score", why) if changed else Verdict("reuse")


def read_job(folder: Path) -> StoredJob | None:
    """The job of a folder, or None where no job was ever started.

    Raises:
        DamagedFileError: its ``job.json`` is damaged.
    """
    record = JobRecord.read(JobFolder(folder).job)
    if record is None:
        return None
    values = {name: getattr(record.job, name) for name in Job.__dataclass_fields__}
    return StoredJob(**values, folder=folder, fingerprint=record.fingerprint, threads=record.threads)


def threads_begun_with(files: JobFolder) -> int | None:
    """How many threads an unfinished job began with; None where none was begun, or nobody can tell."""
    try:
        record = JobRecord.read(files.job)
    except DamagedFileError:  # the job is set aside and begins anew
        return None
    return None if record is None or files.done.exists() or record.threads < 1 else record.threads


def read_store(root: Path) -> tuple[list[StoredJob], list[Unreadable]]:
    """Every job below a folder, and what cannot be read, sorted by path; replaced ones are left out."""
    jobs, unreadable = [], []
    for folder in sorted(_job_folders(root)):
        try:
            stored = read_job(folder)
        except DamagedFileError as error:
            unreadable.append(Unreadable(folder, str(error)))
            continue
        jobs += [] if stored is None else [stored]
    return jobs, unreadable


def names_of(job: StoredJob) -> tuple[str, ...]:
    """What a job's results may be called: the shorter names may mean several configurations or train fractions."""
    plain = (job.approach, f"{job.approach}-{job.preset}", job.run_name)
    return (*plain, *(f"{name}@{job.train_fraction:g}" for name in plain))


def stored_jobs(root: Path) -> list[StoredJob]:
    """Every readable job below a folder, sorted by path; replaced ones are left out."""
    return read_store(root)[0]


def finished_jobs(folders: Iterable[Path]) -> list[StoredJob]:
    """Of the jobs of these folders those that are done."""
    found = []
    for folder in folders:
        try:
            stored = read_job(folder)
        except DamagedFileError:
            continue
        if stored is not None and stored.status == "done":
            found.append(stored)
    return found


def check_store(root: Path) -> None:
    """Make sure that a folder can be written to as a store. Raises an error with the cure if not."""
    require_writable(root, "--out")
    with explained(root):
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):  # a name of its own: two runs may check at once
            pass


def _job_folders(root: Path) -> Iterator[Path]:
    """Folders with a ``job.json``; not looked for within jobs, stages and what was replaced."""
    for folder, subfolders, names in os.walk(root):
        if JOB in names:
            yield Path(folder)
            subfolders.clear()
        subfolders[:] = [name for name in subfolders if name not in (REPLACED, STAGES)]
