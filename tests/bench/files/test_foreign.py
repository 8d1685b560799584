from __future__ import annotations

import csv
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.files.foreign import block, csv_cell, from_csv_cell, one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("größe 脊椎 1\u202f000\xa0mm", "größe 脊椎 1\u202f000\xa0mm"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m\x7f\r", "\\x9b31m\\x7f\\r"),
        ("a\u202eb\u2028", "a\\u202eb\\u2028"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
        ("two\n\tlines", "two\n\tlines"),
    ],
)
def test_what_a_terminal_would_act_on_becomes_its_code(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_foreign_line_end_forges_no_line() -> None:
    assert one_line("name\ndone: all\n") == "name\\ndone: all"
    assert block("first\ndone: all\n") == "first\n    done: all"


@given(st.text(st.characters(codec=None)))
def test_no_control_character_is_left(text: str) -> None:
    for safe in (one_line(text), csv_cell(text)):
        assert not any(ord(one) < 32 or 127 <= ord(one) < 160 or 0xD800 <= ord(one) < 0xE000 for one in safe)
        safe.encode("utf-8")


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "＝1", "'=1", "=1\n=2", "\r=1", "\t=1"]
)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerow([csv_cell(text)])
    (row,) = csv.reader(io.StringIO(stream.getvalue()))
    assert row[0][0] in "'\\ "
    assert "\n" not in row[0]


@pytest.mark.parametrize("value", [-1.5, 7, None, True, "-1.5", "+2e-3", "mil-quick", "", "'tis", "1 - 2", "severity"])
def test_numbers_and_plain_texts_stay(value: object) -> None:
    assert csv_cell(value) is value or csv_cell(value) == value


@given(st.text(st.sampled_from("'=+-@ab1")))
def test_what_was_made_safe_is_read_back(text: str) -> None:
    assert from_csv_cell(csv_cell(text)) == text
