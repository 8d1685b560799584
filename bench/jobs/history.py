"""What a job tells of itself, kept through a kill: history.csv, one row per epoch, and notes, one per finding."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.files.atomic import DamagedError, explained, sync, write_text
from bench.files.foreign import csv_cell, from_csv_cell, one_line
from bench.files.regular import NotAFileError, open_unlinked, read_bytes
from bench.files.replaced import set_aside
from bench.jobs.folder import HISTORY as NAME

COLUMNS = ("stage", "epoch", "step", "losses", "learning_rate", "images_per_second")
NOTES = "notes.jsonl"
_CURE = "Run the same command again: what it belongs to is made anew."


def add_rows(folder: Path, *rows: Mapping[str, Any]) -> None:
    """Add epochs to a folder's history.csv. One that is trained again after a kill replaces its old row."""
    path = folder / NAME
    again = {(row["stage"], str(row["epoch"])) for row in rows}
    kept = [row for row in read_rows(folder) if (row["stage"], row["epoch"]) not in again]
    write_text(path, table(COLUMNS, [[row[name] for name in COLUMNS] for row in [*kept, *rows]]))


def read_rows(folder: Path) -> list[dict[str, str]]:
    """The rows of a folder's history.csv; none if there is no such file. A damaged one is set aside and told of."""
    path = folder / NAME
    if not path.exists():
        return []
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
        rows = [{name: _plain(value) for name, value in row.items()} for row in reader]
    except (UnicodeDecodeError, csv.Error):
        rows, reader = [], None
    if reader is None or tuple(reader.fieldnames or ()) != COLUMNS or not all(map(_is_whole, rows)):
        print(f"{path} is damaged and was set aside as {set_aside(path)}: the epochs in it are not shown.")
        return []
    return rows


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A CSV table as text; see `csv_cell`."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return stream.getvalue()


class Notes:
    """Notes of a job or stage, each once, in the order in which they were first made.

    With a path, each is appended to that file at once, and those of a killed attempt are read back: work that is not
    done again cannot make its notes again.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._notes: dict[tuple[int, str], None] = dict.fromkeys(_read_notes(path)) if path is not None else {}
        if path is not None and len(self._notes) < (made := _read_count(path)):
            raise DamagedError(f"{path} is damaged ({made - len(self._notes)} of {made} notes are gone). {_CURE}", path)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(self._notes)

    def add(self, study_id: int, text: str) -> bool:
        """Keep a note; returns whether it is new."""
        if (study_id, text) in self._notes:
            return False
        self._notes[study_id, text] = None
        if self.path is not None:
            self._append(self.path, [study_id, text])
        return True

    def mark(self) -> tuple[int, str]:
        """How many notes there are and the sha256 of them: what `begins_as` compares with."""
        return len(self._notes), _sha256(self._notes)

    def begins_as(self, count: int, sha256: str) -> bool:
        """Whether the first notes are those of which `mark` told this."""
        return _sha256(list(self._notes)[:count]) == sha256

    def sync(self) -> None:
        """Wait until all notes are on the disk: before anything that says that the work they stem from is done."""
        if self.path is not None and self.path.exists():
            with explained(self.path):
                sync(self.path)

    def _append(self, path: Path, note: list[Any]) -> None:
        with explained(path):
            handle = open_unlinked(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                line = json.dumps([*note, _checksum(*note)])
                os.write(handle, f"\n{line}\n".encode())  # on a line of its own even after one that was cut
            finally:
                os.close(handle)
            handle = open_unlinked(_count_path(path), os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.write(handle, f"{len(self._notes):08d}".encode())
            finally:
                os.close(handle)


def _read_notes(path: Path) -> Iterator[tuple[int, str]]:
    """Whole lines alone: a kill or a full disk may have cut the last one, whose note is then made again.

    Raises:
        DamagedError: a line is whole and not what was written, or the file is no file.
    """
    try:
        lines = read_bytes(path).split(b"\n")
    except FileNotFoundError:
        return
    except NotAFileError as error:
        raise DamagedError(str(error), path) from error
    for line in lines:
        try:
            note = json.loads(line)
        except ValueError:
            continue
        if not isinstance(note, list) or len(note) != 3 or note[2] != _checksum(*note[:2]):
            raise DamagedError(f"{path} is damaged ({one_line(str(note))[:80]} is no note). {_CURE}", path)
        yield note[0], note[1]


def _count_path(path: Path) -> Path:
    """Beside the notes: how many there are, written after each, so that a file which was cut is noticed."""
    return path.with_suffix(".count")


def _read_count(path: Path) -> int:
    """0 where that is not known: a kill may come before it is written."""
    try:
        text = read_bytes(_count_path(path))
    except (FileNotFoundError, NotAFileError):
        return 0
    return int(text) if len(text) == 8 and text.isdigit() else 0


def _checksum(study_id: int, text: str) -> str:
    return f"{zlib.crc32(json.dumps([study_id, text]).encode()):08x}"


def _sha256(notes: Iterable[tuple[int, str]]) -> str:
    return hashlib.sha256(json.dumps([list(note) for note in notes]).encode()).hexdigest()


def _plain(value: Any) -> Any:
    return from_csv_cell(value) if isinstance(value, str) else value


def _is_whole(row: Mapping[str | None, Any]) -> bool:
    return None not in row and None not in row.values()
