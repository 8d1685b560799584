from __future__ import annotations

import ast
import json
import os
import pickle
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

import bench
from bench.jobs.event_pipe import EventPipe
from bench.jobs.events import KINDS, Done, Failed, Progress, Stage, Unknown, make_event, read_event

JOBS = Path(bench.__file__).parent / "jobs"


@pytest.mark.parametrize(
    "event",
    [
        Progress("severity", 1, 10, 2, 3, {"loss": 0.5}, 1e-3, None),
        Failed("no [T1] here\nnor there", "Traceback"),
        Done(None, 1.5),
    ],
)
def test_events_come_back_from_one_line_of_json(event: object) -> None:
    line = event.to_json()
    assert "\n" not in line
    assert read_event(line + "\n") == event


def test_json_is_readable() -> None:
    assert json.loads(make_event("reused", stage="means", seconds=2.0).to_json()) == {
        "event": "reused",
        "stage": "means",
        "seconds": 2.0,
    }


def test_what_a_newer_version_tells_is_kept_as_text() -> None:
    line = '{"event": "warmed", "degrees": 7}'
    assert read_event(line) == Unknown(line)
    assert Unknown(line).to_json() == line
    assert read_event('{"event": "stage", "stage": "opening", "since": 3}') == Stage("opening")
    assert read_event('{"event": "stage"}') == Unknown('{"event": "stage"}')


@pytest.mark.parametrize("line", ["", "Traceback", "7", "[1]", '{"a": 1}', '{"event": 3}'])
def test_what_is_printed_is_no_event(line: str) -> None:
    assert read_event(line) is None


def test_a_wrong_event_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"'stag'\. Available: stage, progress"):
        make_event("stag", stage="x")
    with pytest.raises(TypeError, match="unexpected keyword argument 'stage'"):
        make_event("stale", stage="x")


def test_which_events_are_last() -> None:
    assert {kind for kind, one in KINDS.items() if one.is_last} == {
        "found", "done", "skipped", "failed", "stopped", "locked"
    }  # fmt: skip


def test_whatever_the_code_of_jobs_tells_is_an_event() -> None:
    calls = [
        (node.args[0].value, {word.arg for word in node.keywords}, path.name)
        for path in JOBS.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
        if getattr(node.func, "attr", getattr(node.func, "id", "")) == "emit"
    ]
    assert len(calls) > 8
    for kind, details, file in calls:
        assert kind in KINDS, (kind, file)
        known = {one.name for one in fields(KINDS[kind])}
        needed = {one.name for one in fields(KINDS[kind]) if one.default is MISSING}
        if None in details:  # **row: known when it runs
            needed = set()
        assert needed <= details <= known | {None}, (kind, file)


def test_a_fork_and_a_copy_tell_nothing() -> None:
    reading, writing = os.pipe()
    pipe = EventPipe(writing)
    pipe.emit("stage", stage="before")
    pickle.loads(pickle.dumps(pipe.emit))("stage", stage="in a copy")
    child = os.fork()
    if child == 0:
        pipe.emit("stage", stage="in a fork")
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert os.read(reading, 4096) == b'{"event": "stage", "stage": "before"}\n'
    os.close(reading)
    pipe.emit("stage", stage="after the reader has gone")
    pipe._close()
