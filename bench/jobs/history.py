"""What a job tells of itself, kept through a kill: history.csv, one row per epoch, and notes, one per finding."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.files.atomic import explained, sync, write_text
from bench.files.foreign import csv_cell, from_csv_cell
from bench.files.regular import open_unlinked
from bench.files.replaced import set_aside
from bench.jobs.folder import HISTORY as NAME

COLUMNS = ("stage", "epoch", "step", "losses", "learning_rate", "images_per_second")
NOTES = "notes.jsonl"


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

    def sync(self) -> None:
        """Wait until all notes are on the disk: before anything that says that the work they stem from is done."""
        if self.path is not None and self.path.exists():
            with explained(self.path):
                sync(self.path)

    def _append(self, path: Path, note: list[Any]) -> None:
        with explained(path):
            handle = open_unlinked(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(handle, f"\n{json.dumps(note)}\n".encode())  # on a line of its own even after one that was cut
            finally:
                os.close(handle)


def _read_notes(path: Path) -> Iterator[tuple[int, str]]:
    """Whole lines alone: a kill or a full disk may have cut the last one, whose note is then made again."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        try:
            study_id, text = json.loads(line)
        except (ValueError, TypeError):
            continue
        if type(study_id) is int and isinstance(text, str):
            yield study_id, text


def _plain(value: Any) -> Any:
    return from_csv_cell(value) if isinstance(value, str) else value


def _is_whole(row: Mapping[str | None, Any]) -> bool:
    return None not in row and None not in row.values()
