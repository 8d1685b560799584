from __future__ import annotations

from pathlib import Path

import pytest

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
    assert list(Notes(path)) == [(7, "no T1")]
    Notes(path).add(3, "cut")
    assert list(Notes(path)) == [(7, "no T1"), (3, "cut")]


def test_notes_of_the_wrong_shape_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text('[]\n{"a": 1}\n[1, 2]\n["1", "x"]\n[true, "x"]\n\xff\n[5, "right"]\n')
    assert list(Notes(tmp_path / "notes.jsonl")) == [(5, "right")]
