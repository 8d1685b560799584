"""The context that the harness hands to a job, as `bench.approach.Context` promises it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.approach import BuildShared, BuildStage
from bench.data.cohort import Cohort
from bench.data.folds import make_folds
from bench.files.atomic import write_text
from bench.imaging.volumes import Volumes
from bench.jobs.clock import Charge, Clock
from bench.jobs.config import canonical
from bench.jobs.fingerprint import stage_source
from bench.jobs.folder import HISTORY
from bench.jobs.folder import NOTES as NOTES_TABLE
from bench.jobs.history import NOTES, Notes, add_rows, read_rows, table
from bench.jobs.keys import key_of, require_module_level
from bench.jobs.shared import SharedWork
from bench.jobs.stages import RESUME, Folder, Record, obtain
from bench.jobs.stopping import TimeUp, is_over, stop_if_over

NOTE_COLUMNS = ("study_id", "note", "by")
SHOW_EVERY_S = 0.3
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
        clock: the running clock, if any: saved now and then, and stopped while a stage is fetched.
        keeps_history: whether epochs go into history.csv.
        force: whether trained stages of other runs are trained anew.
        run_id: the `bench run` that this job belongs to.
        require_lock: raises if the job's lock was lost; called before anything that matters is renamed.
        stop_at: Unix time from which on the job ends at its next checkpoint, by raising `TimeUp`.
        charged: what stages and shared work cost, by folder: each once, whoever built it.
    """

    device: str
    precision: str
    threads: int
    folder: Path
    resume: Path
    volumes: Volumes
    all_studies: Cohort
    identity: Mapping[str, Any]
    stages: Path
    shared_work: Path
    emit: Emit
    by: str
    clock: Clock | None = None
    keeps_history: bool = True
    force: bool = False
    run_id: str = ""
    require_lock: Callable[[], None] = lambda: None
    stop_at: float | None = None
    charged: dict[str, Charge] = field(default_factory=dict)
    _notes: Notes = field(default_factory=Notes)
    _obtained: dict[Path, Record] = field(default_factory=dict)  # checked once per job
    _shown: float = 0.0

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
        if step == steps or time.monotonic() - self._shown > SHOW_EVERY_S:
            self.emit("progress", epochs=epochs, steps=steps, **row)
            self._shown = time.monotonic()
        if self.clock is not None:
            self.clock.save_now_and_then()
        if step == steps and self.keeps_history:
            self.require_lock()
            add_rows(self.folder, {**row, "losses": json.dumps(row["losses"])})
            if is_over(self.stop_at) and self._has_checkpoint():
                self._stop()

    def note(self, study_id: int, text: str) -> None:
        """Record once that something was missing in a study or had to be assumed."""
        if self._notes.add(int(study_id), text):
            self.emit("note", study_id=int(study_id), text=text)

    def keep_notes(self) -> None:
        """From now on keep notes through a kill, and go on from those of a killed attempt."""
        self._notes = Notes(self.resume / NOTES)

    @property
    def notes(self) -> Notes:
        """The notes so far."""
        return self._notes

    def write_notes(self, reader: Sequence[tuple[int, str]] = ()) -> None:
        """Write notes.csv: what the reader noted, and what the approach did."""
        rows = [*((study, text, "reader") for study, text in reader), *((*note, self.by) for note in self._notes)]
        write_text(self.folder / NOTES_TABLE, table(NOTE_COLUMNS, rows))

    def shared(self, name: str, config: BaseModel | Mapping[str, Any], studies: Cohort, build: BuildShared) -> Path:
        """A folder of label-free work, built once for all jobs on this data."""
        require_module_level(build, name)
        about = {
            **key_of(name, config, studies),
            "data": self.identity["data"],
            "source": self._source(build),
        }

        def fill(folder: Path, require: Callable[[], None]) -> Record:
            self.emit("stage", stage=f"building shared work {name}")
            clock = Clock(folder / RESUME / "seconds.json")
            work = SharedWork(folder, self.volumes, self.threads, name, self.emit, clock, require, self.stop_at)
            build(studies.hidden().studies, work, config)
            return self._record(about, clock)

        return self._obtain(self.shared_work, about, fill, shared=True)

    def stage(self, name: str, config: BaseModel | Mapping[str, Any], train: Cohort, build: BuildStage) -> Path:
        """A folder with a trained stage, built once per config, source, training studies, data and seed."""
        require_module_level(build, name)
        about = {
            **key_of(name, config, train),
            "precision": self.precision,
            "device": self.device,
            **{key: self.identity[key] for key in ("data", "seed", "approach")},
            "source": self._source(build),
        }

        def fill(folder: Path, require: Callable[[], None]) -> Record:
            resume = folder / RESUME
            clock, notes = Clock(resume / "seconds.json"), Notes(resume / NOTES)
            own = {"clock": clock, "charged": {}, "_notes": notes, "require_lock": require}
            inner = replace(self, folder=folder, resume=resume, **own)  # type: ignore[arg-type]
            build(train, inner, config)
            return self._record(about, clock, inner)

        return self._obtain(self.stages, about, fill, shared=False)

    def silent(self) -> JobContext:
        """The same context, but nothing is shown, recorded or charged: for predictions that are outside the clock."""
        return replace(self, emit=lambda *_, **__: None, clock=None, keeps_history=False, charged={}, _notes=Notes())

    def _source(self, build: Callable[..., None]) -> Any:
        """What stands for the source of a stage or of shared work in its key."""
        return stage_source(build)

    def _record(self, about: Mapping[str, Any], clock: Clock, inner: JobContext | None = None) -> Record:
        seconds = clock.seconds()
        return Record(
            about=dict(about),
            by=self.identity["job"],
            run_id=self.run_id,
            threads=self.threads,
            charged=inner.charged if inner is not None else {},
            notes=tuple(inner._notes) if inner is not None else (),
            wall=seconds["wall"],
            cpu=seconds["cpu"],
        )

    def _obtain(
        self,
        place: Path,
        about: Mapping[str, Any],
        fill: Callable[[Path, Callable[[], None]], Record],
        *,
        shared: bool,
    ) -> Path:
        """Have a folder built or found, take over its notes and epochs, and charge for it."""

        def begin(folder: Path, require: Callable[[], None]) -> Record:
            stop_if_over(self.stop_at)
            return fill(folder, require)

        path = place / f"{self.by}-{about['name']}-{_hash(about)[:16]}"
        if path not in self._obtained:
            with self._clock_stopped():
                folder = Folder(path, about, shared, self.run_id, self.force and not shared)
                self._obtained[path], built = obtain(
                    folder,
                    begin,
                    tell=lambda reason: self.emit("stale", reason=reason),
                    on_wait=lambda text: self.emit("stage", stage=text),
                    require_lock=self.require_lock,
                )
            record = self._obtained[path]
            if not (built or shared or record.by == self.identity["job"]):
                self.emit("reused", stage=about["name"], seconds=record.wall)
            if built:
                stop_if_over(self.stop_at)
        self._take_over(path, self._obtained[path], shared=shared)
        return path

    def _take_over(self, path: Path, record: Record, *, shared: bool) -> None:
        for study_id, text in record.notes:
            self.note(study_id, text)
        if self.keeps_history and (path / HISTORY).exists():
            add_rows(self.folder, *read_rows(path))
        own = Charge(wall=record.wall, cpu=record.cpu, shared=shared)
        self.charged.update({**record.charged, path.name: own})

    def _has_checkpoint(self) -> bool:
        """Whether there is something to go on from beside notes and seconds."""
        own = {NOTES, Path(NOTES).with_suffix(".count").name}
        names = (path.name for path in self.resume.rglob("*") if path.is_file())
        return any(name not in own and not name.endswith("seconds.json") for name in names)

    def _stop(self) -> None:
        self._notes.sync()
        if self.clock is not None:
            self.clock.save()
        raise TimeUp

    @contextmanager
    def _clock_stopped(self) -> Iterator[None]:
        with self.clock.stopped() if self.clock is not None else nullcontext():
            yield


def _hash(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(dict(values)).encode()).hexdigest()
