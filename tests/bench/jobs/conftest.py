"""`bench run` on the toy data, with plug-ins that start processes."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"


class MarkedRun:
    """`bench run` of one fold, whose processes all carry a mark in their environment."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.out, self.cache, self.mark = folder / "runs", cache, f"BENCH_TEST_MARK={uuid.uuid4().hex}"

    def start(self, *words: str) -> subprocess.Popen[str]:
        options = ["--plugin", str(PLUGINS / "toy.py"), "--plugin", str(PLUGINS / "starter.py")]
        places = ["--out", str(self.out), "--cache-dir", str(self.cache), "--folds", "2", "--fold", "0"]
        command = ["run", "--approach", "starter", "--dataset", "toy", *options, *places, *words]
        return subprocess.Popen(
            [sys.executable, "-c", "from bench.cli import main; main()", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | dict([self.mark.split("=")]),
        )

    def run(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == code, output
        return output

    def left(self) -> list[str]:
        """The command lines of marked processes."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if self.mark.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


@pytest.fixture
def marked_run(tmp_path: Path, session_cache: Path) -> MarkedRun:
    return MarkedRun(tmp_path, session_cache)
