from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bench.jobs.process import why_it_died

CRASH = """Fatal Python error: Segmentation fault

Current thread 0x00007f (most recent call first):
  File "/somewhere/{name}.py", line {line} in forward
  File "/somewhere/else.py", line 7 in fit
"""


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (
            signal.SIGKILL,
            "its process was killed (SIGKILL), most often because memory ran out. Run it again with fewer",
        ),
        (signal.SIGTERM, "was ended from outside (SIGTERM)"),
        (signal.SIGBUS, "(SIGBUS), most often because shared memory"),
        (signal.SIGABRT, "crashed in native code (SIGABRT)."),
    ],
)
def test_signals_are_named_with_their_cure(tmp_path: Path, number: int, said: str) -> None:
    for code in (-number, 128 + number):  # of the supervisor, of the job
        assert said in why_it_died(code, "", tmp_path / "log.txt")


def test_native_crash_says_where_it_was_last(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(CRASH.format(name="old", line=1) + "more\n" + CRASH.format(name="net", line=12))
    assert why_it_died(128 + 11, "", log) == (
        "its process crashed in native code (SIGSEGV), called from net.py line 12, in forward. "
        f"The traceback is in {log}."
    )


def test_other_ends_repeat_what_was_said(tmp_path: Path) -> None:
    assert why_it_died(3, "no such module", tmp_path) == (
        "its process ended (exit code 3): no such module. Run it again: it goes on where it was."
    )
