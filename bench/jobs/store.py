"""The store: one folder a job, `done` last, and why a result that is there does not hold."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.files.atomic import explained, read_json, write_json, write_text
from bench.files.locks import Lock
from bench.jobs.fingerprint import changed_parts
from bench.jobs.job import Job

SCHEMA_VERSION = 1
DONE, FAILED, LOCK, JOB, RESULT, LOG = "done", "failed.json", "lock", "job.json", "result.json", "log.txt"
PREDICTIONS = "predictions.csv"
FLOOR = "floor_predictions.csv"  # beside folds.csv: what nobody can be expected to beat
REPLACED = "replaced"


@dataclass(frozen=True, kw_only=True)
class StoredJob(Job):
    """A job whose folder lies in a store.

    Attributes:
        folder: where it lies.
        fingerprint: what it was made from, part by part (`bench.jobs.job.fingerprint`).
        threads: how many threads it was given.
    """

    folder: Path
    fingerprint: Mapping[str, Any]
    threads: int

    @property
    def status(self) -> str:
        """``done``, ``running``, ``failed``, ``interrupted``, or ``damaged``: finished, but its files changed since."""
        if (self.folder / DONE).exists():
            return "done" if (self.folder / DONE).read_text() == checksum(self.folder) else "damaged"
        if Lock(self.folder / LOCK).is_held():
            return "running"
        return "failed" if (self.folder / FAILED).exists() else "interrupted"

    @cached_property
    def result(self) -> dict[str, Any]:
        """The content of ``result.json``; empty while the job is not done."""
        return read_json(self.folder / RESULT) or {}


def checksum(folder: Path) -> str:
    """The sha256 of what a finished job is read for: result.json and predictions.csv."""
    digest = hashlib.sha256()
    for name in (RESULT, PREDICTIONS):
        path = folder / name
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def finish(folder: Path) -> None:
    """Set the mark that a job is done; everything else must have been written."""
    write_text(folder / DONE, checksum(folder))


def read_job(folder: Path) -> StoredJob | None:
    """The job of a folder, or None where no job was ever started."""
    document = read_json(folder / JOB)
    if document is None:
        return None
    values = {**document["job"], "plugins": tuple(document["job"]["plugins"])}
    return StoredJob(**values, folder=folder, fingerprint=document["fingerprint"], threads=document["threads"])


def write_job(folder: Path, job: Job, fingerprint: Mapping[str, Any], threads: int) -> None:
    """Record what a folder is for, before any work is done in it."""
    document = {"job": asdict(job), "fingerprint": dict(fingerprint), "threads": threads}
    write_json(folder / JOB, {"schema_version": SCHEMA_VERSION, **document})


def stored_jobs(root: Path) -> list[StoredJob]:
    """Every job below a folder, sorted by path; replaced ones are left out."""
    return [stored for folder in sorted(_job_folders(root)) if (stored := read_job(folder)) is not None]


def why_stale(stored: StoredJob, fingerprint: Mapping[str, Any]) -> str | None:
    """Why what lies in a job's folder cannot be used or resumed, or None if it can."""
    changed = changed_parts(stored.fingerprint, fingerprint)
    if changed:
        return f"changed since: {', '.join(changed)}"
    if stored.status == "damaged":
        return "its result.json or predictions.csv changed since it was finished"
    return None


def set_aside(folder: Path) -> Path | None:
    """Move what a job's folder holds, its lock aside, so that the job is made anew and nothing is lost.

    Returns:
        Where it went: ``replaced/`` beside the seeds; None if there was nothing.
    """
    contents = [path for path in folder.iterdir() if path.name != LOCK] if folder.is_dir() else []
    if not contents:
        return None
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{folder.parent.name}-{folder.name}"
    replaced = folder.parent.parent / REPLACED
    with explained(replaced):
        replaced.mkdir(parents=True, exist_ok=True)
        target = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=replaced))
        for path in contents:
            path.rename(target / path.name)
    return target


def check_store(root: Path) -> None:
    """Make sure that a folder can be written to as a store. Raises an error with the cure if not."""
    if root.exists() and not root.is_dir():
        raise UsageError(f"--out {root}: that is a file. Name a folder.")
    with explained(root):
        root.mkdir(parents=True, exist_ok=True)
        probe = root / ".probe"
        probe.write_bytes(b"")
        probe.unlink()


def _job_folders(root: Path) -> Iterator[Path]:
    for path in root.rglob(JOB):
        if REPLACED not in path.relative_to(root).parts:
            yield path.parent
