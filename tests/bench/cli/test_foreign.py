"""Names from the disk, words of plug-ins and of the user on every way to the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.cli import _show_traceback, main

EVIL = "x\x1b[31m\x9b2J\ny"


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit):
        main(list(words))
    both = capsys.readouterr()
    assert not any(one in both.out + both.err for one in "\x1b\x9b\udce9")
    return both.out + both.err


def test_errors_name_files_without_their_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "\\x1b[31m" in shown(capsys, "score", EVIL, "b.csv")
    assert "error: " in (text := shown(capsys, "data", "check", str(tmp_path / EVIL)))
    assert all(line.startswith(("error: ", "    ")) for line in text.splitlines())
    assert "\\xe9" in shown(capsys, "data", "check", os.fsdecode(b"/caf\xe9"))
    assert "\\x1b" in shown(capsys, "run", f"--{EVIL}")
    assert "\\x1b" in shown(capsys, EVIL)


def test_words_of_a_plugin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(f"raise ValueError({EVIL!r})")
    for words in (["list", "approaches"], ["list", "approaches", "--json"]):
        assert "mine" in shown(capsys, *words, "--plugin", str(tmp_path / "mine.py"))
    (tmp_path / f"{EVIL}.py").write_text("")
    shown(capsys, "list", "approaches", "--plugin", str(tmp_path / f"{EVIL}.py"))


def test_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError(EVIL)
    except ValueError:
        _show_traceback(*sys.exc_info())  # type: ignore[arg-type]
    assert "ValueError: x\\x1b[31m\\x9b2J" in capsys.readouterr().err
