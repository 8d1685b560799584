"""The folder of one job: what its files are called, when it is finished, and how it is set aside as a whole."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.files.atomic import explained
from bench.files.locks import Lock
from bench.files.regular import NotAFileError, read_bytes
from bench.jobs.result import DamagedFileError, Document, DoneMark, Result
from bench.jobs.split import SplitFolder

JOB, RESULT, FAILED, DONE, LOG = "job.json", "result.json", "failed.json", "done", "log.txt"
PREDICTIONS, TRUE_POINT_PREDICTIONS = "predictions.csv", "predictions_true_points.csv"
POINTS, EVIDENCE = "label_coordinates.csv", "evidence.csv"
NOTES, HISTORY = "notes.csv", "history.csv"
FITTED, PREDICTED, CHECKPOINT, RESUME = "fitted.json", "predicted.json", "checkpoint", "resume"
REPLACED = "replaced"
OLD_LOCK = "lock"  # within the folder, before the folder could be moved as a whole

# What a finished job is read for, each covered by the mark that it is done.
CHECKED = (JOB, RESULT, PREDICTIONS, TRUE_POINT_PREDICTIONS, POINTS, EVIDENCE, NOTES, HISTORY)
# What a job may leave before it has said what it is for: none of it is ever read as a result.
NOT_WORK = (LOG, FAILED, OLD_LOCK, f"{OLD_LOCK}.judging")


@dataclass(frozen=True, slots=True)
class JobFolder:
    """Where one job keeps everything. Its lock lies beside it, so that one rename moves the folder as a whole."""

    path: Path

    @property
    def split(self) -> SplitFolder:
        """The folder of the split that the job belongs to."""
        return SplitFolder(self.path.parents[2])

    @property
    def lock(self) -> Path:
        """The lock of whoever works on the job."""
        return self.path.with_name(f"{self.path.name}.lock")

    @property
    def job(self) -> Path:
        """What the folder is for: `JobRecord`."""
        return self.path / JOB

    @property
    def result(self) -> Path:
        """Scores and costs: `Result`."""
        return self.path / RESULT

    @property
    def failed(self) -> Path:
        """Why there is no result: `Failure`."""
        return self.path / FAILED

    @property
    def done(self) -> Path:
        """The mark that the job is finished: `DoneMark`."""
        return self.path / DONE

    @property
    def log(self) -> Path:
        """What the approach printed."""
        return self.path / LOG

    @property
    def predictions(self) -> Path:
        """``row_id,normal_mild,moderate,severe``."""
        return self.path / PREDICTIONS

    @property
    def true_point_predictions(self) -> Path:
        """The same of the true-point pass."""
        return self.path / TRUE_POINT_PREDICTIONS

    @property
    def points(self) -> Path:
        """Located points, in the format of ``train_label_coordinates.csv``."""
        return self.path / POINTS

    @property
    def evidence(self) -> Path:
        """``row_id,series_id,instance_number,weight``."""
        return self.path / EVIDENCE

    @property
    def notes(self) -> Path:
        """``study_id,note,by``."""
        return self.path / NOTES

    @property
    def history(self) -> Path:
        """One row per stage and epoch."""
        return self.path / HISTORY

    @property
    def fitted(self) -> Path:
        """The mark that training is finished: `bench.jobs.clock.Spent`."""
        return self.path / FITTED

    @property
    def predicted(self) -> Path:
        """The seconds of predicting: `bench.jobs.clock.Spent`."""
        return self.path / PREDICTED

    @property
    def checkpoint(self) -> Path:
        """The saved approach."""
        return self.path / CHECKPOINT

    @property
    def resume(self) -> Path:
        """What training leaves to go on from after a kill; gone when the job is done."""
        return self.path / RESUME

    def is_running(self) -> bool:
        """Whether somebody alive works on the job."""
        return Lock(self.lock).is_held() or self.is_held_by_older_release()

    def is_held_by_older_release(self) -> bool:
        """Whether a process of a release that locks within the folder works on the job."""
        return Lock(self.path / OLD_LOCK).is_held()

    def holds_work(self) -> bool:
        """Whether there is anything that could be taken for a result or a state to go on from."""
        if not self.path.is_dir():
            return False
        return any(not entry.name.startswith(".") and entry.name not in NOT_WORK for entry in self.path.iterdir())

    def finish(self, replacing: Mapping[Path, Document] | None = None) -> None:
        """Set the mark that the job is done; everything else must have been written.

        Args:
            replacing: documents that are about to be written; until they are, the old ones hold too.
        """
        files: dict[str, list[str | None]] = {name: [_sha256(self.path / name)] for name in CHECKED}
        for path, document in (replacing or {}).items():
            digest = hashlib.sha256(document.text().encode()).hexdigest()
            files[path.name] = list(dict.fromkeys([*files[path.name], digest]))
        DoneMark(files=files).write(self.done)

    def why_damaged(self) -> str | None:
        """Why what a finished job left cannot be used, or None if it can."""
        try:
            why = self._why_changed(read_bytes(self.done))
            if why is None and Result.read(self.result) is None:
                why = f"its {RESULT} is gone"
        except (DamagedFileError, NotAFileError) as error:
            return str(error)
        return why

    def _why_changed(self, mark: bytes) -> str | None:
        if re.fullmatch(rb"[0-9a-f]{64}", mark.strip()):  # schema version 1
            same = _sha256_of(self.path / RESULT, self.path / PREDICTIONS) == mark.decode().strip()
            return None if same else f"its {RESULT} or {PREDICTIONS} changed since it was finished"
        allowed = DoneMark.parse(mark, self.done).files
        for name in CHECKED:
            if _sha256(self.path / name) not in allowed.get(name, [None]):
                what = "changed" if (self.path / name).exists() else "is gone"
                return f"its {name} {what} since it was finished"
        return None

    def set_aside(self) -> Path | None:
        """Move the folder away as a whole, so that the job is made anew and nothing is lost.

        One rename: a kill leaves either all of it or nothing of it in place.

        Returns:
            Where it went: ``replaced/`` beside the seeds; None if there was nothing.
        """
        if not self.holds_work():
            return None
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{self.path.parent.name}-{self.path.name}-{uuid.uuid4().hex[:8]}"
        target = self.path.parent.parent / REPLACED / name
        with explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path.rename(target)
        return target


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(read_bytes(path)).hexdigest() if path.exists() else None


def _sha256_of(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()
