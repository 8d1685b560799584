from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.files.checksums import write_manifest
from bench.files.locks import LostLockError
from bench.jobs.clock import Charge
from bench.jobs.context import JobContext
from bench.jobs.fitted import is_fitted, spending
from bench.jobs.folder import FITTED, PREDICTED, JobFolder
from bench.testing import make_context


class Job:
    """A job that was killed after it was fitted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, JobFolder(folder)
        self.checkpoint = self.files.checkpoint
        context = self.context()
        with spending(context, self.files.fitted):
            context.charged["stage"] = Charge(wall=10, cpu=20)
            context.charged["features"] = Charge(wall=1, cpu=2, shared=True)
            self.checkpoint.mkdir()
            (self.checkpoint / "means.json").write_text("[1, 2]")
            write_manifest(self.checkpoint)

    def context(self) -> JobContext:
        context = make_context(self.folder, volumes=None)
        self.told: list[str] = []
        context.emit = lambda _, **what: self.told.append(what["reason"])
        return context


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path / "job")


def read(job: Job, name: str) -> dict:
    return json.loads((job.folder / name).read_text())


def test_a_fitted_job_stays_fitted_and_charges_nothing_twice(job: Job) -> None:
    context = job.context()
    assert is_fitted(context, job.files)
    assert not job.told
    with spending(context, job.files.predicted):
        context.charged["features"] = Charge(wall=1, cpu=2, shared=True)  # used again
        context.charged["more"] = Charge(wall=3, cpu=4, shared=True)
    fit, predict = read(job, FITTED), read(job, PREDICTED)
    assert (fit["shared_wall"], fit["shared_cpu"]) == (1, 2)
    assert fit["wall"] == pytest.approx(11, abs=0.9)
    assert set(predict["charged"]) == {"more"}
    assert (predict["shared_wall"], predict["shared_cpu"]) == (3, 4)


@pytest.mark.parametrize("name", ["checkpoint/means.json", "checkpoint/checksums.json", FITTED])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "wrong shape", "missing"])
def test_damage_is_named_kept_aside_and_the_job_is_fitted_anew(job: Job, name: str, damage: str) -> None:
    path = job.folder / name
    content = path.read_bytes()
    changed = {"truncated": content[:3], "flipped": b"\x00" + content[1:], "empty": b"", "wrong shape": b"[1]"}
    path.unlink() if damage == "missing" else path.write_bytes(changed[damage])
    assert not is_fitted(job.context(), job.files)
    if (name, damage) == (FITTED, "missing"):
        return  # a kill before it was written: nothing to tell
    (told,) = job.told
    assert path.name in told
    assert not (job.folder / FITTED).exists()
    assert not job.checkpoint.exists()
    assert len(list(job.folder.glob("replaced/*-checkpoint"))) == 1


def test_a_missing_checkpoint_is_no_dead_end(job: Job) -> None:
    (job.checkpoint / "means.json").unlink()
    (job.checkpoint / "checksums.json").unlink()
    job.checkpoint.rmdir()
    assert not is_fitted(job.context(), job.files)
    assert "the folder checkpoint is missing" in job.told[0]


def test_what_fails_or_has_lost_its_lock_leaves_no_mark(job: Job) -> None:
    def lost() -> None:
        raise LostLockError("lost")

    context = job.context()
    with pytest.raises(RuntimeError), spending(context, job.files.predicted):
        raise RuntimeError
    context.require_lock = lost
    with pytest.raises(LostLockError), spending(context, job.files.predicted):
        pass
    assert not (job.folder / PREDICTED).exists()
    assert context.clock is None
