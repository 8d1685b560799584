from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
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


def test_a_plugin_that_cannot_be_imported_is_listed_with_its_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_module")
    rows = listed(capfd, "--plugin", str(broken))
    assert rows["prior"]["status"] == "ready"
    assert "quick" in rows["mil"]["presets"]
    assert rows["broken"]["status"] == "broken"
    assert "no_such_module" in rows["broken"]["about"]


def test_plugin_that_prints_spoils_no_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chatty.py"
    path.write_text("import os\nprint('hello')\nos.write(1, b'low')\n" + APPROACH)
    row = listed(capfd, "--plugin", str(path))["chatty"]
    assert (row["status"], row["about"]) == ("ready", "One of ours.")


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_control_characters_that_a_plugin_prints_at_import_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "coloured.py"
    noise = (
        "import os, sys, warnings\nprint('\\x1b[31mred')\nsys.stderr.write('\\x1b]0;title\\x07')\n"
        "os.write(2, b'\\x1b[5mraw\\xff\\n')\nwarnings.warn('\\x1b[1mwarned')\n"
    )
    path.write_text(noise + APPROACH)
    ours, theirs = os.openpty()
    words = ["-c", "from bench.cli import main; main()", "list", "approaches", "--json", "--plugin", str(path)]
    done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    shown = b""
    while part := _read(ours):
        shown += part
    assert b"\x1b" not in shown
    assert b"\x07" not in shown
    for text in (rb"\x1b[31mred", rb"\x1b]0;title\x07", rb"\x1b[5mraw\xff", rb"\x1b[1mwarned"):
        assert text in shown
    rows = {row["name"]: row["status"] for row in json.loads(done.stdout)["approaches"]}
    assert rows["coloured"] == "ready"


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # how Linux says that the other end is closed
        return b""


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


def said(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["list", *words])
    assert ended.value.code == 0
    return capfd.readouterr().out


def test_an_approach_shows_its_settings_presets_and_ablations(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = said(capfd, "mil", "--out", str(tmp_path / "absent"))
    assert max(map(len, text.splitlines())) <= 80
    words = " ".join(text.split())
    assert 'severity.pooling ("lstm" | "attention" | "mean"): default "lstm"' in words
    assert "of a bag: ``lstm`` (two-layer bi-LSTM and attention)" in words
    assert "mean-pooling: The mean over a bag" in words
    assert "quick: Minutes on two CPU cores" in words
    assert re.search(r"quick: .*? training \d\.\d min on 80 studies", words)  # of the table that comes with it
    assert "smoke: Seconds: does everything run? Grades nothing well. time, memory and disk unknown" in words


def test_what_was_measured_in_the_store_comes_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], make_store: Callable[..., Path]
) -> None:
    store = make_store({"prior": 0.0}, preset="default")
    document = json.loads(said(capfd, "prior", "--json", "--out", str(store)))["approach"]
    (cost,) = document["presets"][0]["costs"]
    assert (cost["fit_s"], cost["training_studies"], cost["disk_mb"]) == (10.0, 30, None)
    assert cost["where"] == "cpu, 2 threads; n = 4 jobs here"
    assert document["settings"] == []


def test_runs_fit_80_columns_and_a_damaged_one_is_named_in_its_row(
    capfd: pytest.CaptureFixture[str], make_store: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    store = make_store({"mil": 1.0}, folds=3, train_fraction=0.25, failed=[("mil", 0, 2)])
    folders = sorted(path.parent for path in store.rglob("job.json"))
    (folders[0] / "job.json").write_text("x")
    lines = said(capfd, "runs", "--out", str(store)).splitlines()
    table, notes = lines[:-1], lines[-1]
    assert max(map(len, table)) <= 80
    rows = {line.split()[0]: line.split() for line in table[2:]}
    assert "damaged" in rows[next(name for name in rows if name.startswith("mil-quick-"))]
    done = next(line.split() for line in table if " done " in line)
    assert done[:6] == ["mil-quick", "phantom:small", "1", "0", "0.25", "done"]
    assert done[-1] == "s"
    assert notes.startswith(f"damaged: {folders[0]}: ")


def test_an_unknown_approach_is_guessed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["list", "mli"])
    assert ended.value.code == 2
    assert "Did you mean 'mil'?" in capfd.readouterr().err
