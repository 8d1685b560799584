"""Folders that are built once and used by many jobs: trained stages and shared label-free work.

A folder is built under a lock in a place beside, ``NAME.building``, and takes its name when it is whole. In it stand:

- ``identity.json``, written first: what it is to become, so that only the same work is taken up after a kill;
- ``record.json``, or ``stage.json`` of a stage: who built it, what it cost, which notes were made;
- ``checksums.json``, written last and checked by every job that uses the folder.

What does not hold is moved as a whole into ``replaced/`` beside, named, and built anew by the same command.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import BenchError
from bench.files.atomic import DamagedError, explained, read_json, rename, write_json
from bench.files.checksums import MANIFEST, check_manifest, write_manifest
from bench.files.locks import Lock
from bench.files.replaced import set_aside
from bench.jobs.clock import Charge, Seconds
from bench.jobs.history import NOTES

RESUME = "resume"
IDENTITY = "identity.json"
SCHEMA_VERSION = 2
ANOTHER_RUN = "it is from another run, and --force was given"
Done = TypeVar("Done")


class Record(BaseModel):
    """What a finished folder says of itself.

    Attributes:
        about: what decides its contents; its name is made from the hash of it.
        by: the job that finished it.
        run_id: the `bench run` that finished it.
        threads: how many threads that job had.
        wall: seconds that building it took, over all attempts.
        cpu: CPU seconds, child processes included.
        charged: stages and shared work that it used itself.
        notes: (study id, text) of what was missing or assumed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[2] = 2
    about: dict[str, Any]
    by: str
    run_id: str
    threads: int
    wall: Seconds
    cpu: Seconds
    charged: dict[str, Charge] = {}
    notes: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is to be had.

    Attributes:
        path: where it lies when it is whole.
        about: what decides its contents, JSON-able.
        shared: whether it is shared label-free work; else a trained stage.
        run_id: this `bench run`.
        force: whether one that another run has built must not be used.
    """

    path: Path
    about: Mapping[str, Any]
    shared: bool
    run_id: str
    force: bool

    @property
    def record_name(self) -> str:
        """The file that holds its `Record`."""
        return "record.json" if self.shared else "stage.json"

    @property
    def title(self) -> str:
        """How it is called in a message."""
        return f"{'shared work' if self.shared else 'stage'} {self.about['name']}"

    def record(self, folder: Path) -> Record | str:
        """The record in a folder, or what is wrong with it."""
        try:
            document = read_json(folder / self.record_name)
            if document is None:
                return f"{self.record_name} is missing"
            record = Record.model_validate(document)
        except DamagedError:
            return f"{self.record_name} is damaged"
        except ValidationError:
            return f"{self.record_name} has the wrong shape"
        return record if record.about == self._plain() else f"{self.record_name} is that of other work"

    def checked(self) -> Record | str:
        """Its record if every file in it is as it was written and it may be used; else what is wrong."""
        wrong = check_manifest(self.path, ignore=(RESUME,))
        if wrong:
            return in_words(wrong)
        record = self.record(self.path)
        if isinstance(record, Record) and self.force and record.run_id != self.run_id:
            return ANOTHER_RUN
        return record

    def identity(self) -> dict[str, Any]:
        """What stands in ``identity.json``."""
        return {"schema_version": SCHEMA_VERSION, "about": self._plain(), "run_id": self.run_id}

    def _plain(self) -> dict[str, Any]:
        """As it reads when it comes back from JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(dict(self.about)))
        return plain


def obtain(
    folder: Folder,
    build: Callable[[Path, Callable[[], None]], Record],
    *,
    tell: Callable[[str], None],
    on_wait: Callable[[str], None],
    require_lock: Callable[[], None],
) -> tuple[Record, bool]:
    """The record of a folder that is there and whole: found so, or built now.

    Args:
        folder: what is wanted.
        build: fills the folder it is given and says what it made; what it is given beside makes sure that the lock
            still holds.
        tell: told of what was set aside, and why.
        on_wait: told once who builds it already.
        require_lock: raises if the job has lost its own lock.
    Returns:
        The record, and whether it was built by this call.
    """
    if folder.path.is_dir() and isinstance(record := folder.checked(), Record):
        return record, False
    lock = Lock(folder.path.with_name(f"{folder.path.name}.lock"))
    lock.wait(lambda holder: on_wait(f"waiting for {folder.title}, which {holder or 'another process'} builds"))
    try:
        if folder.path.exists():
            found = folder.checked()
            if isinstance(found, Record):
                return found, False
            tell(f"{folder.title}: {found}; kept as {set_aside(folder.path)}")

        def require() -> None:
            lock.require()
            require_lock()

        return _build(folder, build, tell, require), True
    finally:
        lock.release()


def past_damage(within: Path, work: Callable[[], Done], tell: Callable[[str], None], beside: Path) -> Done:
    """Do work that goes on from files of a killed attempt: one that is damaged is set aside, and the work begun again.

    Args:
        within: where these files lie; damage elsewhere stays an error.
        work: what to do.
        tell: told of each.
        beside: the folder that holds ``replaced/``.
    """
    while True:
        try:
            return work()
        except DamagedError as error:
            if not (error.path.is_relative_to(within) and error.path.exists()):
                raise
            # Without its notes the work is not what it was: all of it is begun anew.
            broken = error.path.parent if error.path.name == NOTES else error.path
            tell(f"{error.path.name}, from an earlier attempt, is damaged; kept as {set_aside(broken, beside)}")
            if broken != error.path:
                broken.mkdir()


def in_words(wrong: list[str], most: int = 3) -> str:
    """Some of what `check_manifest` found, as one phrase."""
    more = f" and {len(wrong) - most} more" if len(wrong) > most else ""
    return f"{', '.join(wrong[:most])}{more}"


def _build(
    folder: Folder,
    build: Callable[[Path, Callable[[], None]], Record],
    tell: Callable[[str], None],
    require: Callable[[], None],
) -> Record:
    building = folder.path.with_name(f"{folder.path.name}.building")
    why_not = _why_not_resumed(folder, building)
    if why_not is not None:
        tell(f"{folder.title}, begun earlier: {why_not}; kept as {set_aside(building)}")
    with explained(building):
        (building / RESUME).mkdir(parents=True, exist_ok=True)
    if not (building / MANIFEST).exists():  # else it was whole already when it was left
        write_json(building / IDENTITY, folder.identity())
        made = past_damage(building, lambda: build(building, require), tell, folder.path.parent)
        write_json(building / folder.record_name, made.model_dump(mode="json"))
        write_manifest(building, ignore=(RESUME,))
    require()
    shutil.rmtree(building / RESUME, ignore_errors=True)
    rename(building, folder.path)
    record = folder.record(folder.path)
    if isinstance(record, str):
        raise BenchError(f"{folder.path} was changed by another process: {record}. Run the same command again.")
    return record


def _why_not_resumed(folder: Folder, building: Path) -> str | None:
    """Why what a killed attempt left cannot be gone on from; None if it can, or if there is nothing."""
    if not any(path.is_file() and not path.name.startswith(".") for path in building.rglob("*")):
        return None
    try:
        identity = read_json(building / IDENTITY)
    except DamagedError:
        return f"{IDENTITY} is damaged"
    if not isinstance(identity, dict) or {**identity, "run_id": ""} != {**folder.identity(), "run_id": ""}:
        return f"{IDENTITY} is {'missing' if identity is None else 'that of other work'}"
    if folder.force and identity["run_id"] != folder.run_id:
        return ANOTHER_RUN
    if (building / MANIFEST).exists():
        record, wrong = folder.record(building), check_manifest(building, ignore=(RESUME,))
        return in_words(wrong) if wrong else record if isinstance(record, str) else None
    return None
