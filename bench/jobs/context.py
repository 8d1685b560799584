"""The context that the harness hands to a job, as `bench.approach.Context` promises it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.approach import Context
from bench.data.cohort import Cohort
from bench.data.folds import make_folds
from bench.errors import UsageError
from bench.files.atomic import read_json, write_json, write_text
from bench.files.locks import Lock
from bench.imaging.volumes import Volumes
from bench.jobs.config import canonical
from bench.jobs.folder import HISTORY, NOTES, RESUME

HISTORY_COLUMNS = ("stage", "epoch", "step", "losses", "learning_rate", "images_per_second")
NOTE_COLUMNS = ("study_id", "note", "by")
SAVE_EVERY_S = 2.0
TELL_EVERY_S = 0.3
Emit = Callable[..., None]


@dataclass(eq=False)
class JobContext:
    """What a job may use. See `bench.approach.Context` for what each method promises.

    Attributes:
        identity: what makes this job's randomness and trained stages its own: data, sources, seed, approach, fold.
        stages: where trained stages of this data and split are kept.
        shared_work: where label-free work on this data is kept.
        emit: sends an event to whoever shows progress.
        by: the approach's name.
        clocks: running clocks, saved now and then so that a kill loses little of them.
        keeps_history: whether epochs go into history.csv.
        charged: wall and CPU seconds of stages that another job had trained already.
    """

    device: str
    precision: str
    threads: int
    folder: Path
    resume: Path
    volumes: Volumes
    identity: Mapping[str, Any]
    stages: Path
    shared_work: Path
    emit: Emit
    by: str
    clocks: tuple[Clock, ...] = ()
    keeps_history: bool = True
    charged: dict[str, float] = field(default_factory=lambda: {"wall": 0.0, "cpu": 0.0})
    _notes: dict[tuple[int, str], None] = field(default_factory=dict)
    _told: float = 0.0

    def seed(self, purpose: str) -> int:
        """A 32-bit seed for one purpose."""
        keys = ("seed", "approach", "fold")
        return int(_hash({key: self.identity[key] for key in keys} | {"purpose": purpose})[:8], 16)

    def inner_folds(self, train: Cohort, folds: int) -> Sequence[tuple[Cohort, Cohort]]:
        """Stratified (train, hold-out) pairs within the training studies."""
        split = make_folds(train.study_ids, train.grades, folds, self.seed("inner folds"))
        pairs = []
        for fold in range(folds):
            held_out = split["fold"] == fold
            pairs.append((train.subset(split["study_id"][~held_out]), train.subset(split["study_id"][held_out])))
        return pairs

    def progress(
        self,
        stage: str,
        *,
        epoch: int,
        epochs: int,
        step: int = 0,
        steps: int = 0,
        losses: Mapping[str, float] | None = None,
        learning_rate: float | None = None,
        images_per_second: float | None = None,
    ) -> None:
        """Show where training is; at the end of an epoch, keep it."""
        row = {
            "stage": stage,
            "epoch": epoch,
            "step": step,
            "losses": {name: round(float(loss), 6) for name, loss in (losses or {}).items()},
            "learning_rate": learning_rate,
            "images_per_second": images_per_second,
        }
        if step == steps or time.monotonic() - self._told > TELL_EVERY_S:
            self.emit("progress", epochs=epochs, steps=steps, **row)
            self._told = time.monotonic()
        for clock in self.clocks:
            clock.save_now_and_then()
        if step == steps and self.keeps_history:
            self._keep({**row, "losses": json.dumps(row["losses"])})

    def note(self, study_id: int, text: str) -> None:
        """Record once that something was missing in a study or had to be assumed."""
        if (int(study_id), text) not in self._notes:
            self._notes[int(study_id), text] = None
            self.emit("note", study_id=int(study_id), text=text)

    def write_notes(self, reader: Sequence[tuple[int, str]] = ()) -> None:
        """Write notes.csv: what the reader noted, and what the approach did."""
        rows = [*((study, text, "reader") for study, text in reader), *((*note, self.by) for note in self._notes)]
        write_text(self.folder / NOTES, _csv(NOTE_COLUMNS, rows))

    def shared(self, name: str, config: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """A folder of label-free work, built once for all jobs on this data."""
        keys = ("data", "source")
        key = _hash({key: self.identity[key] for key in keys} | {"name": name, "config": canonical(config)})
        return _build_once(self.shared_work / f"{self.by}-{_file_name(name)}-{key[:16]}", lambda folder: build(folder))

    def stage(self, name: str, config: Mapping[str, Any], train: Cohort, build: Callable[[Context], None]) -> Path:
        """A folder with a trained stage, built once per config, source, training studies, data and seed."""
        about = {
            "name": name,
            "config": canonical(config),
            "studies": sorted(int(study_id) for study_id in train.study_ids),
            "precision": self.precision,
            "device": self.device,
            **{key: self.identity[key] for key in ("data", "source", "seed", "approach")},
        }
        target = self.stages / f"{self.by}-{_file_name(name)}-{_hash(about)[:16]}"
        started = time.monotonic()
        built_here = False

        def train_stage(folder: Path) -> None:
            nonlocal built_here
            built_here = True
            resume = folder / RESUME
            resume.mkdir(exist_ok=True)
            clock = Clock(folder / "seconds.json")
            inner = replace(
                self,
                folder=folder,
                resume=resume,
                clocks=(*self.clocks, clock),
                charged=dict.fromkeys(self.charged, 0.0),
                _notes={},
            )
            build(inner)
            seconds = {kind: value + inner.charged[kind] for kind, value in clock.seconds().items()}
            notes = [list(note) for note in inner._notes]
            made = {"by": self.identity["job"], "threads": self.threads, "seconds": seconds, "notes": notes}
            write_json(folder / "stage.json", {"schema_version": 1, **about, **made})
            shutil.rmtree(resume)

        folder = _build_once(target, train_stage)
        made = read_json(folder / "stage.json")
        for study_id, text in made["notes"]:
            self.note(study_id, text)
        if self.keeps_history:
            self._keep(*_rows(folder / HISTORY))
        if not built_here and made["by"] != self.identity["job"]:
            self.charged["wall"] += max(made["seconds"]["wall"] - (time.monotonic() - started), 0.0)
            self.charged["cpu"] += made["seconds"]["cpu"]
            self.emit("reused", stage=name, seconds=made["seconds"]["wall"])
        return folder

    def silent(self) -> JobContext:
        """The same context, but nothing is shown or recorded: for predictions that are outside the clock."""
        return replace(self, emit=lambda *_, **__: None, clocks=(), keeps_history=False, _notes={})

    def _keep(self, *rows: Mapping[str, Any]) -> None:
        path = self.folder / HISTORY
        again = {(row["stage"], str(row["epoch"])) for row in rows}  # done again after a kill: replaces the old row
        kept = [row for row in _rows(path) if (row["stage"], row["epoch"]) not in again]
        write_text(path, _csv(HISTORY_COLUMNS, [[row[name] for name in HISTORY_COLUMNS] for row in [*kept, *rows]]))


class Clock:
    """Wall and CPU seconds of a piece of work, summed over the times that it was taken up again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = read_json(path) or {"wall": 0.0, "cpu": 0.0}
        self._wall, self._cpu = time.monotonic(), time.process_time()
        self._saved = self._wall

    def seconds(self) -> dict[str, float]:
        """Seconds so far."""
        return {
            "wall": self._before["wall"] + time.monotonic() - self._wall,
            "cpu": self._before["cpu"] + time.process_time() - self._cpu,
        }

    def save_now_and_then(self) -> None:
        """Keep the seconds so far, at most every other second, so that a kill loses little of them."""
        if time.monotonic() - self._saved > SAVE_EVERY_S:
            write_json(self.path, self.seconds())
            self._saved = time.monotonic()


def _build_once(target: Path, build: Callable[[Path], None]) -> Path:
    """Build a folder under a lock, in a place beside, and give it its name when it is whole."""
    if target.is_dir():
        return target
    with Lock(target.with_name(f"{target.name}.lock")):
        if not target.is_dir():
            building = target.with_name(f"{target.name}.building")
            building.mkdir(parents=True, exist_ok=True)
            build(building)
            building.rename(target)
    return target


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))) if path.exists() else []


def _hash(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(dict(values)).encode()).hexdigest()


def _file_name(name: str) -> str:
    if not name or not all(character.isalnum() or character in "-_" for character in name):
        raise UsageError(f"stage or shared work {name!r}: use letters, digits, '-' and '_' in its name.")
    return name


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue()
