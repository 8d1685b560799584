from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bench.console.screen import Screen
from bench.console.terminal import echo, echo_json, line, message, terminal
from bench.jobs.events import Failed, Progress, Reused, Skipped, Stage, Stale, Unknown
from bench.jobs.job import Job
from bench.jobs.order import Order

EVIL = "x\x1b[31m\x9b2J\x07\u202e\ny\r\udce9"
FORBIDDEN = "\x1b\x9b\x07\u202e\r\udce9"
BENCH = Path(__file__).parents[3] / "bench"


def is_clean(text: str) -> bool:
    return not any(one in text for one in FORBIDDEN)


def test_tables_and_whatever_else_a_console_prints(capsys: pytest.CaptureFixture[str]) -> None:
    console = terminal()
    table = Table("name", title=Text(EVIL), caption=EVIL)
    table.add_row(Text(EVIL))
    table.add_row(EVIL)
    for what in (table, Panel(EVIL), EVIL, Text(EVIL)):
        console.print(what, markup=False)
    line(console, EVIL)
    message(console, EVIL)
    shown = capsys.readouterr().out
    assert is_clean(shown)
    assert "\\x1b[31m" in shown
    assert shown.splitlines()[-3:] == [
        "x\\x1b[31m\\x9b2J\\x07\\u202e\\ny\\r\\xe9",
        "x\\x1b[31m\\x9b2J\\x07\\u202e",
        "    y\\r\\xe9",
    ]


def test_plain_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    echo(EVIL)
    echo(EVIL, err=True)
    echo_json({"name": EVIL + "\x7f"})
    shown = capsys.readouterr()
    assert is_clean(shown.out)
    assert is_clean(shown.err)
    assert "\x7f" not in shown.out
    assert json.loads(shown.out.partition("{")[1] + shown.out.partition("{")[2]) == {"name": EVIL + "\x7f"}


@pytest.mark.parametrize("live", [False, True])
def test_progress_lines_and_bars(live: bool) -> None:
    console = terminal()
    console.file = stream = io.StringIO()
    console._force_terminal = live
    job = Job(f"mil{EVIL}", "quick", "{}", "toy", "data", "d" * 64, 5, "f" * 64, 0)
    order = Order(job, Path("runs"), Path("cache"), "cpu", "fp32", 1, 1, "bench run")
    progress = Progress(stage=EVIL, epoch=1, epochs=1, step=1, steps=1, losses={EVIL: 0.5})
    with Screen(console) as screen:
        screen.live = live
        screen.expect([job])
        screen.prepare(f"reading {EVIL}", 1, 1)
        for event in (Stage(EVIL), progress, Stale(EVIL), Reused(EVIL, 1.0), Unknown(EVIL), Skipped(EVIL)):
            screen.on_event(order, event)
        screen.on_event(order, Failed(EVIL))
    shown = stream.getvalue()
    assert not any(one in shown for one in "\x9b\x07\u202e\udce9")
    assert "\x1b[31m\\x9b" not in shown
    assert "\\x1b[31m" in shown
    if not live:
        assert is_clean(shown)
        assert all(text[2] == ":" for text in shown.splitlines())  # every line has its time: none was forged


def test_there_is_no_other_way_to_the_terminal() -> None:
    """Whoever prints in another way prints foreign text raw."""
    ways = ("print", "click.echo", "click.secho", "Console")
    allowed = {
        BENCH / "console" / "terminal.py",
        BENCH / "console" / "result_table.py",  # a console that measures and prints nothing
    }
    files = {*(BENCH / "cli").rglob("*.py"), *(BENCH / "console").rglob("*.py")} - allowed
    assert len(files) > 10
    found = [
        f"{file.relative_to(BENCH)}: {ast.unparse(node)[:60]}"
        for file in sorted(files)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ways
    ]
    assert found == []
