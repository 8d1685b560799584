from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import main

APPROACH = """
from bench import Approach
class Mine(Approach):
    '''One of ours.'''
    def fit(self, train, context): ...
    def predict(self, studies, context): ...
    def save(self, folder): ...
    @classmethod
    def load(cls, folder, config): ...
"""


def listed(capfd: pytest.CaptureFixture[str], *words: str) -> dict:
    with pytest.raises(SystemExit) as ended:
        main(["list", "approaches", "--json", *words])
    assert ended.value.code == 0
    return {row["name"]: row for row in json.loads(capfd.readouterr().out)["approaches"]}


def test_plugin_that_prints_spoils_no_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chatty.py"
    path.write_text("import os\nprint('hello')\nos.write(1, b'low')\n" + APPROACH)
    row = listed(capfd, "--plugin", str(path))["chatty"]
    assert (row["status"], row["about"]) == ("ready", "One of ours.")


@pytest.mark.parametrize(
    "top", ["raise SystemExit('this needs a GPU')", "import argparse as a\na.ArgumentParser().parse_args()"]
)
def test_plugin_that_ends_the_program_is_listed_as_broken(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, top: str
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "list"])
    path = tmp_path / f"quits{len(top)}.py"
    path.write_text(top + APPROACH)
    rows = listed(capfd, "--plugin", str(path))
    assert rows[path.stem]["status"] == "broken"
    assert "SystemExit" in rows[path.stem]["about"]
    assert rows["prior"]["status"] == "ready"


def test_run_says_why_a_plugin_is_broken(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "quitting.py"
    path.write_text("raise SystemExit('this needs a GPU')" + APPROACH)
    words = ["--plugin", str(path), "--out", str(tmp_path / "runs"), "--cache-dir", str(tmp_path / "cache")]
    with pytest.raises(SystemExit) as ended:
        main(["run", "--approach", "quitting", *words])
    assert ended.value.code == 1
    assert "this needs a GPU" in capfd.readouterr().err
