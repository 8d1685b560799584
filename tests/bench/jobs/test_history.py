from __future__ import annotations

from pathlib import Path

import pytest

from bench.files.atomic import DamagedError
from bench.jobs.history import COLUMNS, NAME, Notes, add_rows, read_rows

ROW = dict.fromkeys(COLUMNS, 1) | {"stage": "deep"}


@pytest.mark.parametrize("damaged", ["", "no,such,columns\n1,2,3\n", "\udcff", "stage,epoch\ndeep,1\n", "CUT"])
def test_a_damaged_history_is_set_aside_and_begun_anew(tmp_path: Path, damaged: str, capsys) -> None:
    add_rows(tmp_path, ROW, {**ROW, "epoch": 2})
    whole = (tmp_path / NAME).read_text()
    text = whole[:-6] if damaged == "CUT" else damaged
    (tmp_path / NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    add_rows(tmp_path, ROW)
    assert "history.csv is damaged and was set aside as" in capsys.readouterr().out
    assert [row["epoch"] for row in read_rows(tmp_path)] == ["1"]
    assert len(list(tmp_path.glob("replaced/*-history.csv"))) == 1


def test_notes_outlive_a_kill_each_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    first = Notes(path)
    assert first.add(7, "no T1")
    assert first.add(3, "two lines\nin one note")
    assert not first.add(7, "no T1")
    again = Notes(path)
    assert not again.add(3, "two lines\nin one note")
    assert again.add(1, "late")
    assert list(Notes(path)) == [(7, "no T1"), (3, "two lines\nin one note"), (1, "late")]


def test_a_line_that_a_kill_cut_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    notes = Notes(path)
    notes.add(7, "no T1")
    notes.add(3, "cut")
    path.write_bytes(path.read_bytes()[:-4])
    path.with_suffix(".count").write_text("00000001")  # written after the note
    assert list(Notes(path)) == [(7, "no T1")]
    Notes(path).add(3, "cut")
    assert list(Notes(path)) == [(7, "no T1"), (3, "cut")]


@pytest.mark.parametrize("line", ["[]", '{"a": 1}', "[1, 2]", '[7, "no T2", "0b5bd3f9"]', '[true, "x", "1"]', "null"])
def test_a_line_that_was_changed_is_damage(tmp_path: Path, line: str) -> None:
    path = tmp_path / "notes.jsonl"
    Notes(path).add(7, "no T1")
    path.write_text(path.read_text() + f"\n{line}\n")
    with pytest.raises(DamagedError, match=r"notes\.jsonl is damaged .* made anew"):
        Notes(path)


@pytest.mark.parametrize("left", [0, 1])
def test_notes_that_were_cut_off_are_damage(tmp_path: Path, left: int) -> None:
    path = tmp_path / "notes.jsonl"
    notes = Notes(path)
    for study in (7, 3):
        notes.add(study, "no T1")
    lines = path.read_bytes().split(b"\n\n")
    path.write_bytes(b"\n\n".join(lines[:left]) + b"\n")
    with pytest.raises(DamagedError, match=f"{2 - left} of 2 notes are gone"):
        Notes(path)


def test_a_folder_where_the_notes_were_is_damage(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").mkdir()
    with pytest.raises(DamagedError, match="is a folder"):
        Notes(tmp_path / "notes.jsonl")


def test_notes_that_were_lost_are_noticed(tmp_path: Path) -> None:
    notes = Notes()
    notes.add(7, "no T1")
    notes.add(3, "late")
    count, digest = notes.mark()
    notes.add(1, "later")
    assert notes.begins_as(count, digest)
    lost = Notes()
    lost.add(7, "no T1")
    assert not lost.begins_as(count, digest)
